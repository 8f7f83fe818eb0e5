/**
 * The keyboard for longer than one session. A read of the terminal cannot be called back, so the one that a session left pending
 * is the next one's first: nobody's first key is lost with a session that is over.
 */
import { untilAborted } from "../../../base/abort.ts";
import type { HostInput } from "../../../base/host.ts";

const READ_BYTES = 64 * 1024;

export class LastingInput {
  readonly #source: HostInput;
  readonly #buffer = new Uint8Array(READ_BYTES);
  #pending: Promise<Uint8Array | null> | undefined;
  /** Of a read that was larger than its reader wanted. */
  #left = new Uint8Array(0);
  /** Ends whoever has the keyboard now. */
  #holder = new AbortController();

  constructor(source: HostInput) {
    this.#source = source;
  }

  /** The keyboard for one session, taken from whoever has it. What was typed before belongs to nobody. */
  lend(): HostInput {
    const { signal } = this.#take();
    const source = this.#source;
    return {
      isTerminal: source.isTerminal,
      size: () => source.size(),
      enterRawMode: () => source.enterRawMode(),
      read: async (into) => {
        const bytes = await this.#next(signal);
        if (bytes === null) return null;
        const part = bytes.subarray(0, into.length);
        into.set(part);
        this.#left = bytes.slice(part.length);
        return part.length;
      },
    };
  }

  /** While no session has it: calls `onKeys` each time that something is typed, until it is lent or given back. */
  async watch(onKeys: () => void): Promise<void> {
    const { signal } = this.#take();
    while (!signal.aborted) {
      if (await this.#next(signal) === null) return;
      onKeys();
    }
  }

  /** Takes it from whoever has it. Idempotent. */
  giveBack(): void {
    this.#holder.abort();
  }

  #take(): AbortController {
    this.giveBack();
    this.#holder = new AbortController();
    this.#left = new Uint8Array(0);
    return this.#holder;
  }

  /** The next that is typed, `null` at the end, or when somebody else has the keyboard by now. */
  async #next(signal: AbortSignal): Promise<Uint8Array | null> {
    if (signal.aborted) return null;
    if (this.#left.length > 0) return this.#left;
    this.#pending ??= this.#read();
    try {
      const bytes = await untilAborted(this.#pending, signal);
      this.#pending = undefined;
      return bytes;
    } catch (error) {
      if (signal.aborted) return null;
      this.#pending = undefined;
      throw error;
    }
  }

  async #read(): Promise<Uint8Array | null> {
    const count = await this.#source.read(this.#buffer);
    return count === null ? null : this.#buffer.slice(0, count);
  }
}
