/** A seeded `Random` for simulations and properties: xorshift128, never for keys that matter. */
import type { Random } from "../../lib/base/core.ts";

export class SeededRandom implements Random {
  #x: number;
  #y = 0x9e3779b9;
  #z = 0x243f6a88;
  #w = 0xb7e15162;

  constructor(seed: number) {
    this.#x = (seed ^ 0x5bd1e995) >>> 0;
    for (let i = 0; i < 16; i++) this.uint32();
  }

  fill(bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length; i++) bytes[i] = this.uint32() >>> 11;
  }

  uint32(): number {
    const t = this.#x ^ (this.#x << 11);
    this.#x = this.#y;
    this.#y = this.#z;
    this.#z = this.#w;
    this.#w = (this.#w ^ (this.#w >>> 19) ^ t ^ (t >>> 8)) >>> 0;
    return this.#w;
  }

  /** Uniform in [0, 1). */
  fraction(): number {
    return this.uint32() / 0x1_0000_0000;
  }

  /** Uniform integer in [0, below). */
  below(below: number): number {
    return Math.floor(this.fraction() * below);
  }

  chance(probability: number): boolean {
    return this.fraction() < probability;
  }
}
