/** A TCP proxy on loopback that keeps what went through it, one conversation a connection. */

/** Bytes of one direction, as they came one after the other: `>` from the client, `<` from the server. */
export interface Piece {
  readonly dir: ">" | "<";
  readonly bytes: Uint8Array;
}

export class Conversation {
  readonly pieces: Piece[] = [];
  #bytes = { ">": 0, "<": 0 };
  readonly #waiting = new Set<() => void>();

  /** The client's first line, e.g. `GET /derp HTTP/1.1`. */
  get firstLine(): string {
    const first = this.pieces[0]?.bytes ?? new Uint8Array(0);
    return new TextDecoder().decode(first).split("\r\n")[0] ?? "";
  }

  bytesOf(dir: Piece["dir"]): number {
    return this.#bytes[dir];
  }

  /** Resolves when more than `count` bytes went in that direction. */
  async untilMoreThan(count: number, dir: Piece["dir"]): Promise<void> {
    while (this.#bytes[dir] <= count) {
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  add(dir: Piece["dir"], bytes: Uint8Array): void {
    this.pieces.push({ dir, bytes });
    this.#bytes[dir] += bytes.length;
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }
}

export class RecordingProxy implements AsyncDisposable {
  readonly conversations: Conversation[] = [];
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #target: { readonly hostname: string; readonly port: number };
  readonly #done: Promise<void>;

  constructor(target: URL) {
    this.#target = { hostname: target.hostname, port: Number(target.port) };
    this.#done = this.#accept();
  }

  get url(): string {
    return `http://127.0.0.1:${this.#listener.addr.port}`;
  }

  /** The conversation that began with this request line. Throws when there was none. */
  find(start: RegExp): Conversation {
    const found = this.conversations.find(({ firstLine }) => start.test(firstLine));
    if (found === undefined) throw new Error(`No conversation began with ${start}`);
    return found;
  }

  async #accept(): Promise<void> {
    const carrying: Promise<void>[] = [];
    for await (const client of this.#listener) carrying.push(this.#carry(client));
    await Promise.all(carrying);
  }

  async #carry(client: Deno.TcpConn): Promise<void> {
    const server = await Deno.connect(this.#target);
    const conversation = new Conversation();
    this.conversations.push(conversation);
    await Promise.all([
      pump(client, server, (bytes) => conversation.add(">", bytes)),
      pump(server, client, (bytes) => conversation.add("<", bytes)),
    ]);
    client.close();
    server.close();
  }

  /** Ends when both ends of every connection have ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#done;
  }
}

/** Copies until either end is gone, and hands the end on. */
async function pump(
  from: Deno.TcpConn,
  to: Deno.TcpConn,
  note: (bytes: Uint8Array) => void,
): Promise<void> {
  const chunk = new Uint8Array(65_536);
  try {
    for (let n = await from.read(chunk); n !== null; n = await from.read(chunk)) {
      note(chunk.slice(0, n));
      for (let at = 0; at < n;) at += await to.write(chunk.subarray(at, n));
    }
  } catch (error) {
    if (!isGone(error)) throw error;
  }
  try {
    await to.closeWrite();
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

function isGone(error: unknown): boolean {
  return error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe ||
    error instanceof Deno.errors.NotConnected;
}
