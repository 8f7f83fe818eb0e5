/**
 * A machine in memory behind `Host`: a jumping clock, files in a map, standard streams that record, programs that are
 * functions. Give it a transport, for example that of `FakeCoder`.
 */
import {
  type FileEntry,
  type FileStat,
  type FileTree,
  type Host,
  type HostCredentials,
  HostError,
  type HostFile,
  type HostFiles,
  type HostInput,
  type HostLock,
  type HostOutput,
  type RunOptions,
  type RunResult,
  type SignalName,
  type TerminalSize,
} from "../../lib/base/host.ts";
import type { HostProxy, NetworkOptions, NetworkSurvey } from "../../lib/base/host_network.ts";
import { type HttpTransport, TransportError } from "../../lib/base/http.ts";
import { FakeSockets, FakeTunnels } from "./fake_network.ts";
import { JumpingClock } from "./jumping_clock.ts";
import { SeededRandom } from "./seeded_random.ts";

export interface FakeHostOptions {
  readonly os?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly files?: Readonly<Record<string, string>>;
  readonly homeDir?: string | null;
  readonly transport?: HttpTransport;
  /** Chunks that standard input delivers before its end. */
  readonly stdin?: readonly (string | Uint8Array)[];
  readonly stdinIsTerminal?: boolean;
  readonly stdoutIsTerminal?: boolean;
  readonly stderrIsTerminal?: boolean;
  readonly size?: TerminalSize;
  readonly seed?: number;
}

/** What a program of the fake machine does. */
export type FakeProgram = (
  args: readonly string[],
  options: RunOptions,
) => Promise<Partial<Omit<RunResult, "stdout" | "stderr">> & { stdout?: string; stderr?: string }>;

/** A standard output that keeps what was written. */
export class FakeOutput implements HostOutput {
  readonly isTerminal: boolean;
  readonly #size: TerminalSize | undefined;
  readonly #decoder = new TextDecoder();
  text = "";

  constructor(isTerminal: boolean, size: TerminalSize | undefined) {
    this.isTerminal = isTerminal;
    this.#size = size;
  }

  size(): TerminalSize | undefined {
    return this.isTerminal ? this.#size : undefined;
  }

  write(bytes: Uint8Array): Promise<void> {
    this.text += this.#decoder.decode(bytes, { stream: true });
    return Promise.resolve();
  }

  print(text: string): void {
    this.text += text;
  }

  /** Complete lines so far. */
  get lines(): string[] {
    return this.text.split("\n").slice(0, -1);
  }
}

export class FakeHost implements Host {
  readonly clock = new JumpingClock();
  readonly random: SeededRandom;
  readonly os: string;
  readonly arch = "amd64";
  readonly runtimeVersion = "2.0.0";
  readonly pid = 4_321;
  readonly parentPid = 1_234;
  readonly homeDir: string | undefined;
  readonly tempDir: string;
  readonly stdin: HostInput;
  readonly stdout: FakeOutput;
  readonly stderr: FakeOutput;
  readonly files: FakeFiles;
  readonly sockets = new FakeSockets();
  readonly tunnels = new FakeTunnels();
  /** Answers `lookupIpv6`. @default nobody is known */
  resolver: (name: string, signal: AbortSignal) => Promise<readonly string[]> = () =>
    Promise.resolve([]);
  proxy: HostProxy | undefined;
  survey: NetworkSurvey = { relays: [], udp: undefined };
  /** Options of every `network` call. */
  readonly networks: NetworkOptions[] = [];
  /** Every program run: name, arguments, environment. */
  readonly runs: { program: string; args: readonly string[]; options: RunOptions }[] = [];
  readonly programs = new Map<string, FakeProgram>();
  credentials?: HostCredentials;
  /** Codes of every `exit`. */
  readonly exits: number[] = [];
  /** How often raw mode was entered and left. */
  readonly rawMode = { entered: 0, left: 0 };
  readonly #env: Map<string, string>;
  readonly #transport: HttpTransport;
  readonly #signals = new Map<SignalName, Set<() => void>>();

