/**
 * The log file of a session (docs/protocol/ssh.md#log-file): name, mode and line format are the official command's, since editors look
 * for them. `--log-to-file` is the retired way to ask for one.
 *   2006-01-02 15:04:05.000 [info]  net.derp: frame received  type=4  bytes=1312
 */
import { randomBytes } from "../../base/core.ts";
import { UserError } from "../../base/errors.ts";
import type { Log, LogFields, LogLevel } from "../../base/log.ts";
import { goQuote, stripToLine } from "../../coder/text.ts";
import { type Host, HostError } from "../../base/host.ts";
import { localStamp, localTime } from "./local_time.ts";
import { joinPath } from "../../base/paths.ts";

export interface LogFileOptions {
  /** Must exist. */
  readonly dir: string;
  /** Adds the parent's process id to the name, by which editors find the file of their ssh. */
  readonly stdio: boolean;
  /** Records of level debug as well. */
  readonly verbose: boolean;
  /** A name whose file may be there already, and is replaced. @default a new one, of the time and random letters */
  readonly fileName?: string;
}

export interface LogFile {
  readonly path: string;
  readonly log: Log;
  /** Idempotent. */
  close(): Promise<void>;
}

const LETTERS = "abcdefghijklmnopqrstuvwxyz";
const NONCE_LETTERS = 5;
const MODE = 0o600;

/** Makes a new log file. Throws `UserError` when the folder is missing or cannot be written to. */
export async function openLogFile(host: Host, options: LogFileOptions): Promise<LogFile> {
  const { dir, verbose, fileName } = options;
  const path = joinPath(host.os, dir, fileName ?? newName(host, options));
  try {
    if (fileName !== undefined) await host.files.remove(path);
    const file = await host.files.createExclusive(path, { mode: MODE });
    const log = lineLog({ host, print: (line) => file.print(line), verbose });
    return { path, log, close: () => file.close() };
  } catch (cause) {
    if (!(cause instanceof HostError)) throw cause;
    throw new UserError(`error opening ${dir} for logging: ${cause.message}`, {
      hint: "Give --log-dir a folder that exists and can be written to",
      cause,
    });
  }
}

function newName(host: Host, { stdio }: LogFileOptions): string {
  const stamp = localStamp(host.clock, host.clock.wallMs());
  const nonce = [...randomBytes(host.random, NONCE_LETTERS)]
    .map((byte) => LETTERS[byte % LETTERS.length] ?? "").join("");
  const parent = stdio ? `-${host.parentPid}` : "";
  return `coder-ssh-${stamp}-${nonce}${parent}.log`;
}

/** Where the flags want a log file; `undefined` for none. */
export function logDirOf(
  host: Host,
  options: { readonly logDir: string; readonly logToFile: boolean },
): string | undefined {
  if (options.logDir !== "") return options.logDir;
  return options.logToFile ? host.tempDir : undefined;
}

const LEVEL_WORDS: Readonly<Record<LogLevel, string>> = {
  debug: "[debu]",
  info: "[info]",
  warn: "[warn]",
  error: "[erro]",
};

export interface LineLogOptions {
  readonly host: Pick<Host, "clock">;
  readonly print: (line: string) => void;
  readonly verbose: boolean;
  readonly category: string;
}

/** A log that prints each record in the file's format. */
export function lineLog(options: Omit<LineLogOptions, "category">): Log {
  return new LineLog({ ...options, category: "" });
}

class LineLog implements Log {
  readonly #options: LineLogOptions;

  constructor(options: LineLogOptions) {
    this.#options = options;
  }

  debug(message: string, fields?: LogFields): void {
    if (this.#options.verbose) this.#write("debug", message, fields);
  }

  info(message: string, fields?: LogFields): void {
    this.#write("info", message, fields);
  }

  warn(message: string, fields?: LogFields): void {
    this.#write("warn", message, fields);
  }

  error(message: string, fields?: LogFields): void {
    this.#write("error", message, fields);
  }

  child(category: string): Log {
    const own = this.#options.category;
    return new LineLog({
      ...this.#options,
      category: own === "" ? category : `${own}.${category}`,
    });
  }

  #write(level: LogLevel, message: string, fields: LogFields = {}): void {
    const { host, print, category } = this.#options;
    const time = localTime(host.clock, host.clock.wallMs());
    const name = category === "" ? "" : `${category}: `;
    print(`${time} ${LEVEL_WORDS[level]}  ${name}${stripToLine(message)}${renderFields(fields)}\n`);
  }
}

/** `  key=value` for each; a value is quoted unless it is plain. */
export function renderFields(fields: LogFields): string {
  return Object.entries(fields).map(([key, value]) => {
    const text = String(value);
    const isPlain = /^[!#-<>-~]+$/.test(text); // printable ASCII without quote and equals sign
    return `  ${key}=${isPlain ? text : goQuote(text)}`;
  }).join("");
}
