import assert from "node:assert/strict";
import { seqAdd, seqDiff } from "../../lib/base/seq.ts";
import { Assembler } from "../../lib/netstack/assembler.ts";
import { TcpHeader } from "../../lib/wire/tcp.ts";
import { SeededRandom } from "../support/seeded_random.ts";

const BASE = 0xffff_ff00; // crosses zero

/** The plain twin: every single number that has arrived. */
class PlainAssembler {
  readonly #has = new Set<number>();

  insert(left: number, right: number): void {
    for (let i = left; i < right; i++) this.#has.add(i);
  }

  advance(next: number): number {
    let end = next;
    while (this.#has.has(end)) end++;
    for (const number of [...this.#has]) if (number < end) this.#has.delete(number);
    return end;
  }

  ranges(): [number, number][] {
    const ranges: [number, number][] = [];
    for (const number of [...this.#has].sort((a, b) => a - b)) {
      const last = ranges.at(-1);
      if (last !== undefined && last[1] === number) last[1]++;
      else ranges.push([number, number + 1]);
    }
    return ranges;
  }
}

function rangesOf(assembler: Assembler): [number, number][] {
  return Array.from({ length: assembler.rangeCount }, (_, i) => [
    seqDiff(assembler.leftOf(i), BASE),
    seqDiff(assembler.rightOf(i), BASE),
  ]);
}

Deno.test("Assembler equals a set of numbers under random inserts and advances", () => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = new SeededRandom(seed);
    const fast = new Assembler();
    const plain = new PlainAssembler();
    let next = 0;
    for (let step = 0; step < 120; step++) {
      const left = next + 1 + random.below(400);
      const right = left + 1 + random.below(40);
      assert.ok(fast.insert(seqAdd(BASE, left), seqAdd(BASE, right)));
      plain.insert(left, right);
      if (random.chance(0.2)) {
        const arrived = next + random.below(120);
        const expected = plain.advance(arrived);
        assert.equal(seqDiff(fast.advance(seqAdd(BASE, arrived)), BASE), expected, `seed ${seed}`);
        next = expected;
      }
      assert.deepEqual(rangesOf(fast), plain.ranges(), `seed ${seed} step ${step}`);
    }
  }
});

Deno.test("Assembler.writeSackBlocks() names the newest range first, then others, each once and as it stands", () => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = new SeededRandom(seed);
    const assembler = new Assembler();
    const header = new TcpHeader();
    for (let step = 0; step < 60; step++) {
      const left = 1 + random.below(300);
      assembler.insert(left, left + 1 + random.below(8));
      assembler.writeSackBlocks(header);
      assert.equal(header.sackCount, Math.min(4, assembler.rangeCount));
      const newest = assembler.indexOf(left);
      assert.equal(header.sackLeft[0], assembler.leftOf(newest), `seed ${seed}`);
      const seen = new Set<number>();
      for (let i = 0; i < header.sackCount; i++) {
        const blockLeft = header.sackLeft[i] ?? 0;
        assert.ok(!seen.has(blockLeft));
        seen.add(blockLeft);
        const index = assembler.indexOf(blockLeft);
        assert.equal(assembler.leftOf(index), blockLeft);
        assert.equal(assembler.rightOf(index), header.sackRight[i]);
      }
    }
  }
});

Deno.test("Assembler.insert() refuses one range too many and still extends those it has", () => {
  const assembler = new Assembler(3);
  for (const left of [10, 20, 30]) assert.ok(assembler.insert(left, left + 5));
  assert.ok(!assembler.insert(40, 45));
  assert.ok(assembler.insert(15, 20));
  assert.equal(assembler.rangeCount, 2);
  assert.ok(assembler.insert(40, 45));
});
