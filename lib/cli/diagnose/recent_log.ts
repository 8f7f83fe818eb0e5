/** The end of the last log file that `ssh --log-dir` left: what `support` shows of it, without what could let somebody in. */
import { UserError } from "../../base/errors.ts";
import { type Host, HostError } from "../../base/host.ts";
import { joinPath } from "../../base/paths.ts";

const MAX_BYTES = 64 * 1024;
const MAX_LINES = 200;
/** The official command's name as well: the time stands in it, so that the last of them is the newest. */
const LOG_NAME = /^coder-ssh-\d{8}-\d{6}-[a-z]{1,32}(?:-\d{1,20})?\.log$/;
/** As deployments make them. Logs hold none, and what is sent to strangers is looked at twice. */
const TOKEN = /\b[0-9A-Za-z]{10}-[0-9A-Za-z]{22}\b/g;
const LEFT_OUT = "[left out]";

/** Lines for the report. `secrets` are known ones; empty ones are none. */
export async function recentLogLines(
  host: Host,
  options: { readonly dir: string; readonly secrets: readonly (string | undefined)[] },
): Promise<readonly string[]> {
  const { dir } = options;
  if (dir === "") {
    return [
      "Log: none is kept. Run 'hawser ssh --log-dir <folder> -v …' until it fails, then 'hawser support --log-dir <folder>'",
    ];
  }
  try {
    const entries = await host.files.list(dir);
    const names = (entries ?? []).filter(({ name, kind }) => kind === "file" && LOG_NAME.test(name))
      .map(({ name }) => name);
    const newest = names.toSorted().at(-1);
    if (newest === undefined) return [`Log: no file of 'hawser ssh --log-dir' is in ${dir}`];
    const path = joinPath(host.os, dir, newest);
    const lines = await lastLines(host, path);
    return [
      `Log: the end of ${path}, lines: ${lines.length}`,
      ...withoutSecrets(lines, options.secrets),
    ];
  } catch (error) {
    if (!(error instanceof HostError) && !(error instanceof UserError)) throw error;
    return [`Log: ${error.message}`];
  }
}

/** Whole lines only. */
async function lastLines(host: Host, path: string): Promise<readonly string[]> {
  const tree = await host.fileTree();
  const size = (await tree.stat(path))?.sizeBytes ?? 0;
  const from = Math.max(0, size - MAX_BYTES);
  const decoder = new TextDecoder();
  let text = "";
  let count = 0;
  for await (const piece of tree.read(path, from)) {
    // It may be growing.
    const part = piece.subarray(0, MAX_BYTES - count);
    text += decoder.decode(part, { stream: true });
    count += part.length;
    if (count >= MAX_BYTES) break;
  }
  const lines = text.split("\n").slice(from > 0 ? 1 : 0).filter((line) => line !== "");
  return lines.slice(-MAX_LINES);
}

function withoutSecrets(
  lines: readonly string[],
  secrets: readonly (string | undefined)[],
): readonly string[] {
  return lines.map((line) => {
    let shown = line;
    for (const secret of secrets) if (secret) shown = shown.replaceAll(secret, LEFT_OUT);
    return shown.replaceAll(TOKEN, LEFT_OUT).split(" ").map(withoutLogin).join(" ");
  });
}

/** A word without what stands before the host of a URL in it; rather too little of the word than too much. */
function withoutLogin(word: string): string {
  const mark = word.indexOf("://");
  const at = word.lastIndexOf("@");
  return mark < 0 || at < mark ? word : `${word.slice(0, mark + 3)}${LEFT_OUT}${word.slice(at)}`;
}
