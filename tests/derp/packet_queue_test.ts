/** The byte ring of waiting packets against a plain list. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { concatBytes } from "../../lib/base/bytes.ts";
import { encodeFrame, FrameType } from "../../lib/derp/frame.ts";
import { PacketQueue, type PacketQueueOptions } from "../../lib/derp/packet_queue.ts";

const SOURCE = new Uint8Array(32).fill(3);

/** What `PacketQueue` does, the obvious way. */
class PlainQueue {
  readonly frames: Uint8Array[] = [];
  dropped = 0;
  readonly #options: PacketQueueOptions;

  constructor(options: PacketQueueOptions) {
    this.#options = options;
  }

  push(packet: Uint8Array): void {
    const frame = encodeFrame(FrameType.recvPacket, SOURCE, packet);
    if (frame.length > this.#options.maxBytes) {
      this.dropped++;
      return;
    }
    this.frames.push(frame);
    while (
      this.frames.length > this.#options.maxPackets ||
      concatBytes(...this.frames).length > this.#options.maxBytes
    ) {
      this.frames.shift();
      this.dropped++;
    }
  }

  take(bytes: number): Uint8Array {
    const taken: Uint8Array[] = [];
    let left = bytes;
    for (let f = this.frames[0]; f !== undefined && f.length <= left; f = this.frames[0]) {
      left -= f.length;
      taken.push(f);
      this.frames.shift();
    }
    return concatBytes(...taken);
  }
}

Deno.test("PacketQueue equals a plain list with head drop", () => {
  const step = fc.oneof(
    fc.record({ push: fc.nat(9000) }),
    fc.record({ push: fc.nat(100) }),
    fc.record({ take: fc.nat(20_000) }),
  );
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 60 }),
      fc.integer({ min: 1, max: 20 }),
      fc.integer({ min: 100, max: 60_000 }),
      (steps, maxPackets, maxBytes) => {
        const queue = new PacketQueue({ maxPackets, maxBytes });
        const plain = new PlainQueue({ maxPackets, maxBytes });
        for (const [i, s] of steps.entries()) {
          if ("push" in s) {
            const packet = new Uint8Array(s.push).fill(i + 1);
            queue.push(SOURCE, packet);
            plain.push(packet);
          } else {
            const into = new Uint8Array(s.take + 3);
            const end = queue.moveInto(into, 3);
            deepStrictEqual(into.slice(3, end), plain.take(s.take));
          }
          strictEqual(queue.count, plain.frames.length);
          strictEqual(queue.dropped, plain.dropped);
        }
      },
    ),
    { numRuns: 300 },
  );
});

Deno.test("PacketQueue keeps the newest 512 of a burst", () => {
  const queue = new PacketQueue({ maxPackets: 512, maxBytes: 2 ** 21 });
  for (let i = 0; i < 1000; i++) queue.push(SOURCE, Uint8Array.of(i >> 8, i & 255));
  strictEqual(queue.count, 512);
  strictEqual(queue.dropped, 488);
  const into = new Uint8Array(39);
  ok(queue.moveInto(into, 0) === 39);
  deepStrictEqual([...into.subarray(37)], [488 >> 8, 488 & 255]);
});
