/** `peer link`: two network namespaces and a wire between them, which end with the process, and that with its standard input. */
import { LineReader } from "../interop/peer.ts";
import { peerBinary } from "../interop/peer_binary.ts";

interface End {
  readonly namespace: string;
  readonly host: string;
}

export class Link implements AsyncDisposable {
  readonly near: End;
  readonly far: End;
  readonly #child: Deno.ChildProcess;
  readonly #lines: LineReader;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;

  private constructor(child: Deno.ChildProcess, lines: LineReader, ends: Record<string, End>) {
    const { near, far } = ends;
    if (near === undefined || far === undefined) throw new TypeError("A link has two ends");
    this.near = near;
    this.far = far;
    this.#child = child;
    this.#lines = lines;
    this.#input = child.stdin.getWriter();
  }

  /** Throws with the reason when this machine or user cannot have one. */
  static async open(): Promise<Link> {
    const child = new Deno.Command("sh", {
      args: ["-c", 'exec "$0" link 2>&1', await peerBinary()],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const lines = new LineReader(child.stdout);
    const first = await lines.next();
    if (!first.startsWith("{")) {
      await child.stdin.close();
      await child.status;
      await lines.drain();
      throw new Error(first);
    }
    return new Link(child, lines, JSON.parse(first));
  }

  /** Words in front of a command that is to run at that end. */
  static at({ namespace }: End): readonly string[] {
    return ["nsenter", `--net=${namespace}`];
  }

  /** From now on the wire is of that shape; losses begin at the same place each time. */
  async shape(words: string): Promise<void> {
    await this.#input.write(new TextEncoder().encode(`${words}\n`));
    const answer: { readonly ok: boolean; readonly error?: string } = JSON.parse(
      await this.#lines.next(),
    );
    if (!answer.ok) throw new Error(`The link refused "${words}": ${answer.error}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#input.close();
    await this.#child.status;
    await this.#lines.drain();
  }
}
