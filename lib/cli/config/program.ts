/** Whether other programs will find this one again, where a file tells them to start it. */
import { type Host, HostError } from "../../base/host.ts";
import { joinPath } from "../../base/paths.ts";
import { goQuote } from "../../coder/text.ts";

/** What may go wrong with a command of these words, line by line; empty when all is well. */
export async function programWarning(
  host: Host,
  words: readonly string[],
): Promise<readonly string[]> {
  // npm's own folder for what it may throw away.
  if (words.some((word) => /[\\/]_npx[\\/]/.test(word))) {
    return ["npx keeps programs only for a while: install hawser for a command that lasts."];
  }
  const [program = "", ...rest] = words;
  // Whatever needs more words than its own was never started by its name.
  if (rest.length > 0) return [];
  const found = await findOnPath(host, program.slice(lastSeparator(host, program) + 1));
  if (found !== undefined && await isSameFile(host, found, program)) return [];
  return [
    "The current executable path does not match the executable path found in $PATH.",
    "This may cause issues connecting to your workspace via SSH.",
    `\tCurrent executable path: ${goQuote(program)}`,
    `\tExecutable path in $PATH: ${goQuote(found ?? "")}`,
  ];
}

function lastSeparator({ os }: Host, path: string): number {
  const separators = os === "windows" ? ["/", "\\"] : ["/"];
  return Math.max(...separators.map((separator) => path.lastIndexOf(separator)));
}

/** The first file of this name in the folders of PATH. */
async function findOnPath(host: Host, name: string): Promise<string | undefined> {
  const folders = (host.env("PATH") ?? "").split(host.os === "windows" ? ";" : ":");
  for (const folder of folders.filter((text) => text !== "")) {
    const path = joinPath(host.os, folder, name);
    if ((await quietly(host.files.stat(path)))?.kind === "file") return path;
  }
  return undefined;
}

async function isSameFile({ files }: Host, a: string, b: string): Promise<boolean> {
  if (a === b) return true;
  const [realA, realB] = await Promise.all([
    quietly(files.realPath(a)),
    quietly(files.realPath(b)),
  ]);
  return realA !== undefined && realA === realB;
}

/** A folder that may not be looked into holds nothing for us. */
async function quietly<T>(looking: Promise<T | undefined>): Promise<T | undefined> {
  try {
    return await looking;
  } catch (error) {
    if (error instanceof HostError) return undefined;
    throw error;
  }
}
