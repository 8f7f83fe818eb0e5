/**
 * What the ssh room is handed by whoever owns the machine: time, local sockets, programs, and a terminal.
 * `lib/io/local_sockets.ts` implements the sockets; the rest fits `Host` of `lib/cli/host.ts` as it is.
 */
import type { Instant } from "../base/core.ts";
import type { ByteStream } from "../base/stream.ts";

export interface SshClock {
  /** Monotonic milliseconds. */
  now(): Instant;
  /** Resolves after `ms`; rejects with the signal's reason when aborted, at once if it already is. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** An endpoint on this machine, or on one it can reach. */
export type LocalTarget =
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | { readonly kind: "unix"; readonly path: string }
  /** A Windows named pipe, e.g. `\\.\pipe\openssh-ssh-agent`. */
  | { readonly kind: "pipe"; readonly path: string };

export interface LocalListener {
  /** Where it listens; a port of 0 has become the real one. */
  readonly target: LocalTarget;
  /** The next connection, or `undefined` once closed. One call at a time. */
  accept(): Promise<ByteStream | undefined>;
  /** Stops listening and removes a unix socket's file. Connections live on. Idempotent. */
  close(): void;
}

export interface LocalSockets {
  /** Rejects with an `Error` whose message says why, in words for people. */
  connect(target: LocalTarget, signal?: AbortSignal): Promise<ByteStream>;
  /** Rejects likewise. A unix socket's file that nobody listens on is replaced. */
  listen(target: LocalTarget): Promise<LocalListener>;
}

export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

export interface SessionInput {
  readonly isTerminal: boolean;
  /** Reads into `into`, borrowed until settled; the count, or `null` at the end. One read at a time. */
  read(into: Uint8Array): Promise<number | null>;
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

/** The text of a target for messages: `127.0.0.1:8080`, `[::1]:22`, `/run/x.sock`. */
export function formatTarget(target: LocalTarget): string {
  if (target.kind !== "tcp") return target.path;
  return formatHostPort(target.host, target.port);
}

/** `host:port` with the brackets that an IPv6 literal needs. */
export function formatHostPort(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
