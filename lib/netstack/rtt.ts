/**
 * Round-trip time and retransmission timeout (RFC 6298), with the least timeout of 200 ms that our peers use.
 * Which segments may be timed (Karn) is decided where they are kept, in `sent_segments.ts`.
 */

/** RFC 6298 §2.1: before any sample. */
export const INITIAL_RTO_MS = 1_000;
/** RFC 6298 §5.7: after a SYN had to be retransmitted on its timer. */
export const RTO_AFTER_LOST_SYN_MS = 3_000;
/** RFC 6298 §2.4 says one second; the peers use 200 ms, and their ACKs are never delayed. */
export const MIN_RTO_MS = 200;
/**
 * RFC 6298 §2.5 wants at least 60 s. Less is on purpose: a session must go on soon after an outage, and a segment
 * every quarter of a minute burdens nobody.
 */
export const MAX_RTO_MS = 15_000;

const CLOCK_GRANULARITY_MS = 1;
const ALPHA = 1 / 8;
const BETA = 1 / 4;
const K = 4;
/** Doublings beyond this reach `MAX_RTO_MS` from the least timeout anyway. */
const MAX_BACKOFF = 10;
/** What is left of it once the peer answers: four times the timeout. */
const EASED_BACKOFF = 2;
const NO_SAMPLE = -1;
/** So many samples in a row are not late because one of our turns was. */
const RECENT_SAMPLES = 4;

export class RttEstimator {
  #srttMs = NO_SAMPLE;
  #rttvarMs = 0;
  #baseRtoMs = INITIAL_RTO_MS;
  #backoff = 0;
  #minMs = Infinity;
  readonly #recentMs = new Float64Array(RECENT_SAMPLES);
  #sampleCount = 0;

  /** Smoothed round-trip time; -1 before the first sample. */
  get srttMs(): number {
    return this.#srttMs;
  }

  get hasSample(): boolean {
    return this.#srttMs >= 0;
  }

  /** Least sample since it was forgotten; `Infinity` before the first. */
  get minMs(): number {
    return this.#minMs;
  }

  /** Least of the last few samples; 0 before there were as many. */
  get recentMinMs(): number {
    return Math.min(...this.#recentMs);
  }

  /** The timeout to arm now, back-off included. */
  get rtoMs(): number {
    return Math.min(MAX_RTO_MS, this.#baseRtoMs * 2 ** this.#backoff);
  }

  get backoff(): number {
    return this.#backoff;
  }

  sample(rttMs: number): void {
    if (rttMs < this.#minMs) this.#minMs = rttMs;
    this.#recentMs[this.#sampleCount++ % RECENT_SAMPLES] = rttMs;
    if (this.#srttMs < 0) {
      this.#srttMs = rttMs; // RFC 6298 §2.2
      this.#rttvarMs = rttMs / 2;
    } else {
      const error = Math.abs(this.#srttMs - rttMs); // RFC 6298 §2.3, the variance first
      this.#rttvarMs = (1 - BETA) * this.#rttvarMs + BETA * error;
      this.#srttMs = (1 - ALPHA) * this.#srttMs + ALPHA * rttMs;
    }
    const rto = this.#srttMs + Math.max(CLOCK_GRANULARITY_MS, K * this.#rttvarMs);
    this.#baseRtoMs = Math.min(MAX_RTO_MS, Math.max(MIN_RTO_MS, rto)); // RFC 6298 §2.4, §2.5
    this.#backoff = 0;
  }

  /** Should be called when the retransmission timer fired (RFC 6298 §5.5). */
  backOff(): void {
    if (this.#backoff < MAX_BACKOFF) this.#backoff++;
  }

  /** Should be called when another path is in use: nothing is known of it. */
  reset(): void {
    this.#srttMs = NO_SAMPLE;
    this.#rttvarMs = 0;
    this.#baseRtoMs = INITIAL_RTO_MS;
    this.#backoff = 0;
    this.forgetLeast();
  }

  /** Should be called when the network is perhaps another: the least sample is of a path that may be gone. */
  forgetLeast(): void {
    this.#minMs = Infinity;
    this.#recentMs.fill(0);
  }

  /** Should be called when what backed off says nothing about the path any more: another one is in use. */
  clearBackoff(): void {
    this.#backoff = 0;
  }

  /**
   * Should be called when new data was acknowledged. A sample takes the whole back-off away (RFC 6298 §5.7, last note);
   * without one, while retransmissions alone are acknowledged, as much of it stays as a path wants whose round trip has
   * become longer than the timeout was: else each round of them would time out again.
   */
  easeBackoff(): void {
    this.#backoff = Math.min(this.#backoff, EASED_BACKOFF);
  }

  /** Should be called when the handshake ends and a SYN had been lost to its timer (RFC 6298 §5.7). */
  startAfterLostSyn(): void {
    this.#baseRtoMs = RTO_AFTER_LOST_SYN_MS;
    this.#backoff = 0;
  }
}
