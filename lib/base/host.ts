/**
 * The machine as commands see it: one object, handed to `main(args, host)`. Implemented in `lib/io/host.ts`, faked in
 * `tests/support/fake_host.ts`. Commands name neither `Deno` nor a timer nor a socket; everything they wait for comes from here.
 */
import { ExpectedError } from "./errors.ts";
import type { Clock, Random } from "./core.ts";
import type { HostNetwork } from "./host_network.ts";

export interface Host extends HostNetwork {
  readonly stdin: HostInput;
  readonly stdout: HostOutput;
  readonly stderr: HostOutput;
  /** Resolves when all that was printed was taken, or nobody takes it any more. */
  flush(): Promise<void>;
  readonly files: HostFiles;
  /** Folders, and files in pieces: for copying. Its code is loaded when it is asked for. */
  fileTree(): Promise<FileTree>;
  readonly clock: HostClock;
  readonly random: Random;
  /** As `Deno.build.os` names it: `linux`, `darwin`, `windows`, … */
  readonly os: string;
  /** As Go names it: `amd64`, `arm64`, … */
  readonly arch: string;
  /** Of the Deno that runs us. */
  readonly runtimeVersion: string;
  readonly pid: number;
  /** Of the process that we belong to now: another one when that which started us has ended. */
  readonly parentPid: number;
  /** Absolute; `undefined` when the machine knows none. */
  readonly homeDir: string | undefined;
  readonly tempDir: string;
  /** The value of an environment variable; `undefined` when unset or not allowed to be read. */
  env(name: string): string | undefined;
  /** Whether the variable may be looked at; one that may not is unset for us, whatever it is. */
  mayReadEnv(name: string): boolean;
  /** The words that start this program again, absolute: for the commands that other programs are to run. */
  program(): Promise<readonly string[]>;
  /**
   * Runs a program to its end. Rejects with `HostError` when it cannot be started, with the reason when aborted.
   * The environment is ours plus `env`. Output beyond `maxOutputBytes` of each stream is dropped.
   */
  run(program: string, args: readonly string[], options?: RunOptions): Promise<RunResult>;
  /** The system's store of secrets. Absent where it has none that we speak to by ourselves: macOS has a program for its own. */
  readonly credentials?: HostCredentials;
  /** Ends this process at once: nothing is waited for, the terminal is left as it was found. Returns in tests only. */
  exit(code: number): void;
  /** Stops this process as Ctrl-Z does; resolves when it goes on. Absent where there is no job control. */
  readonly suspend?: () => Promise<void>;
  /** Calls `handler` at each such signal, instead of what it does by default, until the returned function is called. */
  onSignal(name: SignalName, handler: () => void): () => void;
}

/** The user's generic credentials of Windows, by their name. All of it rejects with `HostError`, `not-permitted` where we may not. */
export interface HostCredentials {
  /** `undefined` when nothing is there. */
  read(name: string): Promise<Uint8Array | undefined>;
  write(name: string, blob: Uint8Array): Promise<void>;
  /** No error when nothing is there. */
  remove(name: string): Promise<void>;
}

/** `SIGWINCH`: the terminal's size changed (on Windows the implementer polls). Names a system lacks never fire. */
export type SignalName = "SIGINT" | "SIGTERM" | "SIGHUP" | "SIGWINCH";

export interface HostInput {
  readonly isTerminal: boolean;
  /** Reads into `into`, borrowed until settled; the count, or `null` at the end. One read at a time. */
  read(into: Uint8Array): Promise<number | null>;
  /** Columns and rows; `undefined` when it is no terminal or the size is unknown. */
  size(): TerminalSize | undefined;
  /** Switches the terminal to raw mode; the returned function restores it, is idempotent and never throws. */
  enterRawMode(): () => void;
}

export interface HostOutput {
  readonly isTerminal: boolean;
  /** Columns and rows; `undefined` when it is no terminal or the size is unknown. */
  size(): TerminalSize | undefined;
  /**
   * Resolves when all bytes were taken. Rejects with `HostError`: `broken-pipe` when nobody reads any more, else what went wrong,
   * such as `no-space`. One write at a time.
   */
  write(bytes: Uint8Array): Promise<void>;
  /** Text for people, in order and without waiting; never throws, a failure is dropped. */
  print(text: string): void;
}

export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

export interface HostClock extends Clock {
  /** Resolves after `ms`; rejects with the signal's reason when aborted, at once if it already is. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Minutes that local time is ahead of UTC at the given wall-clock instant (Europe/Paris in summer: 120). */
  utcOffsetMinutes(wallMs: number): number;
}

