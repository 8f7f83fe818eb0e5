/** `context list`: the logins that are kept side by side, and which of them is in use. Asks no deployment. */
import type { Host } from "../../base/host.ts";
import { UserError } from "../../base/errors.ts";
import { hideCredentials } from "../../coder/text.ts";
import {
  chooseContext,
  contextDir,
  DEFAULT_CONTEXT,
  isExplicit,
  namedContexts,
} from "../config/context.ts";
import { configDir, readConfigFile } from "../config/folder.ts";
import type { GlobalOptions } from "../grammar/flags_global.ts";
import { columnFlag, OUTPUT, writeJson, writeTable } from "../table/output.ts";
import type { Column } from "../table/table.ts";
import { defineCommand } from "./command.ts";

interface Row {
  readonly name: string;
  readonly url: string;
  readonly isInUse: boolean;
  readonly dir: string;
  /** Why its files say nothing; empty when they do. */
  readonly problem: string;
}

const COLUMNS: readonly Column<Row>[] = [
  { name: "name", cell: ({ name }) => name },
  { name: "in use", cell: ({ isInUse }) => isInUse ? "yes" : "no" },
  { name: "url", cell: ({ url, problem }) => problem || url || "not logged in" },
  { name: "folder", cell: ({ dir }) => dir },
];

export const command = defineCommand({
  name: "context list",
  usage: "[flags]",
  summary: "List the deployments that are kept side by side.",
  description: "Lists the contexts: the login that is shared with the coder command, called " +
    `"${DEFAULT_CONTEXT}", and those made with 'hawser login --context <name> <url>'.`,
  examples: [
    { line: "hawser context list", does: "Which there are, and which is in use" },
    { line: "hawser context list --output json", does: "For scripts" },
  ],
  flags: { output: OUTPUT, columns: columnFlag(COLUMNS, ["name", "in use", "url"]) },
  positionals: { min: 0, max: 0 },
  async run({ output, columns }, { host, global, progress }) {
    const rows = await rowsOf(host, global, (line) => progress.line(line));
    if (output === "json") {
      await writeJson(
        host,
        rows.map(({ name, url, isInUse, dir, problem }) => ({
          name,
          url,
          in_use: isInUse,
          folder: dir,
          ...(problem === "" ? {} : { problem }),
        })),
      );
    } else await writeTable(host, rows, { columns: COLUMNS, chosen: columns });
    return 0;
  },
});

async function rowsOf(
  host: Host,
  global: GlobalOptions,
  warn: (line: string) => void,
): Promise<Row[]> {
  const base = configDir(host, global);
  const inUse = await nameInUse(host, global, warn);
  const names = [DEFAULT_CONTEXT, ...await namedContexts(host, base)];
  if (inUse !== undefined && !names.includes(inUse)) {
    warn(`The context in use is not there any more: "${inUse}"`);
  }
  return await Promise.all(names.map(async (name) => {
    const dir = contextDir(host, base, name);
    const row = { name, isInUse: name === inUse, dir: dir ?? "" };
    try {
      const url = hideCredentials(await readConfigFile(host, dir, "url"));
      return { ...row, url, problem: "" };
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      return { ...row, url: "", problem: error.message };
    }
  }));
}

/** Whoever says that the file is damaged still wants to see what there is. */
async function nameInUse(
  host: Host,
  global: GlobalOptions,
  warn: (line: string) => void,
): Promise<string | undefined> {
  try {
    const context = await chooseContext(host, global);
    if (isExplicit(context)) warn(`${context.chosenBy} says ${context.name}, for this call.`);
    return context.name;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    warn(`${error.message}. ${error.hint ?? ""}`.trim());
    return undefined;
  }
}
