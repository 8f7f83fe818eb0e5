/**
 * The address that a name led to a moment ago, so that API, coordinator and relay of one deployment ask for it once, and the
 * family that won the race is tried alone. Nothing depends on it: an address that does not answer at once is forgotten.
 */

/** Shorter than the life of any record that somebody means to change soon. */
const KEPT_MS = 60_000;
/** A deployment and its relays are a few names. */
const MAX_NAMES = 64;

export class AddressMemory {
  readonly #wallMs: () => number;
  readonly #byName = new Map<string, { readonly address: string; readonly until: number }>();

  /** `wallMs`: wall-clock milliseconds, which go on while the machine sleeps. */
  constructor(wallMs: () => number) {
    this.#wallMs = wallMs;
  }

  /** `undefined` when it is not known, or not lately. */
  addressOf(name: string): string | undefined {
    const found = this.#byName.get(name);
    if (found === undefined) return undefined;
    const leftMs = found.until - this.#wallMs();
    // A clock that was set back must not make it last.
    if (leftMs > 0 && leftMs <= KEPT_MS) return found.address;
    this.#byName.delete(name);
    return undefined;
  }

  /** Should be called with what a look-up led to, and not with what `addressOf` gave: each is asked for again in time. */
  note(name: string, address: string): void {
    if (name === address) return;
    this.#byName.delete(name);
    if (this.#byName.size >= MAX_NAMES) {
      const [oldest] = this.#byName.keys();
      if (oldest !== undefined) this.#byName.delete(oldest);
    }
    this.#byName.set(name, { address, until: this.#wallMs() + KEPT_MS });
  }

  forget(name: string): void {
    this.#byName.delete(name);
  }
}
