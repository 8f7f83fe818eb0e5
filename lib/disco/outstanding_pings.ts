/**
 * Pings that wait for their pong (coder/tailscale `wgengine/magicsock/endpoint.go`, `sentPing`, `pingTimeoutDuration`).
 * A ping is forgotten after its lifetime, or when newer ones need its place; it is answered once at most.
 */
import { toHex } from "../base/bytes.ts";
import type { Instant } from "../base/core.ts";

export const PING_LIFETIME_MS = 5_000;
export const MAX_OUTSTANDING_PINGS = 256;

export interface OutstandingPing<Subject> {
  /** Whom and where, as the caller gave it. */
  readonly subject: Subject;
  readonly sentAt: Instant;
}

export class OutstandingPings<Subject> {
  /** By transaction id in hex, oldest first: `now` never goes back. */
  readonly #pings = new Map<string, OutstandingPing<Subject>>();

  get size(): number {
    return this.#pings.size;
  }

  add(transactionId: Uint8Array, subject: Subject, now: Instant): void {
    this.expire(now);
    for (const oldest of this.#pings.keys()) {
      if (this.#pings.size < MAX_OUTSTANDING_PINGS) break;
      this.#pings.delete(oldest);
    }
    this.#pings.set(toHex(transactionId), { subject, sentAt: now });
  }

  /** The ping that this id answers, removed; `undefined` when it is unknown, too old, or `isMeant` refuses it. */
  take(
    transactionId: Uint8Array,
    isMeant: (subject: Subject) => boolean,
    now: Instant,
  ): OutstandingPing<Subject> | undefined {
    this.expire(now);
    const id = toHex(transactionId);
    const ping = this.#pings.get(id);
    if (ping === undefined || !isMeant(ping.subject)) return undefined;
    this.#pings.delete(id);
    return ping;
  }

  /** Forgets what is past its lifetime. */
  expire(now: Instant): void {
    for (const [id, ping] of this.#pings) {
      if (now - ping.sentAt < PING_LIFETIME_MS) break;
      this.#pings.delete(id);
    }
  }
}
