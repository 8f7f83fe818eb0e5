/**
 * Whole commands in this process: `main(args, host)` on the real clock, network and files, with standard streams, environment,
 * signals, home and temporary folder of the test's own.
 */
import { main } from "../../lib/cli/main.ts";
import {
  type Host,
  HostError,
  type HostFiles,
  type HostInput,
  type HostOutput,
  type SignalName,
  type TerminalSize,
} from "../../lib/base/host.ts";
import { createHost } from "../../lib/io/host.ts";
import { systemNetwork } from "../../lib/io/host_network.ts";
import { createBytePipe, type PipeEnd } from "./byte_pipe.ts";

/** A command that has not come further in this time hangs. */
export const LIMIT_MS = 20_000;

export interface CommandOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** What is piped in; then comes the end. @default nothing comes, and no end, until the test types */
  readonly stdin?: string | Uint8Array;
  /** Standard input and output are this end of a pipe, whose other end the test holds, as OpenSSH does with `--stdio`. */
  readonly pipe?: PipeEnd;
  /** All three streams are a terminal of this size. @default none is a terminal */
  readonly terminal?: TerminalSize;
  /** Standard error alone is a terminal, as under OpenSSH. @default as `terminal` */
  readonly stderrIsTerminal?: boolean;
  /** `null`: no home folder. @default an empty folder of the run's own */
  readonly homeDir?: string | null;
  /** How the program says that it was started. @default as the test itself was */
  readonly program?: readonly string[];
  /** @default that of this machine */
  readonly os?: string;
  /** Replaces single functions. */
  readonly files?: Partial<HostFiles>;
  readonly clock?: Host["clock"];
  /** Whether `result` has the lines that say what was waited for. @default false */
  readonly keepsWaits?: boolean;
  /** The process that started the command, asked again and again. @default the test's own parent */
  readonly parentPid?: () => number;
}

/** A program that a command ran. */
export interface ChildCall {
  readonly program: string;
  readonly args: readonly string[];
  /** What the command added to its own environment. */
  readonly env: Readonly<Record<string, string>>;
}

/** What a command left behind. */
export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command to its end. */
export async function runToEnd(
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  await using run = startCommand(args, { stdin: "", ...options });
  return await run.result();
}

/** Starts a command; disposing it hangs up and waits for its end. */
export function startCommand(args: readonly string[], options: CommandOptions = {}): CommandRun {
  return new CommandRun(args, options);
}

export class CommandRun implements AsyncDisposable {
  readonly stdout: CapturedOutput;
  readonly stderr: CapturedOutput;
  /** Resolves when the command is over; never rejects. */
  readonly exitCode: Promise<number>;
  /** A folder of its own: home, temporary files and configuration lie in it. */
  readonly folder: string;
  /** What happened to raw mode, in order. */
  readonly modes: ("raw" | "cooked")[] = [];
  /** The programs that it ran. */
  readonly children: ChildCall[] = [];
  isOver = false;
  readonly #keepsWaits: boolean;
  #size: TerminalSize | undefined;
  readonly #keyboard: PipeEnd;
  readonly #signals = new Map<SignalName, Set<() => void>>();
  readonly #forcedExit = Promise.withResolvers<number>();
  #inputBroken: ((error: Error) => void) | undefined;

