/** `ssh --list-persistent`: which shells are kept in a workspace. It starts none, nor the workspace. */
import type { SessionOutcome } from "../../../ssh/ends.ts";
import { runRemote } from "../../../ssh/remote_command.ts";
import type { SshOptions } from "../../grammar/flags_ssh.ts";
import type { Steps } from "../../ready/steps.ts";
import { writeTable } from "../../table/output.ts";
import type { Column } from "../../table/table.ts";
import { localTime } from "../../terminal/local_time.ts";
import type { Running } from "../ssh_session.ts";
import { type KeptEntry, parseList } from "./answers.ts";
import { listCommand } from "./scripts.ts";

const MINUTES = "2006-01-02 15:04".length;

/** The options of a connection that only looks. */
export function onlyLooking(options: SshOptions): SshOptions {
  return {
    ...options,
    forwardAgent: false,
    forwardGpg: false,
    localForwards: [],
    dynamicForwards: [],
    remoteForwards: [],
    usageApp: "disable",
  };
}

/** Prints what is kept there. */
export async function listKept({ steps, connection, env }: Running): Promise<SessionOutcome> {
  const { host, progress } = steps;
  const entries = parseList((await runRemote(connection, listCommand(), { env })).stdout);
  if (entries.length === 0) progress.line("No shell is kept there");
  await writeTable(host, entries, { columns: columnsFor(steps), chosen: [] });
  return { exitCode: 0 };
}

function columnsFor({ host: { clock } }: Steps): readonly Column<KeptEntry>[] {
  return [
    { name: "name", cell: ({ name }) => name },
    { name: "kept by", cell: ({ keeper }) => keeper },
    { name: "clients", cell: ({ clients }) => clients === undefined ? "-" : String(clients) },
    {
      name: "since",
      cell: ({ startedAtMs }) =>
        startedAtMs === undefined ? "-" : localTime(clock, startedAtMs).slice(0, MINUTES),
    },
  ];
}
