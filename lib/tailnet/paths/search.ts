/**
 * Pings to the addresses of one peer: which are due, how many may leave in a second, for which there is a socket at all.
 */
import type { Instant } from "../../base/core.ts";
import { TokenBucket } from "../../base/token_bucket.ts";
import { PADDED_PACKET_BYTES } from "../../disco/mod.ts";
import type { AddressFamily, Endpoint } from "../../wire/endpoint.ts";
import type { Candidate } from "./candidate.ts";
import { Candidates } from "./candidates.ts";
import { PINGS_BURST, PINGS_PER_SECOND } from "./limits.ts";

export interface PingOrder {
  readonly endpoint: Endpoint;
  /** Length of the packet. */
  readonly packetBytes: number;
}

/** Addresses that are due within this are pinged together; a round that the bound on pings cut short goes on then. */
const STEP_MS = 20;

export class Search {
  readonly candidates = new Candidates();
  readonly #bucket: TokenBucket;
  readonly #orders: PingOrder[] = [];
  #families: ReadonlySet<AddressFamily> = new Set();

  constructor(now: Instant) {
    this.#bucket = new TokenBucket(
      { tokensPerSecond: PINGS_PER_SECOND, burstTokens: PINGS_BURST },
      now,
    );
  }

  /** The families that we have a socket for. */
  setFamilies(families: ReadonlySet<AddressFamily>): void {
    this.#families = families;
  }

  /** Pings every address that is due; whether any was. */
  pingDue(now: Instant): boolean {
    let hasPinged = false;
    for (const candidate of this.candidates) {
      if (candidate.dueAt <= now && this.ping(candidate, now)) hasPinged = true;
    }
    return hasPinged;
  }

  /** Pings every address that may be pinged at all. */
  pingAll(now: Instant): void {
    for (const candidate of this.candidates) this.ping(candidate, now);
  }

  /** False when it may not be pinged now. */
  ping(candidate: Candidate, now: Instant): boolean {
    const packetBytes = candidate.pingBytes(now);
    if (packetBytes === undefined || !this.#families.has(candidate.family)) return false;
    if (!this.#bucket.take(1, now)) return false;
    this.#order(candidate, packetBytes, now);
    return true;
  }

  /** Pings an address that has answered before whatever the bounds say: the caller has its own. */
  pingInUse(path: Candidate, now: Instant): void {
    this.#order(path, PADDED_PACKET_BYTES, now);
  }

  /** When the next address is due; `undefined` when none will be. */
  nextAt(now: Instant): Instant | undefined {
    let next = Infinity;
    for (const candidate of this.candidates) {
      if (this.#families.has(candidate.family)) next = Math.min(next, candidate.pingableAt);
    }
    return next === Infinity ? undefined : Math.max(next, now + STEP_MS);
  }

  poll(): PingOrder | undefined {
    return this.#orders.shift();
  }

  #order(candidate: Candidate, packetBytes: number, now: Instant): void {
    candidate.handlePinged(packetBytes, now);
    this.#orders.push({ endpoint: candidate.endpoint, packetBytes });
  }
}
