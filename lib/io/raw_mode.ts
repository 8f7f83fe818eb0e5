/** The terminal that the standard streams share: raw mode and size. */
import { isDefect } from "../base/errors.ts";
import type { TerminalSize } from "../base/host.ts";

export interface TerminalMode {
  isRaw: boolean;
}

const RAW = true;
const COOKED = false;

/** Every byte as it is typed and as it is sent. */
export function enterRawMode(terminal: TerminalMode): void {
  Deno.stdin.setRaw(RAW);
  stopOutputProcessing();
  terminal.isRaw = true;
}

/** Idempotent; never throws. */
export function leaveRawMode(terminal: TerminalMode): void {
  if (!terminal.isRaw) return;
  terminal.isRaw = false;
  try {
    Deno.stdin.setRaw(COOKED);
  } catch (error) {
    // The terminal is gone (hang-up): there is nothing left to restore.
    if (isDefect(error)) throw error;
  }
}

/**
 * Deno's raw mode leaves the terminal's output processing on: a line feed of a remote program would gain a carriage return.
 * Leaving raw mode restores this as well. Without `stty`, or the permission to run it, full-screen programs draw less well.
 */
function stopOutputProcessing(): void {
  if (Deno.build.os === "windows") return;
  try {
    new Deno.Command("stty", { args: ["-opost"], stdin: "inherit", stdout: "null", stderr: "null" })
      .outputSync();
  } catch (error) {
    const isExpected = error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.NotCapable || error instanceof Deno.errors.PermissionDenied;
    if (!isExpected) throw error;
  }
}

/** Columns and rows, if it is one and knows. */
export function terminalSize(stream: { isTerminal(): boolean }): TerminalSize | undefined {
  if (!stream.isTerminal()) return undefined;
  try {
    return Deno.consoleSize(); // asks each of the standard streams
  } catch (error) {
    // A terminal that does not know its size is used without one.
    if (isDefect(error)) throw error;
    return undefined;
  }
}
