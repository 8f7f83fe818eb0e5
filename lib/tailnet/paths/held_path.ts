/**
 * A peer that is kept off its direct path, which works but loses too much: nothing of ours goes there, and the peer is
 * brought to send over the relay. Agents choose their way by themselves (coder/tailscale `wgengine/magicsock/endpoint.go`);
 * what they heed is that a call-me-maybe no longer lists an address of ours which an earlier one listed
 * (`handleCallMeMaybe`, `deleteEndpointLocked`), upon which they use the relay at once, and that none of their pings is
 * answered, for an address is taken anew with the first pong (`handlePongConnLocked`).
 *
 * Our own pings go on, seldom, and tell whether the path is better by now: an agent answers them wherever it sends.
 */
import type { Instant } from "../../base/core.ts";
import { PADDED_PACKET_BYTES } from "../../disco/mod.ts";
import { type Endpoint, equalEndpoints } from "../../wire/endpoint.ts";
import type { PeerPathsOutput } from "./events.ts";
import { ACTIVE_MS } from "./limits.ts";

/** A ping each so often, while something is sent. */
export const PROBE_EVERY_MS = 500;
/** What is under way when the peer is told arrives within this; what comes later was sent by one who did not hear it. */
const WITHDRAW_EVERY_MS = 2_000;

export class HeldPath {
  readonly endpoint: Endpoint;
  /** A pong that takes longer is as good as lost. */
  readonly #answerMs: number;
  readonly #outputs: PeerPathsOutput[] = [];
  #withdrawnAt: Instant;
  #activeUntil: Instant;
  #probeAt: Instant;
  /** When the last probe left that is not answered yet. */
  #askedAt: Instant | undefined;
  #answers = 0;

  constructor(endpoint: Endpoint, latencyMs: number, now: Instant) {
    this.endpoint = endpoint;
    this.#answerMs = Math.min(PROBE_EVERY_MS, 100 + 2 * latencyMs);
    this.#withdrawnAt = now;
    this.#activeUntil = now + ACTIVE_MS;
    this.#probeAt = now + PROBE_EVERY_MS;
    this.#withdraw(now);
  }

  /** Pings in a row that were answered, up to the last. */
  get answers(): number {
    return this.#answers;
  }

  /** Should be called when data was sent to the peer. */
  handleSent(now: Instant): void {
    if (now >= this.#activeUntil) this.#probeAt = now;
    this.#activeUntil = now + ACTIVE_MS;
  }

  /** Should be called when an authentic packet of the peer came over UDP. */
  handleHeard(now: Instant): void {
    if (now - this.#withdrawnAt >= WITHDRAW_EVERY_MS) this.#withdraw(now);
  }

  handlePong(endpoint: Endpoint, packetBytes: number, now: Instant): void {
    if (this.#askedAt === undefined || packetBytes < PADDED_PACKET_BYTES) return;
    if (!equalEndpoints(endpoint, this.endpoint)) return;
    this.#answers = now - this.#askedAt <= this.#answerMs ? this.#answers + 1 : 0;
    this.#askedAt = undefined;
  }

  handleTimeout(now: Instant): void {
    if (now < this.#probeAt || now >= this.#activeUntil) return;
    if (this.#askedAt !== undefined) this.#answers = 0;
    this.#askedAt = now;
    this.#probeAt = now + PROBE_EVERY_MS;
    this.#outputs.push({
      kind: "ping",
      endpoint: this.endpoint,
      packetBytes: PADDED_PACKET_BYTES,
    });
  }

  pollTimeout(): Instant | undefined {
    return this.#probeAt < this.#activeUntil ? this.#probeAt : undefined;
  }

  pollOutput(): PeerPathsOutput | undefined {
    return this.#outputs.shift();
  }

  /** Only what was listed is taken back: which of our addresses the peer uses is not known here, so first they are all. */
  #withdraw(now: Instant): void {
    this.#withdrawnAt = now;
    this.#outputs.push({ kind: "call", list: "all" }, { kind: "call", list: "nothing" });
  }
}
