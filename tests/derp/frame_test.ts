/** DERP frames as they are written and cut out of a stream. */
import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import { concatBytes, fromHex, toHex } from "../../lib/base/bytes.ts";
import { DerpError } from "../../lib/derp/errors.ts";
import {
  encodeFrame,
  FrameType,
  MAX_FRAME_BYTES,
  MAX_PACKET_BYTES,
  SEND_PACKET_HEADER_BYTES,
  writeRecvPacketHeader,
  writeSendPacketHeader,
} from "../../lib/derp/frame.ts";
import { DerpFrameReader, SKIP_FRAME } from "../../lib/derp/frame_reader.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { splitAnyhow, splitToBytes } from "../support/split.ts";

const KEY = new Uint8Array(32).map((_, i) => i + 1);
const SKIPPED_TYPE = 0x77;

function newReader(): DerpFrameReader {
  return new DerpFrameReader({
    limit: (type) => type === SKIPPED_TYPE ? SKIP_FRAME : 100_000,
    maxSkippedBytes: 50_000,
  });
}

function readAll(reader: DerpFrameReader, chunks: readonly Uint8Array[]): string[] {
  const frames: string[] = [];
  for (const chunk of chunks) {
    reader.handleBytes(chunk);
    while (reader.next()) frames.push(`${reader.type}:${toHex(reader.payload())}`);
  }
  return frames;
}

Deno.test("writeSendPacketHeader() equals its plain twin for every size of length", () => {
  for (const packetBytes of [0, 1, 223, 224, 1300, 65_503, 65_504, MAX_PACKET_BYTES]) {
    const packet = new Uint8Array(packetBytes).fill(7);
    const buffer = new Uint8Array(3 + SEND_PACKET_HEADER_BYTES + packetBytes);
    buffer.set(packet, 3 + SEND_PACKET_HEADER_BYTES);
    writeSendPacketHeader(buffer, 3, KEY, packetBytes);
    const plain = encodeFrame(FrameType.sendPacket, KEY, packet);
    deepStrictEqual(buffer, concatBytes(new Uint8Array(3), plain));
    writeRecvPacketHeader(buffer, 3, KEY, packetBytes);
    strictEqual(buffer[3], FrameType.recvPacket);
  }
});

Deno.test("writeSendPacketHeader() refuses what a relay would close the connection for", () => {
  const buffer = new Uint8Array(100);
  throws(() => writeSendPacketHeader(buffer, 0, KEY, MAX_PACKET_BYTES + 1), RangeError);
  throws(() => writeSendPacketHeader(buffer, 0, KEY.subarray(1), 10), RangeError);
});

Deno.test("DerpFrameReader finds the same frames however the bytes are cut", () => {
  const frameArbitrary = fc.tuple(
    fc.constantFrom(0, 4, 5, 0x12, SKIPPED_TYPE, 255),
    fc.oneof(fc.constant(0), fc.nat(40), fc.nat(6000)),
  );
  fc.assert(
    fc.property(fc.array(frameArbitrary, { maxLength: 12 }), fc.nat(), (frames, seed) => {
      const wire = concatBytes(
        ...frames.map(([type, length]) => encodeFrame(type, new Uint8Array(length).fill(length))),
      );
      const wanted = frames.filter(([type]) => type !== SKIPPED_TYPE)
        .map(([type, length]) => `${type}:${toHex(new Uint8Array(length).fill(length))}`);
      deepStrictEqual(readAll(newReader(), [wire]), wanted);
      deepStrictEqual(readAll(newReader(), splitAnyhow(wire, new SeededRandom(seed))), wanted);
    }),
    { numRuns: 100 },
  );
});

Deno.test("DerpFrameReader finds frames byte by byte", () => {
  const wire = concatBytes(
    encodeFrame(SKIPPED_TYPE),
    encodeFrame(1, fromHex("aabb")),
    encodeFrame(SKIPPED_TYPE, new Uint8Array(9)),
    encodeFrame(6),
  );
  deepStrictEqual(readAll(newReader(), splitToBytes(wire)), ["1:aabb", "6:"]);
});

Deno.test("DerpFrameReader copies only what crosses chunks", () => {
  const reader = newReader();
  const frame = encodeFrame(5, new Uint8Array(100));
  const first = concatBytes(frame, frame.subarray(0, 50));
  reader.handleBytes(first);
  ok(reader.next());
  strictEqual(reader.payload().buffer, first.buffer);
  ok(!reader.next());
  const second = concatBytes(frame.subarray(50), frame);
  reader.handleBytes(second);
  ok(reader.next());
  ok(reader.payload().buffer !== second.buffer);
  ok(reader.next());
  strictEqual(reader.payload().buffer, second.buffer);
});

Deno.test("DerpFrameReader refuses a frame over its limit as soon as its header is there", () => {
  for (const [type, length] of [[5, 100_001], [SKIPPED_TYPE, 50_001], [5, 0xffff_ffff]] as const) {
    const header = new Uint8Array(5);
    new DataView(header.buffer).setUint32(1, length);
    header[0] = type;
    throws(() => readAll(newReader(), [header]), DerpError);
    throws(() => readAll(newReader(), splitToBytes(header)), DerpError);
  }
  ok(MAX_FRAME_BYTES === 1_048_576);
});

Deno.test("DerpFrameReader refuses a chunk before the last one was drained", () => {
  const reader = newReader();
  reader.handleBytes(encodeFrame(1));
  throws(() => reader.handleBytes(encodeFrame(1)), TypeError);
});
