/**
 * The most that was under way lately: what the path was asked to hold when it lost something (RFC 5681 §3.1, FlightSize). What is
 * under way at the moment in which a loss shows tells less: an ACK of nearly a whole window may come right before, or in it, from
 * peers that acknowledge dozens of segments at once, and we have sent nothing new yet. (RFC 9438 §4.6 has the window in its place,
 * which who sends less than it must not take.)
 */
import { seqGte } from "../base/seq.ts";

export class FlightPeak {
  #peak = 0;
  #peakBefore = 0;
  /** SND.NXT when this round trip began. */
  #roundEnd = 0;
  #isRoundSet = false;

  /** Of this round trip and the one before. */
  get bytes(): number {
    return Math.max(this.#peak, this.#peakBefore);
  }

  /** Should be called when new data was sent, with what the network holds then. */
  handleSent(pipeBytes: number, sndUna: number, sndNxt: number): void {
    if (!this.#isRoundSet || seqGte(sndUna, this.#roundEnd)) {
      this.#isRoundSet = true;
      this.#roundEnd = sndNxt;
      this.#peakBefore = this.#peak;
      this.#peak = 0;
    }
    if (pipeBytes > this.#peak) this.#peak = pipeBytes;
  }
}
