/**
 * A bulk transfer over one TCP socket in both directions at once. Every byte follows from its place, so that what was lost,
 * doubled or reordered shows at once and where.
 */
import type { Instant } from "../../../lib/base/core.ts";
import type { TcpSocket } from "../../../lib/netstack/mod.ts";

/** Byte at `offset` of the stream that `salt` names: xorshift of the offset, no period within a transfer. */
function byteAt(offset: number, salt: number): number {
  let x = (offset + 1) * 2_654_435_761 + salt * 40_503;
  x ^= x >>> 15;
  x = Math.imul(x, 2_246_822_519);
  return (x ^ (x >>> 13)) & 0xff;
}

export class Bulk {
  readonly socket: TcpSocket;
  sentBytes = 0;
  receivedBytes = 0;
  /** Where the first wrong byte was. */
  wrongAt: number | undefined;
  /** Whether the peer's end of stream was read. */
  isReadEnded = false;
  /** No byte from here on is written yet: whoever raises it pumps. */
  heldAt = Infinity;
  readonly #sendBytes: number;
  readonly #salts: { readonly out: number; readonly in: number };
  readonly #chunk = new Uint8Array(16_384);

  constructor(
    socket: TcpSocket,
    options: { readonly sendBytes: number; readonly role: "client" | "agent" },
  ) {
    this.socket = socket;
    this.#sendBytes = options.sendBytes;
    this.#salts = options.role === "client" ? { out: 1, in: 2 } : { out: 2, in: 1 };
  }

  /** Everything was sent and the peer's end was read. */
  get isDone(): boolean {
    return this.sentBytes === this.#sendBytes && this.isReadEnded;
  }

  /** Reads and writes as much as is possible. */
  pump(now: Instant): void {
    for (;;) {
      const count = this.socket.read(this.#chunk, now);
      if (count === 0) break;
      for (let i = 0; i < count; i++) {
        if (this.#chunk[i] === byteAt(this.receivedBytes + i, this.#salts.in)) continue;
        this.wrongAt ??= this.receivedBytes + i;
      }
      this.receivedBytes += count;
    }
    this.isReadEnded = this.socket.isReadEnded;
    const readyBytes = Math.min(this.#sendBytes, this.heldAt);
    while (this.sentBytes < readyBytes) {
      const length = Math.min(this.#chunk.length, readyBytes - this.sentBytes);
      for (let i = 0; i < length; i++) {
        this.#chunk[i] = byteAt(this.sentBytes + i, this.#salts.out);
      }
      const taken = this.socket.write(this.#chunk.subarray(0, length), now);
      this.sentBytes += taken;
      if (taken < length) return;
    }
    if (this.sentBytes === this.#sendBytes) this.socket.shutdownWrite(now);
  }
}
