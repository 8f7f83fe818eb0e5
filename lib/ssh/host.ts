/**
 * What the ssh room is handed by whoever owns the machine: time, local sockets, programs, and a terminal.
 * `lib/io/local_sockets.ts` implements the sockets; the rest fits `Host` of `lib/base/host.ts` as it is.
 */
import type { Instant } from "../base/core.ts";
import type { TerminalSize } from "../base/host.ts";

export type { TerminalSize };
export {
  formatHostPort,
  formatTarget,
  type LocalListener,
  type LocalSockets,
  type LocalTarget,
  socketPathProblem,
} from "../base/sockets.ts";

export interface SshClock {
  /** Monotonic milliseconds. */
  now(): Instant;
  /** Resolves after `ms`; rejects with the signal's reason when aborted, at once if it already is. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export interface SessionInput {
  readonly isTerminal: boolean;
  /** Reads into `into`, borrowed until settled; the count, or `null` at the end. One read at a time. */
  read(into: Uint8Array): Promise<number | null>;
  /** Columns and rows; `undefined` when it is no terminal or the size is unknown. */
  size(): TerminalSize | undefined;
  /** Switches the terminal to raw mode; the returned function restores it, is idempotent and never throws. */
  enterRawMode(): () => void;
}

export interface SessionOutput {
  readonly isTerminal: boolean;
  /** Columns and rows; `undefined` when it is no terminal or the size is unknown. */
  size(): TerminalSize | undefined;
  /** Resolves when all bytes were taken; rejects when nobody reads any more. One write at a time. */
  write(bytes: Uint8Array): Promise<void>;
  /** Text for people, at once and in order; never throws. */
  print(text: string): void;
}