export interface HostFiles {
  /** The text; `undefined` when there is no such file. Rejects with `HostError` otherwise. */
  readText(path: string): Promise<string | undefined>;
  /** The bytes; `undefined` when there is no such file. Rejects with `HostError` otherwise, also for what is no regular file. */
  readBytes(path: string, options: { readonly maxBytes: number }): Promise<Uint8Array | undefined>;
  /**
   * Replaces a file as a whole, or makes it: no reader sees half of it, and it is on the disk before it takes the old one's place.
   * Permissions and owner stay. Parent folders must exist. Rejects with `HostError`; the old file is whole then.
   */
  replaceBytes(path: string, bytes: Uint8Array, options?: ReplaceBytesOptions): Promise<void>;
  /** Creates or replaces. Parent folders must exist. */
  writeText(path: string, text: string, options?: WriteOptions): Promise<void>;
  /** Creates the folder and its parents; no error when it exists. */
  mkdir(path: string, options?: ModeOptions): Promise<void>;
  /** `undefined` when nothing is there. */
  stat(path: string): Promise<FileStat | undefined>;
  /** Where the file is when every link is followed; `undefined` when nothing is there. */
  realPath(path: string): Promise<string | undefined>;
  /** What lies in a folder, in no order; `undefined` when there is none. Rejects with `HostError` otherwise. */
  list(path: string): Promise<readonly FileEntry[] | undefined>;
  /** Gives a file or a folder another name, in the place of a file that has it. Rejects with `HostError`, `not-found` for one. */
  rename(from: string, to: string): Promise<void>;
  /** Removes a file or an empty folder; no error when it is not there. */
  remove(path: string): Promise<void>;
  /** Creates a file that must not exist yet and opens it for appending. Rejects with `HostError` `"exists"` if it does. */
  createExclusive(path: string, options?: ModeOptions): Promise<HostFile>;
  /** Takes an exclusive lock on a file, which is created if need be; `undefined` when another process has it. */
  tryLock(path: string): Promise<HostLock | undefined>;
}

export interface ModeOptions {
  /** Permission bits, where the system has them. @default 0o600 for files, 0o700 for folders */
  readonly mode?: number;
}

export interface WriteOptions extends ModeOptions {
  /** Adds to the end instead of replacing. @default false */
  readonly append?: boolean;
  /** Replaces the file as a whole, so that no reader sees half of it. Not with `append`. @default false */
  readonly atomic?: boolean;
}

export interface ReplaceBytesOptions extends ModeOptions {
  /** Replaces what a link leads to, not the link. @default true */
  readonly followsLinks?: boolean;
}

export interface FileEntry {
  readonly name: string;
  /** Links are not followed. */
  readonly kind: "file" | "directory" | "link" | "other";
}

export interface FileStat {
  readonly kind: "file" | "directory" | "other";
  readonly sizeBytes: number;
  /** Permission bits; `undefined` where the system has none. */
  readonly mode?: number;
}

/** Folders, and files in pieces. All of it rejects with `HostError`, in words for people. */
export interface FileTree {
  /** `undefined` when nothing is there. Links are followed. */
  stat(path: string): Promise<TreeStat | undefined>;
  /** Links to folders are `other`: they may lead in a circle. */
  list(path: string): Promise<readonly TreeEntry[]>;
  /** Creates the folder and its parents; no error when it exists. */
  mkdir(path: string): Promise<void>;
  /** The bytes from `from` on; each piece is the reader's own. */
  read(path: string, from: number): AsyncIterable<Uint8Array>;
  /** Writes from `from` on, into a new file when that is the beginning; resolves when it is on the disk. */
  write(path: string, from: number, pieces: AsyncIterable<Uint8Array>): Promise<void>;
  /** Takes the place of whatever file is there. */
  replace(from: string, to: string): Promise<void>;
  /** No error when it is not there. */
  remove(path: string): Promise<void>;
}

export interface TreeStat {
  readonly kind: "file" | "folder" | "other";
  readonly sizeBytes: number;
}

export interface TreeEntry {
  readonly name: string;
  readonly kind: TreeStat["kind"];
}

/** A lock held; the system frees it when the process ends. */
export interface HostLock {
  /** Idempotent; never throws. */
  release(): void;
}

/** A file open for appending. */
export interface HostFile {
  /** At once and in order; never throws, a failure is dropped. */
  print(text: string): void;
  /** Idempotent. */
  close(): Promise<void>;
}

export interface RunOptions {
  /** Bytes for its standard input. @default none: the input is empty */
  readonly stdin?: Uint8Array;
  /** Variables added to ours. */
  readonly env?: Readonly<Record<string, string>>;
  /** @default 8 MiB */
  readonly maxOutputBytes?: number;
  readonly signal?: AbortSignal;
}

export interface RunResult {
  /** Exit status; 128 + n when a signal ended it. */
  readonly code: number;
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
}

export type HostErrorCode =
  | "not-found"
  | "exists"
  /** The system's own permissions. */
  | "permission-denied"
  /** A Deno permission was refused. */
  | "not-permitted"
  | "read-only"
  | "no-space"
  | "broken-pipe"
  | "other";

/** A file, program or standard stream failed. The message says which and why, in words for people. */
export class HostError extends ExpectedError {
  override name = "HostError";
  readonly code: HostErrorCode;

  constructor(code: HostErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}
