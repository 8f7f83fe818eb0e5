import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { concatBytes, fromHex, toHex } from "../../lib/base/bytes.ts";
import {
  encodeFrame,
  type Frame,
  FRAME_HEADER_BYTES,
  FrameReader,
  FrameType,
  MAX_PAYLOAD_BYTES,
  SharingError,
} from "../../lib/sharing/frame.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { splitAnyhow, splitToBytes } from "../support/split.ts";

/** As a driver does: each piece into the reader's space, in as many reads as that takes. */
function readAll(reader: FrameReader, pieces: readonly Uint8Array[]): Frame[] {
  const frames: Frame[] = [];
  for (const piece of pieces) {
    for (let at = 0; at < piece.length;) {
      const space = reader.space();
      ok(space.length > 0, "there is always room");
      const part = piece.subarray(at, at + space.length);
      space.set(part);
      reader.handleRead(part.length);
      at += part.length;
      for (let frame = reader.next(); frame !== undefined; frame = reader.next()) {
        frames.push({ type: frame.type, payload: frame.payload.slice() });
      }
    }
  }
  return frames;
}

const VECTORS = [
  { name: "hello of nothing", type: FrameType.hello, payload: "", hex: "0100000000" },
  { name: "open port 22", type: FrameType.open, payload: "0016", hex: "20000000020016" },
  { name: "opening", type: FrameType.opening, payload: "", hex: "2500000000" },
  { name: "data", type: FrameType.data, payload: "68656c6c6f", hex: "220000000568656c6c6f" },
  { name: "fin", type: FrameType.fin, payload: "", hex: "2300000000" },
  {
    name: "ended, lost",
    type: FrameType.ended,
    payload: "03676f6e65",
    hex: "240000000503676f6e65",
  },
];

Deno.test("frames have their bytes, and are read from them", async (t) => {
  for (const { name, type, payload, hex } of VECTORS) {
    await t.step(name, () => {
      strictEqual(toHex(encodeFrame(type, fromHex(payload))), hex);
      deepStrictEqual(readAll(new FrameReader(), [fromHex(hex)]), [
        { type, payload: fromHex(payload) },
      ]);
    });
  }
});

Deno.test("FrameReader gives the same frames however the bytes are cut", () => {
  const random = new SeededRandom(5);
  for (let round = 0; round < 30; round++) {
    const sent = Array.from({ length: 1 + random.below(20) }, () => {
      const length = random.chance(0.1) ? MAX_PAYLOAD_BYTES : random.below(3_000);
      const payload = new Uint8Array(length);
      random.fill(payload);
      return { type: FrameType.data, payload };
    });
    const bytes = concatBytes(...sent.map(({ type, payload }) => encodeFrame(type, payload)));
    deepStrictEqual(readAll(new FrameReader(), [bytes]), sent, `round ${round}, whole`);
    deepStrictEqual(readAll(new FrameReader(), splitAnyhow(bytes, random, 9_000)), sent);
  }
  const small = VECTORS.map(({ hex }) => fromHex(hex));
  strictEqual(readAll(new FrameReader(), splitToBytes(concatBytes(...small))).length, small.length);
});

Deno.test("a payload has 65,536 bytes at most, as sent and as read", () => {
  const longest = new Uint8Array(MAX_PAYLOAD_BYTES);
  const frame = encodeFrame(FrameType.data, longest);
  strictEqual(frame.length, FRAME_HEADER_BYTES + MAX_PAYLOAD_BYTES);
  strictEqual(readAll(new FrameReader(), [frame])[0]?.payload.length, MAX_PAYLOAD_BYTES);
  throws(() => encodeFrame(FrameType.data, new Uint8Array(MAX_PAYLOAD_BYTES + 1)), RangeError);
  for (const length of ["00010001", "7fffffff", "80000000", "ffffffff"]) {
    // Told by the header alone: nobody waits for the rest.
    throws(
      () => readAll(new FrameReader(), [fromHex(`22${length}`)]),
      (error) => error instanceof SharingError && error.code === "frame-too-large",
    );
  }
});

Deno.test("FrameReader takes any bytes: frames, or an error that is declared", () => {
  const random = new SeededRandom(9);
  for (let round = 0; round < 300; round++) {
    const bytes = new Uint8Array(random.below(4_000));
    random.fill(bytes);
    // Lengths that fit, often.
    if (random.chance(0.7)) bytes.fill(0, 1, 3);
    try {
      const frames = readAll(new FrameReader(), splitAnyhow(bytes, random));
      const total = frames.reduce(
        (sum, { payload }) => sum + FRAME_HEADER_BYTES + payload.length,
        0,
      );
      ok(total <= bytes.length);
    } catch (error) {
      ok(error instanceof SharingError, String(error));
    }
  }
});
