/**
 * Runs one session at the user's terminal, pipe or file: raw mode and back, resize, input to its end, escapes, both outputs,
 * and the outcome. Raw mode is left on every way out, the suspended process included.
 */
import { HostError } from "../base/host.ts";
import { StreamError } from "../base/stream.ts";
import type { SshConnection } from "./connection.ts";
import { CLOSED_TEXT, CONNECTION_LOST_CODE, outcomeOf, type SessionOutcome } from "./ends.ts";
import { DEFAULT_ESCAPE_CHAR, EscapeFilter, escapeHelp, formatEscapeChar } from "./escape.ts";
import type { SessionInput, SessionOutput, TerminalSize } from "./host.ts";
import type { RemoteSession } from "../base/session.ts";
import { SessionScreen } from "./session_screen.ts";

const COPY_BYTES = 64 * 1024;
const DEFAULT_SIZE: TerminalSize = { columns: 80, rows: 24 };
const DEFAULT_TERM = "xterm-256color";
/** Typed input that may wait for a program that reads none: escapes must still be heard behind it. */
const MAX_TYPED_BYTES = 1024 * 1024;
/** What a shell reports for a program that wrote into a pipe nobody reads: 128 + SIGPIPE. */
const BROKEN_PIPE_CODE = 141;

export interface TerminalHost {
  readonly stdin: SessionInput;
  readonly stdout: SessionOutput;
  readonly stderr: SessionOutput;
  /** Calls `handler` whenever the terminal's size may have changed, until the returned function is called. */
  readonly onResize: (handler: () => void) => () => void;
  /** Stops this process as Ctrl-Z does; resolves when it goes on. Omitted where that does not exist. */
  readonly suspend?: () => Promise<void>;
}

export interface TerminalSessionOptions {
  /** @default a login shell */
  readonly command?: string;
  /** @default `wantsPty()` decides */
  readonly pty?: boolean;
  /** The local `TERM`. @default "xterm-256color" */
  readonly term?: string;
  readonly env?: readonly (readonly [name: string, value: string])[];
  /** @default false */
  readonly forwardAgent?: boolean;
  /** The escape character's byte; `"none"` turns escapes off. @default `~` */
  readonly escapeChar?: number | "none";
  /** Lines for `~#`, besides the session itself. */
  readonly listForwards?: () => readonly string[];
  /**
   * Says what is to stand on the terminal beside what the session shows, `undefined` for nothing, until the returned function is
   * called. @default nothing
   */
  readonly statusLine?: (show: (text: string | undefined) => void) => () => void;
  /** Called once, when the shell or command has started. */
  readonly onStarted?: () => void;
  /** The signal that ended us, told to a remote program without a terminal before it is left. */
  readonly interruptedBy?: () => string | undefined;
  /** Gives the session up; the terminal is restored before the rejection with `signal.reason`. */
  readonly signal?: AbortSignal;
}

/**
 * Whether a session gets a terminal: when asked for with `-t`, or for a shell when there is a terminal on our side. A shell
 * fed from a pipe or file has none, so that the end of the input ends it.
 */
export function wantsPty(
  o: { readonly command?: string | undefined; readonly tty: boolean; readonly stdin: SessionInput },
): boolean {
  return o.tty || (o.command === undefined && o.stdin.isTerminal);
}

/** The size of the terminal at either end: the output may go into a pipe. */
function sizeOf({ stdin, stdout }: TerminalHost): TerminalSize | undefined {
  return stdin.size() ?? stdout.size();
}

/** Runs a shell or command to its end. Rejects as `openSession` does, or with `signal.reason`. */
export async function runTerminalSession(
  connection: SshConnection,
  host: TerminalHost,
  options: TerminalSessionOptions = {},
): Promise<SessionOutcome> {
  options.signal?.throwIfAborted();
  const { command } = options;
  const isPty = options.pty ?? wantsPty({ command, tty: false, stdin: host.stdin });
  const session = await connection.openSession({
    ...(command === undefined ? {} : { command }),
    ...(isPty ? { pty: ptyFor(host, options.term) } : {}),
    env: options.env ?? [],
    forwardAgent: options.forwardAgent ?? false,
  });
  return await runAtTerminal(session, host, {
    ...options,
    pty: isPty,
    leave: () => connection.leave(),
  });
}

interface Leaving {
  /** Nobody waits for the workspace any more. */
  readonly leave: () => void;
}

