/**
 * Our receiver indices (whitepaper §5.4.2): random, 32 bits, unique among the live handshakes and sessions of a device.
 * An index is given to a handshake and passes on to the session that comes of it.
 */
import { type Random, randomUint32 } from "../base/core.ts";
import type { Session } from "./session.ts";

/** What an index stands for: a handshake in flight while `session` is undefined. */
export interface IndexEntry<Owner> {
  readonly owner: Owner;
  readonly session: Session | undefined;
}

export class IndexTable<Owner> {
  readonly #entries = new Map<number, IndexEntry<Owner>>();
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(index: number): IndexEntry<Owner> | undefined {
    return this.#entries.get(index);
  }

  /** A new index for a handshake of `owner`. */
  allocate(owner: Owner): number {
    let index = randomUint32(this.#random);
    while (this.#entries.has(index)) index = randomUint32(this.#random);
    this.#entries.set(index, { owner, session: undefined });
    return index;
  }

  /** Passes the index of a handshake on to its session. */
  assign(owner: Owner, session: Session): void {
    this.#entries.set(session.localIndex, { owner, session });
  }

  free(index: number): void {
    this.#entries.delete(index);
  }
}
