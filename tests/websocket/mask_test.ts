/** Masking: the fast way against the plain one, at every alignment. */
import { deepStrictEqual } from "node:assert/strict";
import fc from "fast-check";
import { applyMask } from "../../lib/websocket/mask.ts";

/** RFC 6455 §5.3, as it says. */
function plainMask(bytes: Uint8Array, key: number, phase: number): Uint8Array {
  const mask = [key >>> 24, (key >>> 16) & 255, (key >>> 8) & 255, key & 255];
  return bytes.map((byte, i) => byte ^ (mask[(i + phase) % 4] ?? 0));
}

Deno.test("applyMask() equals the plain way at any offset, length and phase (RFC 6455 §5.3)", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 400 }),
      fc.nat(0xffff_ffff),
      fc.nat(9),
      fc.nat(7),
      fc.nat(7),
      (payload, key, phase, outerOffset, innerOffset) => {
        const buffer = new Uint8Array(outerOffset + innerOffset + payload.length + 5);
        const bytes = buffer.subarray(outerOffset);
        bytes.set(payload, innerOffset);
        const end = innerOffset + payload.length;
        applyMask(bytes, innerOffset, end, { key, phase });
        deepStrictEqual(bytes.slice(innerOffset, end), plainMask(payload, key, phase).slice());
        deepStrictEqual(bytes.slice(0, innerOffset), new Uint8Array(innerOffset));
        deepStrictEqual(bytes.slice(end), new Uint8Array(5));
      },
    ),
    { numRuns: 500 },
  );
});

Deno.test("applyMask() undoes itself in pieces", () => {
  const whole = new Uint8Array(1000).map((_, i) => i * 7);
  const bytes = whole.slice();
  const key = 0xdeadbeef;
  applyMask(bytes, 0, bytes.length, { key, phase: 0 });
  for (let at = 0; at < bytes.length; at += 77) {
    applyMask(bytes, at, Math.min(at + 77, bytes.length), { key, phase: at });
  }
  deepStrictEqual(bytes, whole);
});