/** Runs a session that has begun to its end. Rejects with `signal.reason`. */
export async function runAtTerminal(
  session: RemoteSession,
  host: TerminalHost,
  options: TerminalSessionOptions & Leaving & { readonly pty: boolean },
): Promise<SessionOutcome> {
  return await new TerminalSession(session, host, options).run(options.pty);
}

/** The terminal that a session is asked to give its program. */
export function ptyFor(host: TerminalHost, term: string = DEFAULT_TERM) {
  return { term, size: sizeOf(host) ?? DEFAULT_SIZE };
}

class TerminalSession {
  readonly #session: RemoteSession;
  readonly #host: TerminalHost;
  readonly #options: TerminalSessionOptions & Leaving;
  readonly #escapeChar: number;
  /** Resolves when we end the session ourselves. */
  readonly #over = Promise.withResolvers<SessionOutcome>();
  readonly #screen: SessionScreen;
  #leaveRawMode: (() => void) | undefined;
  #isOver = false;
  #typedBytes = 0;
  #typing: Promise<void> = Promise.resolve();

  constructor(
    session: RemoteSession,
    host: TerminalHost,
    options: TerminalSessionOptions & Leaving,
  ) {
    this.#session = session;
    this.#host = host;
    this.#options = options;
    this.#screen = new SessionScreen(host.stdout);
    const { escapeChar = DEFAULT_ESCAPE_CHAR } = options;
    this.#escapeChar = escapeChar === "none" ? DEFAULT_ESCAPE_CHAR : escapeChar;
  }

  async run(isPty: boolean): Promise<SessionOutcome> {
    const { stdin, stdout, stderr } = this.#host;
    const { signal } = this.#options;
    // As OpenSSH: where the output goes is no matter, whoever types has a terminal over there that echoes and takes Ctrl-C.
    const isRaw = isPty && stdin.isTerminal;
    let isEndedByProgram = false;
    let stopResizing = () => {};
    let stopStatus: (() => void) | undefined;
    const onAbort = () => this.#interrupt();
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      if (isRaw) this.#leaveRawMode = stdin.enterRawMode();
      if (isPty) stopResizing = this.#host.onResize(() => this.#resize());
      if (signal?.aborted) this.#interrupt();
      this.#options.onStarted?.();
      if (stdout.isTerminal) {
        stopStatus = this.#options.statusLine?.((text) => this.#showStatus(text));
      }
      const filter = isRaw && this.#options.escapeChar !== "none"
        ? new EscapeFilter(this.#escapeChar)
        : undefined;
      // A read of the terminal cannot be called back: the input may outlive the session by the one read that is pending.
      const input = this.#pumpInput(filter);
      const ended = Promise.all([
        this.#session.ended,
        this.#pumpOutput((into) => this.#session.readStdout(into), stdout),
        this.#pumpOutput((into) => this.#session.readStderr(into), stderr),
        Promise.race([input, this.#session.ended]),
      ]);
      // What we end ourselves waits neither for the workspace nor for whoever reads our output.
      const outcome = await Promise.race([
        this.#over.promise,
        ended.then(([end]) => {
          isEndedByProgram = end.kind === "exit" || end.kind === "signal";
          return outcomeOf(end);
        }),
      ]);
      signal?.throwIfAborted();
      return outcome;
    } finally {
      this.#isOver = true;
      stopResizing();
      stopStatus?.();
      this.#screen.hideLine();
      signal?.removeEventListener("abort", onAbort);
      // A program that ended has tidied up, or meant what it left behind. One that was cut off could not.
      if (isPty && stdout.isTerminal && !isEndedByProgram) this.#screen.restore();
      this.#leaveRawMode?.();
    }
  }

  #interrupt(): void {
    const name = this.#options.interruptedBy?.();
    if (name !== undefined) this.#session.signal(name);
    this.#end({ exitCode: CONNECTION_LOST_CODE });
  }

  #end(outcome: SessionOutcome): void {
    this.#isOver = true;
    this.#session.abort();
    this.#options.leave();
    this.#over.resolve(outcome);
  }

