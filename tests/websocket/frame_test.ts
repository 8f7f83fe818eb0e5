/** Frames as they are written. */
import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import { toHex } from "../../lib/base/bytes.ts";
import {
  encodeFrame,
  frameInPlace,
  headerBytesFor,
  MAX_HEADER_BYTES,
  Opcode,
  type Role,
} from "../../lib/websocket/frame.ts";
import { SeededRandom } from "../support/seeded_random.ts";

const random = new SeededRandom(1);
const HELLO = new TextEncoder().encode("Hello");
const MASK_KEY = 0x37fa213d;

Deno.test("encodeFrame() writes the examples of RFC 6455 §5.7", async (t) => {
  const rows = [
    { name: "unmasked text", role: "server", opcode: Opcode.text, out: "810548656c6c6f" },
    { name: "masked text", role: "client", opcode: Opcode.text, out: "818537fa213d7f9f4d5158" },
    { name: "unmasked ping", role: "server", opcode: Opcode.ping, out: "890548656c6c6f" },
    { name: "masked pong", role: "client", opcode: Opcode.pong, out: "8a8537fa213d7f9f4d5158" },
  ] as const;
  for (const { name, role, opcode, out } of rows) {
    await t.step(name, () => {
      strictEqual(toHex(encodeFrame({ role, random, opcode, maskKey: MASK_KEY }, HELLO)), out);
    });
  }
  await t.step("fragments", () => {
    const first = { role: "server", random, opcode: Opcode.text, isFinal: false } as const;
    strictEqual(toHex(encodeFrame(first, HELLO.subarray(0, 3))), "010348656c");
    const last = { role: "server", random, opcode: Opcode.continuation } as const;
    strictEqual(toHex(encodeFrame(last, HELLO.subarray(3))), "80026c6f");
  });
  await t.step("256 bytes and 64 KiB", () => {
    const frame = { role: "server", random } as const;
    strictEqual(toHex(encodeFrame(frame, new Uint8Array(256)).subarray(0, 4)), "827e0100");
    const long = encodeFrame(frame, new Uint8Array(65_536));
    strictEqual(toHex(long.subarray(0, 10)), "827f0000000000010000");
  });
});

Deno.test("frameInPlace() writes the header before the payload and touches nothing else", () => {
  for (const role of ["client", "server"] satisfies Role[]) {
    for (const payloadBytes of [0, 1, 125, 126, 127, 65_535, 65_536]) {
      const buffer = new Uint8Array(MAX_HEADER_BYTES + payloadBytes + 9).fill(0xee);
      const end = MAX_HEADER_BYTES + payloadBytes;
      const options = { role, random, maskKey: MASK_KEY };
      const start = frameInPlace(options, buffer, MAX_HEADER_BYTES, end);
      strictEqual(start, MAX_HEADER_BYTES - headerBytesFor(role, payloadBytes));
      const copied = encodeFrame(options, new Uint8Array(payloadBytes).fill(0xee));
      deepStrictEqual(buffer.slice(start, end), copied);
      deepStrictEqual(buffer.slice(0, start), new Uint8Array(start).fill(0xee));
      deepStrictEqual(buffer.slice(end), new Uint8Array(9).fill(0xee));
    }
  }
});

Deno.test("frameInPlace() refuses a payload without room before it", () => {
  throws(
    () => frameInPlace({ role: "client", random }, new Uint8Array(100), 5, 90),
    RangeError,
    "5 bytes are not enough for a client's header",
  );
});