  constructor(options: FakeHostOptions = {}) {
    const size = options.size ?? { columns: 80, rows: 24 };
    this.os = options.os ?? "linux";
    this.homeDir = options.homeDir === null ? undefined : options.homeDir ?? "/home/alice";
    this.tempDir = this.os === "windows" ? "C:\\Temp" : "/tmp";
    this.random = new SeededRandom(options.seed ?? 1);
    this.files = new FakeFiles(options.files ?? {});
    this.stdin = this.#input(
      options.stdin ?? [],
      options.stdinIsTerminal === true ? size : undefined,
    );
    this.stdout = new FakeOutput(options.stdoutIsTerminal ?? false, size);
    this.stderr = new FakeOutput(options.stderrIsTerminal ?? false, size);
    this.#env = new Map(Object.entries(options.env ?? {}));
    this.#transport = options.transport ?? NO_NETWORK;
  }

  env(name: string): string | undefined {
    return this.#env.get(name);
  }

  mayReadEnv(): boolean {
    return true;
  }

  flush(): Promise<void> {
    return Promise.resolve();
  }

  disconnect(): void {}

  program = (): Promise<readonly string[]> => Promise.resolve(["/usr/bin/hawser"]);

  network(options: NetworkOptions): HttpTransport {
    this.networks.push(options);
    return this.#transport;
  }

  lookupIpv6(name: string, signal: AbortSignal): Promise<readonly string[]> {
    return this.resolver(name, signal);
  }

  proxyFor(): HostProxy | undefined {
    return this.proxy;
  }

  surveyNetwork(): Promise<NetworkSurvey> {
    return Promise.resolve(this.survey);
  }

  fileTree(): Promise<FileTree> {
    return Promise.reject(new HostError("not-permitted", "this machine's files are text alone"));
  }

  async run(
    program: string,
    args: readonly string[],
    options: RunOptions = {},
  ): Promise<RunResult> {
    options.signal?.throwIfAborted();
    this.runs.push({ program, args, options });
    const body = this.programs.get(program);
    if (body === undefined) throw new HostError("not-found", `${program}: no such program`);
    const { code = 0, stdout = "", stderr = "" } = await body(args, options);
    const encoder = new TextEncoder();
    return { code, stdout: encoder.encode(stdout), stderr: encoder.encode(stderr) };
  }

  exit(code: number): void {
    this.exits.push(code);
  }

  onSignal(name: SignalName, handler: () => void): () => void {
    const handlers = this.#signals.get(name) ?? new Set();
    this.#signals.set(name, handlers.add(handler));
    return () => handlers.delete(handler);
  }

  /** Delivers a signal; whether anybody listened. */
  raise(name: SignalName): boolean {
    const handlers = [...this.#signals.get(name) ?? []];
    for (const handler of handlers) handler();
    return handlers.length > 0;
  }

  [Symbol.dispose](): void {
    this.clock.stop();
  }

  #input(chunks: readonly (string | Uint8Array)[], size: TerminalSize | undefined): HostInput {
    const encoder = new TextEncoder();
    const queue = chunks.map((chunk) => typeof chunk === "string" ? encoder.encode(chunk) : chunk);
    return {
      isTerminal: size !== undefined,
      size: () => size,
      read(into) {
        const chunk = queue.shift();
        if (chunk === undefined) return Promise.resolve(null);
        const taken = chunk.subarray(0, into.length);
        if (taken.length < chunk.length) queue.unshift(chunk.subarray(taken.length));
        into.set(taken);
        return Promise.resolve(taken.length);
      },
      enterRawMode: () => {
        this.rawMode.entered++;
        let isRaw = true;
        return () => {
          if (isRaw) this.rawMode.left++;
          isRaw = false;
        };
      },
    };
  }
}

const NO_NETWORK: HttpTransport = {
  fetch: () => Promise.reject(new TransportError("refused", "connection refused")),
  openTextStream: () => Promise.reject(new TransportError("refused", "connection refused")),
  openByteStream: () => Promise.reject(new TransportError("refused", "connection refused")),
};

interface FakeFile {
  text: string;
  mode: number;
}

/** Files by their path. Folders are those made, and all that hold a file. */
export class FakeFiles implements HostFiles {
  readonly entries = new Map<string, FakeFile>();
  readonly folders = new Map<string, number>();
  /** Paths that fail, with the error. */
  readonly broken = new Map<string, HostError>();
  /** Paths that somebody holds the lock of. */
  readonly locked = new Set<string>();

  constructor(files: Readonly<Record<string, string>>) {
    for (const [path, text] of Object.entries(files)) this.entries.set(path, { text, mode: 0o600 });
  }