  /** One of our own streams failed: what arrived, or was read, is not all there is. */
  #fail(error: unknown): void {
    this.#isOver = true;
    this.#session.abort();
    this.#options.leave();
    this.#over.reject(error);
  }

  #showStatus(text: string | undefined): void {
    if (text === undefined) this.#screen.hideLine();
    else if (!this.#isOver) this.#screen.showLine(text);
  }

  #resize(): void {
    this.#screen.hideLine(); // where it stands now, only the terminal knows
    const size = sizeOf(this.#host);
    if (size !== undefined) this.#session.resize(size);
  }

  async #pumpInput(filter: EscapeFilter | undefined): Promise<void> {
    const buffer = new Uint8Array(COPY_BYTES);
    const { isTerminal } = this.#host.stdin; // asked before: one that was hung up calls itself none
    try {
      for (;;) {
        const count = await this.#host.stdin.read(buffer);
        if (count === null) break;
        const bytes = buffer.subarray(0, count);
        if (filter === undefined) await this.#session.write(bytes);
        else if (!await this.#handleTyped(filter, bytes)) return;
      }
      await this.#typing;
      await this.#session.closeStdin();
    } catch (error) {
      // A session that takes no input any more tells its end itself.
      if (error instanceof StreamError) await this.#session.closeStdin();
      // A terminal that was hung up has ended.
      else if (isTerminal || isBrokenPipe(error)) await this.#session.closeStdin();
      else this.#fail(error);
    }
  }

  /** False when the session was given up. */
  async #handleTyped(filter: EscapeFilter, bytes: Uint8Array): Promise<boolean> {
    const e = formatEscapeChar(this.#escapeChar);
    for (const action of filter.handleInput(bytes)) {
      switch (action.kind) {
        case "data":
          await this.#type(action.bytes);
          break;
        case "disconnect":
          this.#say(`${e}.\n`);
          this.#end({ exitCode: CONNECTION_LOST_CODE, message: CLOSED_TEXT });
          return false;
        case "break":
          this.#say(`${e}B\n`);
          this.#session.sendBreak();
          break;
        case "help":
          this.#say(escapeHelp(this.#escapeChar));
          break;
        case "list":
          this.#say(`${e}#\n${this.#connectionList()}`);
          break;
        case "suspend":
          await this.#suspend(e);
          break;
      }
    }
    return true;
  }

  /** Sends typed bytes in order, without waiting for a program that does not read unless too much has gathered. */
  async #type(bytes: Uint8Array): Promise<void> {
    const copy = bytes.slice();
    this.#typedBytes += copy.length;
    this.#typing = this.#typing.then(async () => {
      await this.#session.write(copy);
      this.#typedBytes -= copy.length;
    });
    if (this.#typedBytes > MAX_TYPED_BYTES) await this.#typing;
    else this.#typing.catch(() => {}); // a session that is over is told by `ended`
  }

  #connectionList(): string {
    const lines = ["session", ...this.#options.listForwards?.() ?? []];
    const numbered = lines.map((line, index) => `  #${index} ${line}\n`).join("");
    return `The following connections are open:\n${numbered}`;
  }

  async #suspend(e: string): Promise<void> {
    if (this.#host.suspend === undefined) {
      this.#say(`${e}^Z is not available here\n`);
      return;
    }
    this.#say(`${e}^Z [suspend hawser]\n`);
    this.#leaveRawMode?.();
    try {
      await this.#host.suspend();
    } finally {
      // The session may have ended meanwhile; then the terminal stays as it is.
      if (!this.#isOver) this.#leaveRawMode = this.#host.stdin.enterRawMode();
    }
    this.#resize(); // the window may have changed meanwhile, and nobody told us
  }

  /** In raw mode a newline alone does not return to the first column. */
  #say(text: string): void {
    this.#screen.handleOutput(text);
    this.#host.stderr.print(text.replaceAll("\n", "\r\n"));
  }

  async #pumpOutput(
    read: (into: Uint8Array) => Promise<number | null>,
    to: SessionOutput,
  ): Promise<void> {
    const buffer = new Uint8Array(COPY_BYTES);
    const write = to === this.#host.stdout
      ? (bytes: Uint8Array) => this.#screen.write(bytes)
      : (bytes: Uint8Array) => {
        this.#screen.hideLine();
        return to.write(bytes);
      };
    for (let count = await read(buffer); count !== null; count = await read(buffer)) {
      if (this.#isOver) return; // what the terminal is restored to must stay
      const bytes = buffer.subarray(0, count);
      try {
        await write(bytes);
      } catch (error) {
        // Nobody reads our output any more, as in `hawser ssh ws yes | head -1`: the program there is to stop as well.
        if (isBrokenPipe(error)) this.#end({ exitCode: BROKEN_PIPE_CODE });
        else this.#fail(error);
        return;
      }
    }
  }
}

function isBrokenPipe(error: unknown): boolean {
  return error instanceof HostError && error.code === "broken-pipe";
}
