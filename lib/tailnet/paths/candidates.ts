/** All addresses at which one peer may be, bounded for each way to name one, so that no source can push out another's. */
import type { Instant } from "../../base/core.ts";
import { type Endpoint, endpointKey } from "../../wire/endpoint.ts";
import { Candidate } from "./candidate.ts";
import { MAX_ANNOUNCED, MAX_CALLED, MAX_HEARD } from "./limits.ts";

export class Candidates {
  readonly #byKey = new Map<string, Candidate>();

  get size(): number {
    return this.#byKey.size;
  }

  [Symbol.iterator](): Iterator<Candidate> {
    return this.#byKey.values();
  }

  get(endpoint: Endpoint): Candidate | undefined {
    return this.#byKey.get(endpointKey(endpoint));
  }

  /** What the coordinator lists replaces what it listed before. */
  setAnnounced(endpoints: readonly Endpoint[]): void {
    for (const candidate of this) candidate.isAnnounced = false;
    for (const endpoint of endpoints.slice(0, MAX_ANNOUNCED)) {
      this.#ensure(endpoint).isAnnounced = true;
    }
  }

  /** What a call-me-maybe lists replaces what the last one listed; all of it may have become reachable just now. */
  setCalled(endpoints: readonly Endpoint[], now: Instant): void {
    for (const candidate of this) candidate.isCalled = false;
    for (const endpoint of endpoints.slice(0, MAX_CALLED)) {
      this.#ensure(endpoint).isCalled = true;
    }
    for (const candidate of this) candidate.revive(now);
  }

  /** The address that a ping came from; `undefined` when there are too many that only pings told of. */
  heard(endpoint: Endpoint): Candidate | undefined {
    const known = this.get(endpoint);
    if (known !== undefined) return known;
    let heardCount = 0;
    let oldest: Candidate | undefined;
    for (const candidate of this) {
      if (candidate.isAnnounced || candidate.isCalled) continue;
      heardCount++;
      // One that answered is worth more than one that did not.
      if (candidate.answeredAt !== undefined) continue;
      if (oldest === undefined || (candidate.heardAt ?? 0) < (oldest.heardAt ?? 0)) {
        oldest = candidate;
      }
    }
    if (heardCount >= MAX_HEARD) {
      if (oldest === undefined) return undefined;
      this.#byKey.delete(endpointKey(oldest.endpoint));
    }
    return this.#ensure(endpoint);
  }

  /** Drops those that nobody names any more, but for `kept`. */
  prune(now: Instant, kept: Candidate | undefined): void {
    for (const [key, candidate] of this.#byKey) {
      if (candidate !== kept && candidate.isForgotten(now)) this.#byKey.delete(key);
    }
  }

  #ensure(endpoint: Endpoint): Candidate {
    const key = endpointKey(endpoint);
    let candidate = this.#byKey.get(key);
    if (candidate === undefined) {
      candidate = new Candidate(endpoint);
      this.#byKey.set(key, candidate);
    }
    return candidate;
  }
}
