/**
 * The timers of one peer (whitepaper §6; wireguard-go `device/timers.go`). Callers report facts, this file alone sets
 * deadlines, and `pop` says what is due; doing it is the peer's (`peer.ts`).
 *
 * Facts come with every packet, deadlines are rare: a fact is an instant in a field, and a deadline that comes due is
 * first measured against it and moved if it came too early. So `next` may name an instant at which nothing is due.
 */
import { type Instant, type Random, randomFraction } from "../base/core.ts";
import { Deadlines } from "../base/deadlines.ts";
import { KEEPALIVE_TIMEOUT_MS, REKEY_TIMEOUT_MS, ZERO_KEYS_AFTER_TIME_MS } from "./constants.ts";
import {
  MAX_HANDSHAKE_RETRIES,
  QUICK_RETRY_DELAYS_MS,
  QUICK_RETRY_JITTER_MS,
  REKEY_JITTER_MS,
} from "./limits.ts";

export type TimerName =
  /** When to send the initiation again because no response came (whitepaper §6.4), or the first one, a little later. */
  | "retransmit"
  /** When to send an empty packet because data was received and nothing was sent since (§6.5). */
  | "passive-keepalive"
  /** When to begin a handshake because data was sent and nothing was received since (§6.5). */
  | "new-handshake"
  /** When to send an empty packet because nothing went either way for the interval that the owner wants. */
  | "persistent-keepalive"
  /** When to erase all keys because no session was derived for long (§6.3). */
  | "zero-keys";

const NEW_HANDSHAKE_AFTER_MS = KEEPALIVE_TIMEOUT_MS + REKEY_TIMEOUT_MS;

