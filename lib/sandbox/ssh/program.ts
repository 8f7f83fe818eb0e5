/**
 * A shell or command of the machine, in a process group of its own: with pipes, or with a pseudo-terminal as its
 * controlling terminal. A process that leads a new session and opens a terminal gets it for its own.
 */
import type { Pty, PtyMaker, PtySize } from "./pty.ts";

export interface ProgramOptions {
  /** Program and arguments. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly directory: string;
}

/** What a session needs of what it runs. */
export interface Program {
  /** Next of the output; `null` at the end. One read of each at a time. */
  readOutput(): Promise<Uint8Array | null>;
  readErrors(): Promise<Uint8Array | null>;
  /** Resolves when taken; without effect once the program does not read any more. */
  write(bytes: Uint8Array): Promise<void>;
  /** No more input. */
  closeInput(): Promise<void>;
  /** A signal by its name without SIG. Unknown ones are ignored. */
  signal(name: string): void;
  resize(size: PtySize): Promise<void>;
  /** The client is gone. */
  hangUp(): void;
  /** Ends it and its children for good. */
  kill(): void;
  /** Exit status; 255 when a signal ended it. */
  readonly status: Promise<number>;
  /** Resolves when nothing of it runs any more. */
  readonly ended: Promise<void>;
}

/** What agents answer for a process that a signal ended (docs/protocol/agent.md#exit-status). */
const KILLED_STATUS = 255;
const SIGNALS: ReadonlySet<string> = new Set(
  [
    "ABRT",
    "ALRM",
    "FPE",
    "HUP",
    "ILL",
    "INT",
    "KILL",
    "PIPE",
    "QUIT",
    "SEGV",
    "TERM",
    "USR1",
    "USR2",
  ],
);
/** Opens the terminal as that of the new session, sets its size, becomes the program. */
const IN_TERMINAL = 'exec <"$0" >"$0" 2>&1; stty rows "$1" cols "$2"; shift 2; exec "$@"';
const RESIZE = 'exec <"$0"; exec stty rows "$1" cols "$2"';
const IS_UNIX = Deno.build.os !== "windows";

/** Starts it with pipes. Rejects with the platform's error when there is no such program. */
export function startProgram(options: ProgramOptions): Program {
  const [file = "", ...args] = options.argv;
  const child = new Deno.Command(file, {
    args,
    env: { ...options.env },
    cwd: options.directory,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    detached: IS_UNIX,
  }).spawn();
  return new PipedProgram(child);
}

/** Starts it in a terminal. Throws `PtyUnavailableError` too. */
export function startInTerminal(
  options: ProgramOptions,
  terminal: { readonly maker: PtyMaker; readonly size: PtySize; readonly term: string },
): Program {
  const pty = terminal.maker.open();
  const { rows, columns } = terminal.size;
  try {
    const child = new Deno.Command("/bin/sh", {
      args: ["-c", IN_TERMINAL, pty.path, String(rows), String(columns), ...options.argv],
      env: { ...options.env, TERM: terminal.term, SSH_TTY: pty.path },
      cwd: options.directory,
      stdin: "null",
      stdout: "null",
      stderr: "null",
      detached: true,
    }).spawn();
    return new TerminalProgram(child, pty);
  } catch (error) {
    pty.close();
    throw error;
  }
}

async function statusOf(child: Deno.ChildProcess): Promise<number> {
  const { code, signal } = await child.status;
  return signal === null ? code : KILLED_STATUS;
}

/** Signals the program and what it started. */
function sendSignal(child: Deno.ChildProcess, name: Deno.Signal): void {
  try {
    if (IS_UNIX) Deno.kill(-child.pid, name);
    else child.kill(name);
  } catch (error) {
    // Over already.
    if (!(error instanceof Deno.errors.NotFound) && !(error instanceof TypeError)) throw error;
  }
}

function isSignal(name: string): name is "TERM" {
  return SIGNALS.has(name);
}

class PipedProgram implements Program {
  readonly status: Promise<number>;
  readonly ended: Promise<void>;
  readonly #child: Deno.ChildProcess;
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array>;
  readonly #stdout: ReadableStreamDefaultReader<Uint8Array>;
  readonly #stderr: ReadableStreamDefaultReader<Uint8Array>;
  #isOver = false;

  constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.#stdin = child.stdin.getWriter();
    this.#stdout = child.stdout.getReader();
    this.#stderr = child.stderr.getReader();
    this.status = statusOf(child).then((status) => {
      this.#isOver = true;
      return status;
    });
    this.ended = this.status.then(() => this.closeInput());
  }

  readOutput(): Promise<Uint8Array | null> {
    return readFrom(this.#stdout);
  }

  readErrors(): Promise<Uint8Array | null> {
    return readFrom(this.#stderr);
  }

  async write(bytes: Uint8Array): Promise<void> {
    try {
      await this.#stdin.write(bytes);
    } catch (error) {
      // It closed its input or is over: what is said now reaches nobody.
      if (!(error instanceof Error)) throw error;
    }
  }

  async closeInput(): Promise<void> {
    try {
      await this.#stdin.close();
    } catch (error) {
      if (!(error instanceof Error)) throw error;
    }
  }

  signal(name: string): void {
    if (isSignal(name) && !this.#isOver) sendSignal(this.#child, `SIG${name}`);
  }

  async resize(): Promise<void> {}

  /** As agents since v2.25: only the pipes are closed, the program lives on if it wants to. */
  hangUp(): void {
    this.closeInput();
    this.#stdout.cancel().catch(() => {});
    this.#stderr.cancel().catch(() => {});
  }

  kill(): void {
    this.hangUp();
    // The group may outlive its leader.
    sendSignal(this.#child, "SIGKILL");
  }
}

class TerminalProgram implements Program {
  readonly status: Promise<number>;
  readonly ended: Promise<void>;
  readonly #child: Deno.ChildProcess;
  readonly #pty: Pty;
  #resizing: Promise<void> = Promise.resolve();
  #isOver = false;

  constructor(child: Deno.ChildProcess, pty: Pty) {
    this.#child = child;
    this.#pty = pty;
    this.status = statusOf(child).then((status) => {
      this.#isOver = true;
      pty.finish();
      return status;
    });
    this.ended = this.status.then(() => pty.ended).then(() => this.#resizing);
  }

  async readOutput(): Promise<Uint8Array | null> {
    const bytes = await this.#pty.read();
    if (bytes === null) this.#pty.close();
    return bytes;
  }

  readErrors(): Promise<null> {
    return Promise.resolve(null);
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#pty.write(bytes);
  }

  /** A terminal has no end of input of its own: programs see what is typed, Ctrl-D among it. */
  closeInput(): Promise<void> {
    return Promise.resolve();
  }

  signal(name: string): void {
    if (isSignal(name) && !this.#isOver) sendSignal(this.#child, `SIG${name}`);
  }

  resize(size: PtySize): Promise<void> {
    this.#resizing = this.#resizing.then(async () => {
      if (this.#isOver) return;
      await new Deno.Command("/bin/sh", {
        args: ["-c", RESIZE, this.#pty.path, String(size.rows), String(size.columns)],
        stdin: "null",
        stdout: "null",
        stderr: "null",
      }).output();
    });
    return this.#resizing;
  }

  hangUp(): void {
    this.#pty.close();
  }

  kill(): void {
    this.#pty.close();
    sendSignal(this.#child, "SIGKILL");
  }
}

async function readFrom(
  reader: ReadableStreamDefaultReader<Uint8Array>,
): Promise<Uint8Array | null> {
  const { value } = await reader.read();
  return value ?? null;
}