  // Async, so that a broken path rejects instead of throwing.
  // deno-lint-ignore require-await
  async readText(path: string): Promise<string | undefined> {
    this.#check(path);
    return this.entries.get(path)?.text;
  }

  // deno-lint-ignore require-await
  async readBytes(path: string): Promise<Uint8Array | undefined> {
    this.#check(path);
    const text = this.entries.get(path)?.text;
    return text === undefined ? undefined : new TextEncoder().encode(text);
  }

  // deno-lint-ignore require-await
  async replaceBytes(path: string, bytes: Uint8Array): Promise<void> {
    this.#check(path);
    const mode = this.entries.get(path)?.mode ?? 0o600;
    this.entries.set(path, { text: new TextDecoder().decode(bytes), mode });
  }

  // deno-lint-ignore require-await
  async writeText(
    path: string,
    text: string,
    options: { mode?: number; append?: boolean } = {},
  ): Promise<void> {
    this.#check(path);
    const old = options.append === true ? this.entries.get(path)?.text ?? "" : "";
    this.entries.set(path, { text: old + text, mode: options.mode ?? 0o600 });
  }

  // deno-lint-ignore require-await
  async mkdir(path: string, options: { mode?: number } = {}): Promise<void> {
    this.#check(path);
    if (!this.folders.has(path)) this.folders.set(path, options.mode ?? 0o700);
  }

  // deno-lint-ignore require-await
  async stat(path: string): Promise<FileStat | undefined> {
    this.#check(path);
    const file = this.entries.get(path);
    if (file !== undefined) {
      return { kind: "file", sizeBytes: file.text.length, mode: file.mode };
    }
    const holdsFile = [...this.entries.keys()].some((name) => name.startsWith(`${path}/`));
    const mode = this.folders.get(path) ?? (holdsFile ? 0o700 : undefined);
    return mode === undefined ? undefined : { kind: "directory", sizeBytes: 0, mode };
  }

  // deno-lint-ignore require-await
  async realPath(path: string): Promise<string | undefined> {
    this.#check(path);
    return this.entries.has(path) || this.folders.has(path) ? path : undefined;
  }

  // deno-lint-ignore require-await
  async list(path: string): Promise<readonly FileEntry[] | undefined> {
    this.#check(path);
    const below = (names: Iterable<string>) =>
      [...names].filter((name) => name.startsWith(`${path}/`)).map((name) =>
        name.slice(path.length + 1)
      );
    const files = below(this.entries.keys());
    const folders = [...below(this.folders.keys()), ...files.filter((name) => name.includes("/"))]
      .map((name) => name.split("/", 1)[0] ?? "");
    if (!this.folders.has(path) && files.length + folders.length === 0) return undefined;
    return [
      ...files.filter((name) => !name.includes("/")).map((name) => ({
        name,
        kind: "file" as const,
      })),
      ...[...new Set(folders)].map((name) => ({ name, kind: "directory" as const })),
    ];
  }

  // deno-lint-ignore require-await
  async rename(from: string, to: string): Promise<void> {
    this.#check(from);
    this.#check(to);
    const file = this.entries.get(from);
    if (file === undefined) throw new HostError("not-found", `rename ${from}: no such file`);
    this.entries.set(to, file);
    this.entries.delete(from);
  }

  // deno-lint-ignore require-await
  async remove(path: string): Promise<void> {
    this.#check(path);
    this.entries.delete(path);
  }

  // deno-lint-ignore require-await
  async createExclusive(path: string, options: { mode?: number } = {}): Promise<HostFile> {
    this.#check(path);
    if (this.entries.has(path)) throw new HostError("exists", `${path}: file exists`);
    const file: FakeFile = { text: "", mode: options.mode ?? 0o600 };
    this.entries.set(path, file);
    let isOpen = true;
    return {
      print(text) {
        if (isOpen) file.text += text;
      },
      close() {
        isOpen = false;
        return Promise.resolve();
      },
    };
  }

  // deno-lint-ignore require-await
  async tryLock(path: string): Promise<HostLock | undefined> {
    this.#check(path);
    if (this.locked.has(path)) return undefined;
    this.locked.add(path);
    return { release: () => void this.locked.delete(path) };
  }

  #check(path: string): void {
    for (const [broken, error] of this.broken) {
      if (path === broken || path.startsWith(`${broken}/`)) throw error;
    }
  }
}