export class PeerTimers {
  readonly #deadlines = new Deadlines<TimerName>();
  readonly #random: Random;
  #persistentKeepaliveMs: number | undefined;
  #traversedAt: Instant = -Infinity;
  #heardAt: Instant = -Infinity;
  #dataSentAt: Instant = -Infinity;
  /** Since when sent data has been without any answer. */
  #unansweredSince: Instant | undefined;
  /** Since when received data has been without anything sent. */
  #silentSince: Instant | undefined;
  #receivedAgain = false;
  #retries = 0;
  #quickRetries = 0;
  #isQuickArmed = false;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Should be called after a data packet was sent, not after a keepalive. */
  dataSent(now: Instant): void {
    this.#dataSentAt = now;
    if (this.#unansweredSince !== undefined) return;
    this.#unansweredSince = now;
    if (!this.#deadlines.has("new-handshake")) this.#armNewHandshake(now);
  }

  /** Should be called after a data packet was received, not after a keepalive. */
  dataReceived(now: Instant): void {
    this.#receivedAgain = this.#silentSince !== undefined;
    if (this.#receivedAgain) return;
    this.#silentSince = now;
    if (!this.#deadlines.has("passive-keepalive")) this.#armPassiveKeepalive(now);
  }

  /** Should be called after anything was sent that the peer can authenticate: data, keepalive, handshake. */
  authenticatedSent(now: Instant): void {
    this.#silentSince = undefined;
    this.#traversedAt = now;
  }

  /** Should be called after anything authenticated was received: data, keepalive, handshake. */
  authenticatedReceived(now: Instant): void {
    this.#unansweredSince = undefined;
    this.#traversedAt = now;
    this.#heardAt = now;
  }

  /** Should be called after the empty packet of `passive-keepalive` was sent. */
  passiveKeepaliveSent(now: Instant): void {
    // Data that came meanwhile is owed one more, in case this one is lost: wireguard-go's needAnotherKeepalive.
    if (!this.#receivedAgain) return;
    this.#receivedAgain = false;
    this.#silentSince = now;
    this.#armPassiveKeepalive(now);
  }

  /** Should be called when a handshake is wanted, by data or by the owner, rather than retried by the timer. */
  handshakeWanted(): void {
    this.#retries = 0;
  }

  /** Should be called when a handshake begins, before its first initiation. */
  handshakeBegun(): void {
    this.#retries = 0;
    this.#quickRetries = 0;
  }

  /** Should be called after an initiation was sent. `isUrgent`: no session can carry data meanwhile. */
  initiationSent(now: Instant, options: { readonly isUrgent: boolean }): void {
    const quickDelayMs = options.isUrgent ? QUICK_RETRY_DELAYS_MS[this.#quickRetries] : undefined;
    this.#isQuickArmed = quickDelayMs !== undefined;
    if (quickDelayMs === undefined) {
      this.#deadlines.set("retransmit", now + REKEY_TIMEOUT_MS + this.#jitterMs(REKEY_JITTER_MS));
    } else {
      this.#quickRetries++;
      this.#deadlines.set("retransmit", now + quickDelayMs + this.#jitterMs(QUICK_RETRY_JITTER_MS));
    }
  }

  /**
   * Should be called when an initiation is wanted at `at`, if none comes sooner anyway: the one in flight is probably lost, or
   * there is none. The quick retry that was armed comes after it: an agent that is a little late is not made to wait for
   * the second.
   */
  initiateBy(at: Instant): void {
    const dueAt = this.#deadlines.get("retransmit");
    if (dueAt === undefined) this.handshakeBegun();
    else if (at >= dueAt) return;
    this.#deadlines.set("retransmit", at);
    if (this.#isQuickArmed) this.#quickRetries--;
    this.#isQuickArmed = false;
  }

  /** Should be called when `retransmit` is due; false when it was retried often enough (whitepaper §6.4). */
  takeRetry(): boolean {
    this.#retries++;
    return this.#retries <= MAX_HANDSHAKE_RETRIES;
  }

  /** Should be called after a handshake was given up. */
  handshakeAbandoned(now: Instant): void {
    this.#deadlines.clear("retransmit");
    this.#silentSince = undefined;
    if (!this.#deadlines.has("zero-keys")) this.sessionDerived(now);
  }

  /** Should be called after keys were derived, in either role. */
  sessionDerived(now: Instant): void {
    this.#deadlines.set("zero-keys", now + ZERO_KEYS_AFTER_TIME_MS);
  }

  /** Should be called when both sides are known to have the new keys. */
  handshakeCompleted(): void {
    this.#deadlines.clear("retransmit");
  }

  /** Should be called when the owner wants an interval, or none with `undefined`. */
  persistentKeepaliveChanged(intervalMs: number | undefined, now: Instant): void {
    this.#persistentKeepaliveMs = intervalMs;
    if (intervalMs === undefined) this.#deadlines.clear("persistent-keepalive");
    else this.#deadlines.set("persistent-keepalive", now + intervalMs);
  }

  /** Should be called when the peer is removed. */
  stop(): void {
    this.#deadlines.clearAll();
    this.#persistentKeepaliveMs = undefined;
  }

  /** When something authenticated was received last. */
  get heardAt(): Instant {
    return this.#heardAt;
  }

  /** When data was sent last. */
  get dataSentAt(): Instant {
    return this.#dataSentAt;
  }

  /** Whether a handshake waits for its response, or for its beginning. */
  get isRetransmitArmed(): boolean {
    return this.#deadlines.has("retransmit");
  }

  /** When to call `pop` next. */
  next(): Instant | undefined {
    return this.#deadlines.next();
  }

  /** The next thing to do at `now`, until `undefined`. */
  pop(now: Instant): TimerName | undefined {
    for (let name = this.#deadlines.pop(now); name; name = this.#deadlines.pop(now)) {
      if (this.#isDue(name, now)) return name;
    }
    return undefined;
  }

  /** Whether the facts still call for what came due; moves or forgets the deadline otherwise. */
  #isDue(name: TimerName, now: Instant): boolean {
    switch (name) {
      case "retransmit":
      case "zero-keys":
        return true;
      case "passive-keepalive":
        return this.#isKeepaliveDue(now);
      case "new-handshake":
        return this.#isNewHandshakeDue(now);
      case "persistent-keepalive":
        return this.#isPersistentKeepaliveDue(now);
    }
  }

  #isKeepaliveDue(now: Instant): boolean {
    const since = this.#silentSince;
    if (since === undefined) return false;
    if (since + KEEPALIVE_TIMEOUT_MS > now) {
      this.#armPassiveKeepalive(since);
      return false;
    }
    this.#silentSince = undefined;
    return true;
  }

  #isNewHandshakeDue(now: Instant): boolean {
    const since = this.#unansweredSince;
    if (since === undefined) return false;
    if (since + NEW_HANDSHAKE_AFTER_MS > now) {
      this.#armNewHandshake(since);
      return false;
    }
    this.#unansweredSince = undefined;
    return true;
  }

  #isPersistentKeepaliveDue(now: Instant): boolean {
    const intervalMs = this.#persistentKeepaliveMs;
    if (intervalMs === undefined) return false;
    const dueAt = this.#traversedAt + intervalMs;
    this.#deadlines.set("persistent-keepalive", dueAt > now ? dueAt : now + intervalMs);
    return dueAt <= now;
  }

  #armPassiveKeepalive(since: Instant): void {
    this.#deadlines.set("passive-keepalive", since + KEEPALIVE_TIMEOUT_MS);
  }

  #armNewHandshake(since: Instant): void {
    const jitterMs = this.#jitterMs(REKEY_JITTER_MS);
    this.#deadlines.set("new-handshake", since + NEW_HANDSHAKE_AFTER_MS + jitterMs);
  }

  #jitterMs(below: number): number {
    return randomFraction(this.#random) * below;
  }
}
