import assert from "node:assert/strict";
import {
  addSums,
  checksumOf,
  copyAndSum,
  copyBytes,
  isIntact,
  joinSums,
  sumBytes,
} from "../../lib/wire/checksum.ts";
import { SeededRandom } from "../support/seeded_random.ts";

/** RFC 1071 §1, byte by byte: the plain twin. */
function plainSum(bytes: Uint8Array): number {
  let sum = 0;
  bytes.forEach((byte, i) => {
    sum += i % 2 === 0 ? byte * 256 : byte;
    while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x1_0000);
  });
  return sum;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

Deno.test("sumBytes() adds the example of RFC 1071 §3", () => {
  const bytes = Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7);
  assert.equal(sumBytes(viewOf(bytes), 0, 8), 0xddf2);
  assert.equal(checksumOf(0xddf2), 0x220d);
  assert.ok(isIntact(addSums(0xddf2, 0x220d)));
});

Deno.test("sumBytes() does not overflow over the largest span of ones", () => {
  const bytes = new Uint8Array(0x1_0000).fill(0xff);
  assert.equal(sumBytes(viewOf(bytes), 0, bytes.length), 0xffff);
});

Deno.test("sumBytes(), copyAndSum() and copyBytes() equal the plain twin at any offset and length", () => {
  for (let seed = 1; seed <= 2_000; seed++) {
    const random = new SeededRandom(seed);
    const bytes = new Uint8Array(random.below(600) + 1);
    random.fill(bytes);
    const offset = random.below(bytes.length);
    const length = random.below(bytes.length - offset + 1);
    const part = bytes.subarray(offset, offset + length);
    const expected = plainSum(part);
    assert.equal(sumBytes(viewOf(bytes), offset, length), expected, `seed ${seed}`);
    const target = new Uint8Array(620).fill(0xaa);
    const to = random.below(9);
    assert.equal(copyAndSum(viewOf(bytes), offset, viewOf(target), to, length), expected);
    assert.deepEqual(target.subarray(to, to + length), part, `seed ${seed}`);
    assert.equal(target[to + length], 0xaa);
    const second = new Uint8Array(620);
    copyBytes(viewOf(bytes), offset, viewOf(second), to, length);
    assert.deepEqual(second.subarray(to, to + length), part);
    assert.equal(second[to + length], 0);
  }
});

Deno.test("copyBytes() keeps inside both views, however long the copy", () => {
  const inside = new DataView(new ArrayBuffer(2_000), 100, 1_000);
  const other = new DataView(new ArrayBuffer(2_000), 8, 1_200);
  for (const length of [20, 300]) {
    assert.throws(() => copyBytes(inside, 1_001 - length, other, 0, length), RangeError);
    assert.throws(() => copyBytes(other, 0, inside, 1_001 - length, length), RangeError);
    copyBytes(inside, 1_000 - length, other, 1_200 - length, length);
  }
});

Deno.test("joinSums() puts two pieces together wherever they were cut", () => {
  const bytes = new Uint8Array(101);
  new SeededRandom(5).fill(bytes);
  const view = viewOf(bytes);
  for (let cut = 0; cut <= bytes.length; cut++) {
    const first = sumBytes(view, 0, cut);
    const second = sumBytes(view, cut, bytes.length - cut);
    assert.equal(joinSums(first, cut, second), plainSum(bytes), `cut at ${cut}`);
  }
});
