/** How long to wait before connecting again: a core that is told how that went. */
import type { Random } from "../../../base/core.ts";
import type { Instant } from "../../../base/core.ts";

const PAUSES_MS = [1_000, 2_000, 4_000, 8_000, 15_000, 30_000];
/** A connection that lasted is no attempt that failed. */
const LASTED_MS = 30_000;
/** Many clients lose one deployment at the same moment. */
const JITTER = 0.25;
const BYTE_VALUES = 256;

export class BackOff {
  readonly #random: Random;
  #failures = 0;
  #connectedAt: Instant | undefined;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Should be called when the shell is there. */
  handleConnected(now: Instant): void {
    this.#connectedAt = now;
  }

  /** Should be called when the connection is lost, or could not be made: milliseconds until the next attempt. */
  handleLost(now: Instant): number {
    const at = this.#connectedAt;
    if (at !== undefined && now - at >= LASTED_MS) this.#failures = 0;
    this.#connectedAt = undefined;
    const pauseMs = PAUSES_MS[Math.min(this.#failures++, PAUSES_MS.length - 1)] ?? 0;
    const byte = new Uint8Array(1);
    this.#random.fill(byte);
    const share = (byte[0] ?? 0) / (BYTE_VALUES - 1) * 2 - 1;
    return Math.round(pauseMs * (1 + JITTER * share));
  }
}
