/**
 * Sockets in memory, with a delay, a rate, pieces of any size, cuts and black holes: what carries the bytes between the
 * parties of a simulated tailnet. Time is whatever the caller says.
 */
import type { Instant } from "../../../lib/base/core.ts";
import { earlier } from "../../../lib/base/deadlines.ts";

export interface NetworkOptions {
  /** One way. @default 5 */
  readonly delayMs?: number;
  /** Bytes of each read at most: 1 cuts everything everywhere. @default no limit */
  readonly pieceBytes?: number;
  /** What a sender's socket takes; a write is under way until its bytes are gone. @default no limit */
  readonly bytesPerMs?: number;
}

/** What a read gives: bytes, or the end and why. */
export type Arrival =
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  | { readonly kind: "end"; readonly reason: string };

/** One end of a connection. */
export class SimEnd {
  peer: SimEnd | undefined;
  /** What is sent vanishes and nothing arrives, and nobody is told: a cable is out. */
  isBlackholed = false;
  isClosed = false;
  /** Nothing arrives, and nothing is lost either: a program that was stopped, or a kernel that will try again. */
  #isStalled = false;
  readonly #options: NetworkOptions;
  #inbox: { readonly at: Instant; readonly arrival: Arrival }[] = [];
  #busyUntil: Instant = -Infinity;

  constructor(options: NetworkOptions) {
    this.#options = options;
  }

  /** Whether the last write is still under way. */
  isBusy(now: Instant): boolean {
    return this.#busyUntil > now;
  }

  /** Sends a copy. */
  write(bytes: Uint8Array, now: Instant): void {
    const { bytesPerMs, pieceBytes = bytes.length } = this.#options;
    if (bytesPerMs !== undefined) {
      this.#busyUntil = Math.max(now, this.#busyUntil) + bytes.length / bytesPerMs;
    }
    if (this.isClosed || this.isBlackholed) return;
    const from = Math.max(now, this.#busyUntil);
    for (let at = 0; at < bytes.length; at += pieceBytes) {
      const piece = bytes.slice(at, at + pieceBytes);
      this.peer?.deliver({ kind: "bytes", bytes: piece }, from + this.#delayMs);
    }
  }

  /** Ends the connection in both directions; the other side is told. */
  close(now: Instant, reason = "connection closed by the other side"): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#inbox = [];
    const at = Math.max(now, this.#busyUntil) + this.#delayMs;
    if (!this.isBlackholed) this.peer?.deliver({ kind: "end", reason }, at);
  }

  deliver(arrival: Arrival, at: Instant): void {
    if (!this.isBlackholed && !this.isClosed) this.#inbox.push({ at, arrival });
  }

  read(now: Instant): Arrival | undefined {
    const first = this.#inbox[0];
    if (first === undefined || first.at > now || this.isClosed || this.#isStalled) return undefined;
    this.#inbox.shift();
    if (first.arrival.kind === "end") this.isClosed = true;
    return first.arrival;
  }

  nextAt(now: Instant): Instant | undefined {
    if (this.isClosed) return undefined;
    const writable = this.isBusy(now) ? this.#busyUntil : undefined;
    return this.#isStalled ? writable : earlier(this.#inbox[0]?.at, writable);
  }

  stall(): void {
    this.#isStalled = true;
  }

  /** What was held up arrives. */
  resume(): void {
    this.#isStalled = false;
  }

  /** Forgets what is under way to this end. */
  drop(): void {
    this.#inbox = [];
  }

  get #delayMs(): number {
    return this.#options.delayMs ?? 5;
  }
}

/** Whoever listens at a host and port. */
export interface SimServer {
  isUp: boolean;
  accept(end: SimEnd, now: Instant): void;
}

export class SimNetwork {
  options: NetworkOptions;
  readonly servers = new Map<string, SimServer>();
  /** Every connection attempt, as `host:port`. */
  readonly dials: string[] = [];
  /** Who dials is not answered, not even refused. */
  isCut = false;

  constructor(options: NetworkOptions = {}) {
    this.options = options;
  }

  /** The caller's end of a new connection; `undefined` when nobody listens, `"lost"` when nothing is heard of it. */
  connect(host: string, port: number, now: Instant): SimEnd | "lost" | undefined {
    const where = `${host}:${port}`;
    this.dials.push(where);
    if (this.isCut) return "lost";
    const server = this.servers.get(where);
    if (server === undefined || !server.isUp) return undefined;
    const near = new SimEnd(this.options);
    const far = new SimEnd(this.options);
    near.peer = far;
    far.peer = near;
    server.accept(far, now);
    return near;
  }
}

/** Cuts a connection at once: both sides read the end, what was under way is lost. */
export function cut(end: SimEnd, now: Instant, reason = "connection reset"): void {
  for (const side of [end, end.peer]) {
    if (side === undefined || side.isClosed) continue;
    side.drop();
    side.deliver({ kind: "end", reason }, now);
  }
}

/** Takes the cable out: neither side hears of the other again. */
export function blackhole(end: SimEnd): void {
  for (const side of [end, end.peer]) {
    if (side === undefined) continue;
    side.isBlackholed = true;
    side.drop();
  }
}
