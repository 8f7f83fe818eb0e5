/** A TCP connection of the sandbox, through which every byte of it passes: cut, gathered or stopped on order. */
import type { Random } from "../../base/core.ts";
import { randomBytes } from "../../base/core.ts";
import { closeQuietly, type Conn } from "../../io/conn.ts";
import type { SandboxFaults } from "./faults.ts";

export interface ShapedConnOptions {
  readonly faults: SandboxFaults;
  readonly random: Random;
}

const READ_BYTES = 262_144;
const NONSENSE_BYTES = 512;

interface OutputLimit {
  leftBytes: number;
  readonly then: "silence" | "close" | "nonsense";
}

export class ShapedConn implements Conn {
  readonly #conn: Deno.TcpConn;
  readonly #options: ShapedConnOptions;
  /** Read from the socket but not yet handed out, because reads are to be short. */
  #pending: Uint8Array = new Uint8Array(0);
  #limit: OutputLimit | undefined;
  readonly #waits = new Map<ReturnType<typeof setTimeout>, () => void>();
  #isClosed = false;

  constructor(conn: Deno.TcpConn, options: ShapedConnOptions) {
    this.#conn = conn;
    this.#options = options;
  }

  async read(into: Uint8Array): Promise<number | null> {
    const { pieceBytes, gatherMs = 0 } = this.#options.faults.wire ?? {};
    if (this.#pending.length === 0) {
      if (gatherMs > 0) await this.#wait(gatherMs);
      if (pieceBytes === undefined) return await this.#conn.read(into);
      const buffer = new Uint8Array(READ_BYTES);
      const count = await this.#conn.read(buffer);
      if (count === null) return null;
      this.#pending = buffer.subarray(0, count);
    }
    const most = Math.max(1, pieceBytes?.() ?? into.length);
    const piece = this.#pending.subarray(0, Math.min(most, into.length));
    into.set(piece);
    this.#pending = this.#pending.subarray(piece.length);
    return piece.length;
  }

  /** Writes all of `bytes`; what an ordered fault swallows counts as written. */
  async write(bytes: Uint8Array): Promise<number> {
    const { pieceBytes, gatherMs = 0 } = this.#options.faults.wire ?? {};
    if (gatherMs > 0) await this.#wait(gatherMs);
    const out = this.#limit === undefined ? bytes : this.#limited(bytes, this.#limit);
    for (let at = 0; at < out.length;) {
      const most = Math.max(1, pieceBytes?.() ?? out.length);
      at += await this.#conn.write(out.subarray(at, at + most));
    }
    if (this.#limit?.then === "close" && this.#limit.leftBytes === 0) this.close();
    return bytes.length;
  }

  /** From now on only so many bytes go out. */
  stopAfter(bytes: number, then: OutputLimit["then"]): void {
    this.#limit = { leftBytes: bytes, then };
  }

  close(): void {
    this.#isClosed = true;
    for (const [timer, done] of this.#waits) {
      clearTimeout(timer);
      done();
    }
    this.#waits.clear();
    closeQuietly(this.#conn);
  }

  #limited(bytes: Uint8Array, limit: OutputLimit): Uint8Array {
    const out = bytes.subarray(0, limit.leftBytes);
    limit.leftBytes -= out.length;
    if (out.length === bytes.length || limit.then !== "nonsense") return out;
    const nonsense = randomBytes(this.#options.random, NONSENSE_BYTES);
    const joined = new Uint8Array(out.length + nonsense.length);
    joined.set(out);
    joined.set(nonsense, out.length);
    return joined;
  }

  #wait(ms: number): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#waits.delete(timer);
        resolve();
      }, ms);
      this.#waits.set(timer, resolve);
    });
  }
}
