/**
 * HyStart++ (RFC 9406): leaves slow start when round trips grow, before a queue overflows.
 * It judges round-trip samples of one round; rounds with few samples (peers that batch ACKs) judge nothing.
 */
import { seqGte } from "../base/seq.ts";

// RFC 9406 §4.3, the constants recommended.
const MIN_RTT_THRESHOLD_MS = 4;
const MAX_RTT_THRESHOLD_MS = 16;
const MIN_RTT_DIVISOR = 8;
const SAMPLES_PER_ROUND = 8;
const CONSERVATIVE_GROWTH_DIVISOR = 4;
const CONSERVATIVE_ROUNDS = 5;

export class HyStart {
  #roundEnd = 0;
  #isRoundSet = false;
  #lastRoundMinMs = Infinity;
  #roundMinMs = Infinity;
  #samples = 0;
  /** Rounds of conservative slow start so far; -1 outside of it. */
  #conservativeRounds = -1;
  #baselineMinMs = Infinity;

  /** Whether round trips grew. */
  get isConservative(): boolean {
    return this.#conservativeRounds >= 0;
  }

  /** By how much growth is divided: 1 in slow start, 4 in conservative slow start (RFC 9406 §4.2). */
  get growthDivisor(): number {
    return this.isConservative ? CONSERVATIVE_GROWTH_DIVISOR : 1;
  }

  /**
   * Should be called for every ACK in slow start, with its sample (-1 for none), SND.UNA and SND.NXT.
   * Returns true when slow start is over.
   */
  handleAck(sampleMs: number, sndUna: number, sndNxt: number): boolean {
    if (!this.#isRoundSet || seqGte(sndUna, this.#roundEnd)) this.#beginRound(sndNxt);
    if (sampleMs >= 0) {
      if (sampleMs < this.#roundMinMs) this.#roundMinMs = sampleMs;
      this.#samples++;
    }
    if (this.#samples >= SAMPLES_PER_ROUND) this.#judge();
    return this.#conservativeRounds >= CONSERVATIVE_ROUNDS;
  }

  #beginRound(sndNxt: number): void {
    this.#roundEnd = sndNxt;
    this.#isRoundSet = true;
    this.#lastRoundMinMs = this.#roundMinMs;
    this.#roundMinMs = Infinity;
    this.#samples = 0;
    if (this.#conservativeRounds >= 0) this.#conservativeRounds++;
  }

  #judge(): void {
    if (this.#conservativeRounds >= 0) {
      // The growth was no queue after all: back to slow start.
      if (this.#roundMinMs < this.#baselineMinMs) this.#conservativeRounds = -1;
      return;
    }
    if (!Number.isFinite(this.#lastRoundMinMs)) return;
    if (hasGrown(this.#roundMinMs, this.#lastRoundMinMs)) {
      this.#baselineMinMs = this.#roundMinMs;
      this.#conservativeRounds = 0;
    }
  }
}

/** Whether round trips became so much longer that there is a queue (RFC 9406 §4.2, RttThresh). */
export function hasGrown(rttMs: number, beforeMs: number): boolean {
  const least = Math.min(beforeMs / MIN_RTT_DIVISOR, MAX_RTT_THRESHOLD_MS);
  return rttMs >= beforeMs + Math.max(MIN_RTT_THRESHOLD_MS, least);
}