  constructor(args: readonly string[], options: CommandOptions) {
    this.folder = Deno.makeTempDirSync({ prefix: "hawser-command-" });
    this.#size = options.terminal;
    this.#keepsWaits = options.keepsWaits ?? false;
    const isTerminal = options.terminal !== undefined;
    this.stdout = new CapturedOutput(isTerminal, () => this.#size);
    this.stderr = new CapturedOutput(options.stderrIsTerminal ?? isTerminal, () => this.#size);
    const [keyboard, program] = createBytePipe();
    this.#keyboard = keyboard;
    const host = this.#host(options, options.pipe ?? program);
    if (options.stdin !== undefined) this.#feed(options.stdin);
    this.exitCode = main(args, host).finally(() => {
      this.isOver = true;
      this.stdout.end();
      this.stderr.end();
    });
  }

  /** Resolves to the code with which the command ended the process at once, wherever it was. */
  get forcedExit(): Promise<number> {
    return this.#forcedExit.promise;
  }

  /** Types or pipes text in. */
  async type(text: string): Promise<void> {
    await this.#keyboard.write(new TextEncoder().encode(text));
  }

  /** The end of input. */
  async typeEnd(): Promise<void> {
    await this.#keyboard.closeWrite();
  }

  /** Standard input and output break, as when whoever held them dies. */
  breakStreams(): void {
    this.stdout.failure = new HostError("broken-pipe", "write to standard output: broken pipe");
    this.#inputBroken?.(new HostError("broken-pipe", "read standard input: broken pipe"));
  }

  /** Delivers a signal; whether anybody listened. */
  raise(name: SignalName): boolean {
    const handlers = [...this.#signals.get(name) ?? []];
    for (const handler of handlers) handler();
    return handlers.length > 0;
  }

  resize(size: TerminalSize): void {
    this.#size = size;
    this.raise("SIGWINCH");
  }

  /** Everything it wrote and its exit code, when it is over. */
  async result(): Promise<CommandResult> {
    const code = await within(this.exitCode, () => `the end of the command\n${this.#seen()}`);
    const lasting = lastingText(this.stderr.text);
    return {
      code,
      stdout: this.stdout.text,
      stderr: this.#keepsWaits ? lasting : withoutWaits(lasting),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.isOver) this.raise("SIGHUP");
    await within(this.exitCode, () => `the end after SIGHUP\n${this.#seen()}`);
    await Deno.remove(this.folder, { recursive: true });
  }

  #seen(): string {
    return `stdout: ${this.stdout.text}\nstderr: ${this.stderr.text}`;
  }

  #feed(stdin: string | Uint8Array): void {
    const bytes = typeof stdin === "string" ? new TextEncoder().encode(stdin) : stdin;
    // A command that ends before it read everything never takes the rest.
    this.#keyboard.write(bytes).then(() => this.#keyboard.closeWrite()).catch(() => {});
  }

  #host(options: CommandOptions, program: PipeEnd): Host {
    const real = createHost();
    const homeDir = options.homeDir === null ? undefined : options.homeDir ?? this.folder;
    const env = new Map(Object.entries({
      ...(homeDir === undefined ? {} : { HOME: homeDir }),
      CODER_CONFIG_DIR: `${this.folder}/config`,
      CODER_NO_VERSION_WARNING: "true",
      ...options.env,
    }));
    const lookUp = (name: string) => env.get(name);
    return {
      ...real,
      stdin: this.#input(options.terminal !== undefined, program),
      stdout: options.pipe === undefined ? this.stdout : outputTo(options.pipe),
      stderr: this.stderr,
      files: { ...real.files, ...options.files },
      clock: options.clock ?? real.clock,
      os: options.os ?? real.os,
      homeDir,
      program: () =>
        options.program === undefined ? real.program() : Promise.resolve(options.program),
      get parentPid() {
        return options.parentPid?.() ?? real.parentPid;
      },
      tempDir: this.folder,
      env: lookUp,
      ...systemNetwork(lookUp),
      run: (program, args, how = {}) => {
        this.children.push({ program, args, env: how.env ?? {} });
        return real.run(program, args, { ...how, env: { ...options.env, ...how.env } });
      },
      exit: (code) => this.#forcedExit.resolve(code),
      onSignal: (name, handler) => {
        const handlers = this.#signals.get(name) ?? new Set();
        this.#signals.set(name, handlers.add(handler));
        return () => handlers.delete(handler);
      },
    };
  }

  #input(isTerminal: boolean, program: PipeEnd): HostInput {
    const broken = new Promise<never>((_, reject) => this.#inputBroken = reject);
    broken.catch(() => {}); // a test may break the input between two reads
    return {
      isTerminal,
      read: (into) => Promise.race([program.read(into), broken]),
      size: () => isTerminal ? this.#size : undefined,
      enterRawMode: () => {
        this.modes.push("raw");
        let isRaw = true;
        return () => {
          if (isRaw) this.modes.push("cooked");
          isRaw = false;
        };
      },
    };
  }
}

function outputTo(pipe: PipeEnd): HostOutput {
  return {
    isTerminal: false,
    size: () => undefined,
    async write(bytes) {
      try {
        await pipe.write(bytes);
      } catch (error) {
        throw new HostError("broken-pipe", "write: broken pipe", error);
      }
    },
    print: () => {},
  };
}

/** A standard output that keeps what was written. */
export class CapturedOutput implements HostOutput {
  readonly isTerminal: boolean;
  readonly #size: () => TerminalSize | undefined;
  readonly #decoder = new TextDecoder();
  readonly #waiting = new Set<() => void>();
  text = "";
  /** How writes fail from now on. */
  failure: Error | undefined;
  #isOver = false;

  constructor(isTerminal: boolean, size: () => TerminalSize | undefined) {
    this.isTerminal = isTerminal;
    this.#size = size;
  }

  size(): TerminalSize | undefined {
    return this.isTerminal ? this.#size() : undefined;
  }

  write(bytes: Uint8Array): Promise<void> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    this.print(this.#decoder.decode(bytes, { stream: true }));
    return Promise.resolve();
  }

  print(text: string): void {
    this.text += text;
    for (const wake of this.#waiting) wake();
  }

  /** Resolves when what was written matches; rejects when the command is over before that. */
  async waitFor(part: string | RegExp): Promise<RegExpMatchArray> {
    const pattern = typeof part === "string" ? new RegExp(RegExp.escape(part)) : part;
    for (;;) {
      const match = pattern.exec(this.text);
      if (match !== null) return match;
      if (this.#isOver) throw new Error(`the command ended without ${pattern}: ${this.text}`);
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.add(resolve);
      try {
        await within(promise, () => `${pattern} in ${this.text}`);
      } finally {
        this.#waiting.delete(resolve);
      }
    }
  }

  /** The command is over. */
  end(): void {
    this.#isOver = true;
    for (const wake of this.#waiting) wake();
  }
}

/** Waits, but not forever: a test that hangs says for what. */
export async function within<T>(
  promise: Promise<T>,
  what: () => string,
  limitMs = LIMIT_MS,
): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`Waited in vain for ${what()}`)), limitMs);
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Without the lines that say what is waited for: a machine that is slow enough has them anywhere. */
export function withoutWaits(text: string): string {
  return text.replaceAll(/^\.\.\. .* \((?:\d+m)?\d+s\)\n/gm, "");
}

/** What stays on a terminal's screen: a spinner is drawn only when the machine is slow, and every drawing of it is erased. */
function lastingText(text: string): string {
  // deno-lint-ignore no-control-regex -- carriage return and "erase line" are what the spinner is made of
  return text.replaceAll(/[^\n]*\r\x1b\[K/g, "");
}
