import assert from "node:assert/strict";
import { ByteRing } from "../../lib/netstack/byte_ring.ts";
import { sumBytes } from "../../lib/wire/checksum.ts";
import { SeededRandom } from "../support/seeded_random.ts";

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

Deno.test("ByteRing equals a plain array under random appends, placements, takes and drops", () => {
  for (let seed = 1; seed <= 15; seed++) {
    const random = new SeededRandom(seed);
    const ring = new ByteRing(100_000);
    let plain: number[] = [];
    for (let step = 0; step < 300; step++) {
      const bytes = new Uint8Array(random.below(6_000));
      random.fill(bytes);
      switch (random.below(4)) {
        case 0: {
          const taken = ring.append(bytes, 100_000);
          assert.equal(taken, Math.min(bytes.length, 100_000 - plain.length), `seed ${seed}`);
          plain.push(...bytes.subarray(0, taken));
          break;
        }
        case 1: { // two pieces, the later one first
          const half = bytes.length >> 1;
          if (plain.length + bytes.length > 100_000) break;
          ring.place(ring.length + half, viewOf(bytes), half, bytes.length - half);
          ring.place(ring.length, viewOf(bytes), 0, half);
          ring.extend(bytes.length);
          plain.push(...bytes);
          break;
        }
        case 2: {
          const count = ring.take(bytes);
          assert.deepEqual([...bytes.subarray(0, count)], plain.slice(0, count), `seed ${seed}`);
          plain = plain.slice(count);
          break;
        }
        default: {
          const count = random.below(plain.length + 1);
          ring.drop(count);
          plain = plain.slice(count);
        }
      }
      assert.equal(ring.length, plain.length);
      if (plain.length === 0) continue;
      const at = random.below(plain.length);
      const length = random.below(Math.min(1_300, plain.length - at) + 1);
      const target = new Uint8Array(1_400);
      const sum = ring.copyTo(at, length, viewOf(target), 60);
      assert.deepEqual([...target.subarray(60, 60 + length)], plain.slice(at, at + length));
      assert.equal(sum, sumBytes(viewOf(target), 60, length), `seed ${seed}`);
    }
  }
});

Deno.test("ByteRing allocates only what it needs, and gives it back", () => {
  const ring = new ByteRing(4 * 1024 * 1024);
  assert.equal(ring.capacityBytes, 0);
  ring.append(new Uint8Array(100), 1_000_000);
  assert.equal(ring.capacityBytes, 16 * 1024);
  ring.append(new Uint8Array(100_000), 1_000_000);
  assert.equal(ring.capacityBytes, 128 * 1024);
  ring.drop(ring.length);
  assert.equal(ring.capacityBytes, 128 * 1024, "small enough to keep");
  ring.append(new Uint8Array(900_000), 1_000_000);
  assert.equal(ring.capacityBytes, 1024 * 1024);
  ring.drop(ring.length);
  assert.equal(ring.capacityBytes, 0);
  ring.append(new Uint8Array(10), 1_000_000);
  ring.release();
  assert.equal(ring.capacityBytes, 0);
  assert.equal(ring.length, 0);
});
