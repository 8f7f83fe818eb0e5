import assert from "node:assert/strict";
import { concatBytes, toHex } from "../../lib/base/bytes.ts";
import { FrameReader } from "../../lib/yamux/frame_reader.ts";
import { HEADER_BYTES, writeHeader } from "../../lib/yamux/frame.ts";
import { binaryPayloads, captureTest, parseWire } from "../support/captures.ts";
import { SeededRandom } from "../support/seeded_random.ts";

const COORDINATE = "coder-v2.36.0/wire/coordinate-v2.jsonl";

/** Decodes and encodes again, byte stream to byte stream. */
function reencode(chunks: readonly Uint8Array[]): Uint8Array {
  const reader = new FrameReader();
  const out: Uint8Array[] = [];
  for (const chunk of chunks) {
    reader.push(chunk);
    for (let piece = reader.next(); piece !== undefined; piece = reader.next()) {
      if (piece.kind === "body") {
        out.push(piece.bytes.slice());
      } else {
        const header = new Uint8Array(HEADER_BYTES);
        writeHeader(header, 0, piece.header);
        out.push(header);
      }
    }
  }
  return concatBytes(...out);
}

captureTest("captured frames re-encode byte for byte, however they are cut", COORDINATE, (text) => {
  const random = new SeededRandom(3);
  for (const dir of [">", "<"] as const) {
    const bytes = concatBytes(...binaryPayloads(parseWire(text), dir));
    for (let round = 0; round < 20; round++) {
      const chunks: Uint8Array[] = [];
      for (let at = 0; at < bytes.length;) {
        const end = at + 1 + random.below(round === 0 ? 1 : 64);
        chunks.push(bytes.subarray(at, end));
        at = end;
      }
      assert.equal(toHex(reencode(chunks)), toHex(bytes));
    }
  }
});
