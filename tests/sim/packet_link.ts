/**
 * One direction of a path for whole packets: delay, jitter, loss, duplication, reordering, a rate with a bounded
 * queue, and outages; all from one seed. Time is whatever the caller says.
 */
import type { Instant } from "../../lib/base/core.ts";
import { SeededRandom } from "../support/seeded_random.ts";

export interface PacketLinkOptions {
  readonly seed: number;
  /** One way. @default 10 */
  readonly delayMs?: number;
  /** Added, uniformly up to this; packets may overtake each other then. @default 0 */
  readonly jitterMs?: number;
  /** 0 to 1. @default 0 */
  readonly lossRate?: number;
  /** @default 0 */
  readonly duplicateRate?: number;
  /** Share of packets held back by `reorderMs`. @default 0 */
  readonly reorderRate?: number;
  /** @default 5 */
  readonly reorderMs?: number;
  /** 0: unlimited. @default 0 */
  readonly bytesPerMs?: number;
  /** Packets that may wait for the rate; more are dropped at the tail. @default 512 */
  readonly queuePackets?: number;
}

interface InFlight {
  readonly packet: Uint8Array;
  readonly arrivesAt: Instant;
}

export class PacketLink {
  /** While true everything sent is lost. */
  isDown = false;
  sentPackets = 0;
  droppedPackets = 0;
  readonly #o: Required<PacketLinkOptions>;
  readonly #random: SeededRandom;
  /** Sorted by arrival, the next one last. */
  readonly #flying: InFlight[] = [];
  /** When each of the packets that wait for the rate leaves, and the first of them that may not have left. */
  readonly #leaving: Instant[] = [];
  #firstLeaving = 0;
  #freeAt: Instant = 0;

  constructor(options: PacketLinkOptions) {
    this.#o = {
      delayMs: 10,
      jitterMs: 0,
      lossRate: 0,
      duplicateRate: 0,
      reorderRate: 0,
      reorderMs: 5,
      bytesPerMs: 0,
      queuePackets: 512,
      ...options,
    };
    this.#random = new SeededRandom(options.seed);
  }

  /** Takes a packet, copied. */
  send(packet: Uint8Array, now: Instant): void {
    this.sentPackets++;
    if (this.isDown || this.#random.chance(this.#o.lossRate)) {
      this.droppedPackets++;
      return;
    }
    const leavesAt = this.#leaveQueue(packet.length, now);
    if (leavesAt === undefined) {
      this.droppedPackets++;
      return;
    }
    const copies = this.#random.chance(this.#o.duplicateRate) ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      let arrivesAt = leavesAt + this.#o.delayMs + this.#random.fraction() * this.#o.jitterMs;
      if (this.#random.chance(this.#o.reorderRate)) arrivesAt += this.#o.reorderMs;
      this.#insert({ packet: packet.slice(), arrivesAt });
    }
  }

  /** The next packet that has arrived at `now`; the caller's from then on. */
  poll(now: Instant): Uint8Array | undefined {
    const next = this.#flying.at(-1);
    if (next === undefined || next.arrivesAt > now) return undefined;
    this.#flying.pop();
    return next.packet;
  }

  nextArrival(): Instant | undefined {
    return this.#flying.at(-1)?.arrivesAt;
  }

  #leaveQueue(bytes: number, now: Instant): Instant | undefined {
    const { bytesPerMs, queuePackets } = this.#o;
    if (bytesPerMs === 0) return now;
    while ((this.#leaving[this.#firstLeaving] ?? Infinity) <= now) this.#firstLeaving++;
    if (this.#leaving.length - this.#firstLeaving > queuePackets) return undefined;
    this.#freeAt = Math.max(now, this.#freeAt) + bytes / bytesPerMs;
    this.#leaving.push(this.#freeAt);
    return this.#freeAt;
  }

  /** Behind those that arrive at the same time: a link without jitter keeps the order. */
  #insert(flying: InFlight): void {
    let low = 0;
    let high = this.#flying.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#flying[middle]?.arrivesAt ?? 0) > flying.arrivesAt) low = middle + 1;
      else high = middle;
    }
    this.#flying.splice(low, 0, flying);
  }
}
