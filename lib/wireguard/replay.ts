/**
 * Anti-replay window without bit shifting (RFC 6479), for counters that were authenticated already.
 * A ring of 256 words of 32 bits; a word is cleared when the window moves into it. The window is two words shorter
 * than the ring, so that it is as long as wireguard-go's 127 words of 64 bits.
 */
import { COUNTER_LIMIT, REPLAY_WINDOW } from "./limits.ts";

const WORD_BITS = 32;
/** At least one word more than the window, RFC 6479 §2; a power of two. */
const RING_WORDS = 256;

export class ReplayFilter {
  readonly #ring = new Uint32Array(RING_WORDS);
  #greatest = 0;

  /** The greatest counter accepted so far. */
  get greatest(): number {
    return this.#greatest;
  }

  /** Whether `counter`, a whole number, was never accepted and is not too old; if so it is accepted now. */
  accept(counter: number): boolean {
    if (counter >= COUNTER_LIMIT) return false; // whitepaper §6.2
    const word = Math.floor(counter / WORD_BITS);
    if (counter > this.#greatest) {
      this.#clearUpTo(word);
      this.#greatest = counter;
    } else if (this.#greatest - counter > REPLAY_WINDOW) {
      return false;
    }
    const slot = word % RING_WORDS;
    const bit = 1 << (counter % WORD_BITS);
    const seen = this.#ring[slot] ?? 0;
    this.#ring[slot] = seen | bit;
    return (seen & bit) === 0;
  }

  #clearUpTo(word: number): void {
    const current = Math.floor(this.#greatest / WORD_BITS);
    const count = Math.min(word - current, RING_WORDS);
    for (let i = 1; i <= count; i++) this.#ring[(current + i) % RING_WORDS] = 0;
  }
}
