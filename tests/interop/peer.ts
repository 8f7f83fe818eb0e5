/**
 * A deployment of the Go peer (`peer serve`): started with its flags, commanded by lines on its standard input, ended with
 * it. Its ports are the kernel's choice; its home folder is its own.
 */
import type { Deployment } from "../live/desk.ts";
import { peerBinary } from "./peer_binary.ts";

const END_MS = 10_000;
const STATS_EVERY_MS = 50;
const STATS_LIMIT_MS = 20_000;

/** What the peer says when it is ready. */
export interface PeerInfo {
  readonly url: string;
  readonly token: string;
  readonly workspace: string;
  readonly agent_id: string;
  readonly pid: number;
}

/** What it counts, as far as tests look. */
export interface PeerStats {
  readonly coordinate_dials: number;
  /** Those that spoke JSON. */
  readonly coordinate_json_dials: number;
  readonly coordinate_sockets: number;
  readonly relay_connections: number;
  readonly direct: boolean;
  readonly relay: {
    readonly bytes_received: number;
    readonly bytes_sent: number;
  };
  readonly requests: Readonly<Record<string, number>>;
}

export class Peer implements AsyncDisposable {
  readonly info: PeerInfo;
  readonly #home: string;
  readonly #child: Deno.ChildProcess;
  readonly #lines: LineReader;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;

  private constructor(parts: {
    readonly info: PeerInfo;
    readonly home: string;
    readonly child: Deno.ChildProcess;
    readonly lines: LineReader;
  }) {
    this.info = parts.info;
    this.#home = parts.home;
    this.#child = parts.child;
    this.#lines = parts.lines;
    this.#input = parts.child.stdin.getWriter();
  }

  /** `within`: words in front of the command, as of a program that runs it elsewhere. */
  static async start(
    flags: readonly string[] = [],
    within: readonly string[] = [],
  ): Promise<Peer> {
    const binary = await peerBinary();
    const home = await Deno.makeTempDir({ prefix: "hawser-peer-" });
    const child = new Deno.Command("sh", {
      args: ["-c", 'exec "$@"', "sh", ...within, binary, "serve", ...flags],
      env: { PATH: Deno.env.get("PATH") ?? "", HOME: home, SHELL: "/bin/sh", USER: "tester" },
      clearEnv: true,
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const lines = new LineReader(child.stdout);
    const info: PeerInfo = JSON.parse(await lines.next());
    return new Peer({ info, home, child, lines });
  }

  get deployment(): Deployment {
    return { url: this.info.url, token: this.info.token, workspace: this.info.workspace };
  }

  /** Gives a command and waits until it is done. Throws when the peer refuses. */
  async command(line: string): Promise<void> {
    await this.#ask(line);
  }

  async stats(): Promise<PeerStats> {
    const stats: PeerStats = JSON.parse(await this.#ask("stats"));
    return stats;
  }

  /** Waits until the peer's counts are as wanted. There is no event to wait for: they are looked at again and again. */
  async until(what: string, isSo: (stats: PeerStats) => boolean): Promise<void> {
    const began = performance.now();
    for (let stats = await this.stats(); !isSo(stats); stats = await this.stats()) {
      if (performance.now() - began > STATS_LIMIT_MS) {
        throw new Error(`Not within ${STATS_LIMIT_MS} ms: ${what}: ${JSON.stringify(stats)}`);
      }
      await new Promise((resolve) => setTimeout(resolve, STATS_EVERY_MS));
    }
  }

  /** Stops the process, or lets it go on. */
  kill(signal: "SIGSTOP" | "SIGCONT"): void {
    this.#child.kill(signal);
  }

  async #ask(line: string): Promise<string> {
    await this.#input.write(new TextEncoder().encode(`${line}\n`));
    const text = await this.#lines.next();
    const answer: { readonly ok: boolean; readonly error?: string } = JSON.parse(text);
    if (!answer.ok) throw new Error(`The peer refused "${line}": ${answer.error}`);
    return text;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#input.close();
    const limit = setTimeout(() => this.#child.kill("SIGKILL"), END_MS);
    await this.#child.status;
    clearTimeout(limit);
    await this.#lines.drain();
    await Deno.remove(this.#home, { recursive: true });
  }
}

/** Lines of a stream, read only when one is asked for. */
export class LineReader {
  readonly #reader: ReadableStreamDefaultReader<string>;
  #rest = "";

  constructor(stream: ReadableStream<Uint8Array<ArrayBuffer>>) {
    this.#reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  }

  async next(): Promise<string> {
    for (;;) {
      const end = this.#rest.indexOf("\n");
      if (end >= 0) {
        const line = this.#rest.slice(0, end);
        this.#rest = this.#rest.slice(end + 1);
        return line;
      }
      const { done, value } = await this.#reader.read();
      if (done) throw new Error(`The peer ended: ${this.#rest}`);
      this.#rest += value;
    }
  }

  async drain(): Promise<void> {
    while (!(await this.#reader.read()).done);
  }
}
