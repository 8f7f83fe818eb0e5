/** Two sessions that something is to end: `--stdio` and one of the program's own, and the words that must go with it. */
import { match, strictEqual } from "node:assert/strict";
import type { Desk } from "../live/desk.ts";
import type { Process } from "../live/process.ts";
import { withoutWaits } from "../live/waits.ts";

export const LIMIT_MS = 60_000;

/** `--stdio` without OpenSSH, which would hide its exit status, and a session of the program's own. */
export async function openBoth(desk: Desk): Promise<{ stdio: Process; own: Process }> {
  const options = { limitMs: LIMIT_MS };
  const stdio = desk.startProgram(["--stdio", desk.workspace], options);
  const own = desk.startProgram([desk.workspace, "echo up; cat"], options);
  await stdio.stdout.until(/\n/);
  await own.stdout.until(/up\n/);
  return { stdio, own };
}

/** The transport was lost: 255 and one line that says so, from a session of the program's own one more that says why. */
export async function expectLost(process: Process, text: RegExp): Promise<void> {
  const exit = await process.exit();
  strictEqual(exit.code, 255, exit.stderr);
  match(withoutWaits(exit.stderr), text);
}

export const LOST_PIPE = /^[^\n]+\n$/;
/** What ends first, the agent's stream or the watch on the workspace, is chance. */
export const OVER = /^[^\n]+\n([^\n]+\n)?$/;
export const LOST_SESSION = /^SSH connection ended unexpectedly\n[^\n]+\n$/;
