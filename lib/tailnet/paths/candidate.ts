/**
 * One address at which a peer may be: who named it, what its pongs said, and when it may be pinged again
 * (coder/tailscale `wgengine/magicsock/endpoint.go`, `endpointState`, `betterAddr`).
 * An address that nobody but a ping told of is sent no more bytes than came from it until it has answered: pings can be
 * recorded and sent again under a false source, and nobody is to be flooded by us.
 */
import type { Instant } from "../../base/core.ts";
import { PADDED_PACKET_BYTES } from "../../disco/mod.ts";
import {
  type AddressFamily,
  type AddressScope,
  type Endpoint,
  familyOf,
  scopeOf,
} from "../../wire/endpoint.ts";
import {
  HEARD_LIFETIME_MS,
  MIN_PING_SPACING_MS,
  RETURN_DELAYS_MS,
  RETURN_LIMIT_MS,
  RETURN_REST_MS,
  SEARCH_DELAYS_MS,
  SEARCH_REST_MS,
} from "./limits.ts";

/** Pongs whose latencies count. */
const SAMPLES = 4;
/** A ping with our node key and no padding. */
export const BARE_PING_BYTES = 124;
/** Deaths longer ago than this are forgiven. */
const DEATH_MEMORY_MS = 60_000;
const MAX_PONGS_OWED = 32;

export class Candidate {
  readonly endpoint: Endpoint;
  readonly family: AddressFamily;
  readonly #scope: AddressScope;
  /** The coordinator says so. */
  isAnnounced = false;
  /** The peer's last call-me-maybe says so. */
  isCalled = false;
  /** When the last ping came from here. */
  heardAt: Instant | undefined;
  /** When a full-sized ping was last answered: the path carries data. */
  answeredAt: Instant | undefined;
  /** When to ping it in a search. */
  dueAt: Instant = -Infinity;
  #pingedAt: Instant = -Infinity;
  #unanswered = 0;
  #hasAnswered = false;
  /** What came from here and what was sent here, while it has not answered. */
  #heardBytes = 0;
  #sentBytes = 0;
  readonly #latencies: number[] = [];
  #deaths = 0;
  #diedAt: Instant = -Infinity;
  #pongsOwed = 0;

  constructor(endpoint: Endpoint) {
    this.endpoint = endpoint;
    this.family = familyOf(endpoint.address);
    this.#scope = scopeOf(endpoint.address);
  }

  /** The best of the last pongs: a queue that fills up does not make a path look bad. */
  get latencyMs(): number {
    return Math.min(...this.#latencies);
  }

  /** The worst of the last pongs, for how long to wait for the next; `undefined` before the first. */
  get slowestMs(): number | undefined {
    return this.#latencies.length === 0 ? undefined : Math.max(...this.#latencies);
  }

  /** Whether enough pongs came since it last failed with data on it. */
  get isProven(): boolean {
    return this.answeredAt !== undefined && this.#pongsOwed === 0;
  }

  /** Whether nobody names it any more and no ping came lately. */
  isForgotten(now: Instant): boolean {
    if (this.isAnnounced || this.isCalled) return false;
    return this.heardAt === undefined || now - this.heardAt > HEARD_LIFETIME_MS;
  }

  /** A ping of so many bytes came from here and is answered with `pongBytes`. */
  handlePing(packetBytes: number, pongBytes: number, now: Instant): void {
    this.heardAt = now;
    this.#heardBytes += packetBytes;
    this.#sentBytes += pongBytes;
  }

  /** Length of the next ping, or `undefined` when none may leave at `now`. */
  pingBytes(now: Instant): number | undefined {
    if (now - this.#pingedAt < MIN_PING_SPACING_MS) return undefined;
    if (this.#hasAnswered || this.isAnnounced || this.isCalled) return PADDED_PACKET_BYTES;
    return this.#sentBytes + BARE_PING_BYTES <= this.#heardBytes ? BARE_PING_BYTES : undefined;
  }

  /** When a search may ping it next; infinite when it must be heard from first. */
  get pingableAt(): Instant {
    const at = Math.max(this.dueAt, this.#pingedAt + MIN_PING_SPACING_MS);
    return this.pingBytes(at) === undefined ? Infinity : at;
  }

  handlePinged(packetBytes: number, now: Instant): void {
    this.#pingedAt = now;
    this.#sentBytes += packetBytes;
    this.dueAt = now + this.#delayMs(now);
    this.#unanswered++;
  }

  /** The answer to a ping of `packetBytes`. */
  handlePong(packetBytes: number, latencyMs: number, now: Instant): void {
    this.#hasAnswered = true;
    this.#unanswered = 0;
    if (packetBytes < PADDED_PACKET_BYTES) {
      // Somebody is there; whether full packets get through is the next question.
      this.#pingedAt = -Infinity;
      this.dueAt = now;
      return;
    }
    this.answeredAt = now;
    this.#pongsOwed = Math.max(0, this.#pongsOwed - 1);
    this.#latencies.push(latencyMs);
    if (this.#latencies.length > SAMPLES) this.#latencies.shift();
  }

  /** It was in use and fell silent. Each time soon after another it must answer longer before it is used again. */
  handleDeath(now: Instant): void {
    this.#deaths = now - this.#diedAt > DEATH_MEMORY_MS ? 1 : this.#deaths + 1;
    this.#diedAt = now;
    this.#pongsOwed = Math.min(2 ** (this.#deaths - 1), MAX_PONGS_OWED);
    this.#unanswered = 0;
    this.dueAt = now;
  }

  /** Something changed that may make it answer: it is pinged at once, and as often as a new one. */
  revive(now: Instant): void {
    this.#unanswered = 0;
    this.dueAt = now;
  }

  /** What changed is our own network: what the pongs said is about another path. */
  forgetPongs(now: Instant): void {
    this.answeredAt = undefined;
    this.#latencies.length = 0;
    this.#deaths = 0;
    this.#pongsOwed = 0;
    this.revive(now);
  }

  /** Latency with a bonus for what is nearer than it looks: no path of a user's own costs as much as one that is not. */
  get cost(): number {
    const nearness = this.#scope === "loopback" ? 0.5 : this.#scope === "private" ? 0.8 : 1;
    return this.latencyMs * nearness * (this.family === "ipv6" ? 0.9 : 1);
  }

  #delayMs(now: Instant): number {
    const isReturning = this.answeredAt !== undefined && now - this.answeredAt < RETURN_LIMIT_MS;
    return isReturning
      ? RETURN_DELAYS_MS[this.#unanswered] ?? RETURN_REST_MS
      : SEARCH_DELAYS_MS[this.#unanswered] ?? SEARCH_REST_MS;
  }
}

/** A path in use is left for one that costs this part less, and this much, so that two alike do not alternate. */
const GAIN = 0.85;
const MIN_GAIN_MS = 1;

/** Whether to leave `current` for `other`; with `isFresh`, while neither has proven itself for long, any gain counts. */
export function isBetter(
  other: Candidate,
  current: Candidate,
  options: { readonly isFresh: boolean },
): boolean {
  const gainMs = current.cost - other.cost;
  if (options.isFresh) return gainMs > 0;
  return gainMs >= MIN_GAIN_MS && other.cost <= current.cost * GAIN;
}
