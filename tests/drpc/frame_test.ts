import assert from "node:assert/strict";
import { concatBytes, fromHex, toHex } from "../../lib/base/bytes.ts";
import { DrpcError } from "../../lib/drpc/mod.ts";
import { decodeHeader, MAX_FRAME_DATA_BYTES, MAX_PACKET_BYTES } from "../../lib/drpc/frame.ts";
import { encodePacket, PacketReader } from "../../lib/drpc/packet.ts";
import type { Packet } from "../../lib/drpc/packet.ts";
import { decodeVarint, encodeVarint } from "../../lib/drpc/varint.ts";
import { FrameReader } from "../../lib/yamux/frame_reader.ts";
import { binaryPayloads, captureTest, parseWire } from "../support/captures.ts";
import { SeededRandom } from "../support/seeded_random.ts";

const NONE = new Uint8Array(0);

function packetsOf(...chunks: Uint8Array[]): Packet[] {
  const reader = new PacketReader();
  const packets: Packet[] = [];
  for (const chunk of chunks) {
    reader.handleBytes(chunk);
    for (let p = reader.pollPacket(); p !== undefined; p = reader.pollPacket()) packets.push(p);
  }
  return packets;
}

Deno.test("varints take 64 bits and not one more (drpcwire ReadVarint)", async (t) => {
  const rows: { name: string; hex: string; out: bigint | "incomplete" | "overflow" }[] = [
    { name: "zero", hex: "00", out: 0n },
    { name: "one byte", hex: "7f", out: 127n },
    { name: "two bytes", hex: "8001", out: 128n },
    { name: "not minimal", hex: "8000", out: 0n },
    { name: "2^64 - 1", hex: "ffffffffffffffffff01", out: (1n << 64n) - 1n },
    { name: "2^64", hex: "80808080808080808002", out: "overflow" },
    { name: "eleven bytes", hex: "8080808080808080808001", out: "overflow" },
    { name: "cut", hex: "ffff", out: "incomplete" },
    { name: "empty", hex: "", out: "incomplete" },
  ];
  for (const { name, hex, out } of rows) {
    await t.step(name, () => {
      const decode = () => decodeVarint(fromHex(hex), 0);
      if (out === "overflow") assert.throws(decode, DrpcError);
      else if (out === "incomplete") assert.equal(decode(), undefined);
      else assert.deepEqual(decode(), { value: Number(out), byteLength: hex.length / 2 });
    });
  }
  for (const value of [0, 1, 127, 128, 300, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
    const bytes = Uint8Array.from(encodeVarint(value));
    assert.equal(decodeVarint(bytes, 0)?.value, value);
  }
  assert.throws(() => encodeVarint(-1), RangeError);
});

Deno.test("packets over 64 KiB are split into frames and joined again, at any cut", () => {
  const random = new SeededRandom(1);
  const data = new Uint8Array(3 * MAX_FRAME_DATA_BYTES + 5);
  random.fill(data);
  const bytes = encodePacket({ kind: 2, streamId: 1, messageId: 9, data });
  const first = decodeHeader(bytes)?.header;
  assert.deepEqual([first?.isDone, first?.dataLength], [false, MAX_FRAME_DATA_BYTES]);
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = at + 1 + random.below(9000);
    chunks.push(bytes.subarray(at, end));
    at = end;
  }
  const [packet, ...rest] = packetsOf(...chunks);
  assert.equal(rest.length, 0);
  assert.equal(packet?.messageId, 9);
  assert.equal(toHex(packet?.data ?? NONE), toHex(data));
});

Deno.test("PacketReader takes a million frames of nothing, however they are cut", () => {
  const frame = fromHex("04010100"); // message 1, not done, no data
  const million = new Uint8Array(4_000_000);
  for (let at = 0; at < million.length; at += frame.length) million.set(frame, at);
  for (const step of [million.length, 7, 1]) {
    const reader = new PacketReader();
    for (let at = 0; at < million.length; at += step) {
      reader.handleBytes(million.subarray(at, at + step));
    }
    assert.equal(reader.pollPacket(), undefined);
    reader.handleBytes(fromHex("0501010161"));
    assert.equal(toHex(reader.pollPacket()?.data ?? NONE), "61");
  }
});

Deno.test("PacketReader reads headers of the longest varints, byte by byte", () => {
  // Ids of ten bytes that say 1 and 2, a length of ten that says 0.
  const padded = (first: string) => first + "80".repeat(8) + "00";
  const bytes = fromHex("05" + padded("81") + padded("82") + padded("80"));
  const chunks = [...bytes].map((byte) => Uint8Array.of(byte));
  assert.deepEqual(packetsOf(...chunks), packetsOf(bytes));
  assert.equal(packetsOf(bytes)[0]?.messageId, 2);
});

Deno.test("an empty packet is one frame", () => {
  const bytes = encodePacket({ kind: 6, streamId: 1, messageId: 3, data: NONE });
  assert.equal(toHex(bytes), "0d010300");
});

Deno.test("PacketReader refuses what breaks the order (drpcwire reader.go)", async (t) => {
  const rows = [
    { name: "stream 0", hex: "05000100", code: "id-zero" },
    { name: "message 0", hex: "05010000", code: "id-zero" },
    { name: "the same message again", hex: "0501010005010100", code: "id-order" },
    { name: "a message back", hex: "0501020005010100", code: "id-order" },
    { name: "a stream back", hex: "0502010005010500", code: "id-order" },
    { name: "another kind inside a packet", hex: "0401010007010100", code: "kind-changed" },
    { name: "an unknown kind", hex: "11010100", code: "unknown-kind" },
    { name: "kind 0", hex: "01010100", code: "unknown-kind" },
    { name: "data over 4 MiB", hex: "050101" + "81808002", code: "packet-too-large" },
    { name: "an id over 2^53", hex: "05ffffffffffffffff7f0100", code: "id-too-large" },
    { name: "a varint over 64 bits", hex: "05ffffffffffffffffff7f", code: "varint-overflow" },
  ];
  for (const { name, hex, code } of rows) {
    await t.step(name, () =>
      assert.throws(
        () => packetsOf(fromHex(hex)),
        (error) => error instanceof DrpcError && error.code === code,
      ));
  }
});

Deno.test("PacketReader passes over unknown control frames and drops packets that are overtaken", () => {
  const packets = packetsOf(fromHex("91000003aabbcc" + "0401010161" + "0501020162"));
  assert.deepEqual(packets.map((p) => [p.messageId, toHex(p.data)]), [[2, "62"]]);
});

Deno.test("frames of one packet may not exceed 4 MiB together", () => {
  const half = new Uint8Array(MAX_PACKET_BYTES / 2);
  const part = concatBytes(
    fromHex("040101"),
    Uint8Array.from(encodeVarint(half.length)),
    half,
  );
  assert.equal(packetsOf(part, part).length, 0);
  assert.throws(() => packetsOf(part, part, fromHex("0501010100")), DrpcError);
});

Deno.test("PacketReader throws nothing but DrpcError on random bytes", () => {
  for (let seed = 0; seed < 500; seed++) {
    const random = new SeededRandom(seed);
    const bytes = new Uint8Array(random.below(200));
    random.fill(bytes);
    if (random.chance(0.8)) {
      for (let at = 0; at + 4 <= bytes.length; at += 4) {
        bytes.set([random.below(16), 1, at / 4 + 1, 0], at);
      }
    }
    try {
      packetsOf(bytes);
    } catch (error) {
      assert.ok(error instanceof DrpcError, `seed ${seed}: ${error}`);
    }
  }
});

/** The data of each yamux stream in one direction. */
function streamsOf(chunks: readonly Uint8Array[]): Map<number, Uint8Array[]> {
  const reader = new FrameReader();
  const streams = new Map<number, Uint8Array[]>();
  let current = 0;
  for (const chunk of chunks) {
    reader.push(chunk);
    for (let piece = reader.next(); piece !== undefined; piece = reader.next()) {
      if (piece.kind === "header") current = piece.header.streamId;
      else streams.set(current, [...streams.get(current) ?? [], piece.bytes.slice()]);
    }
  }
  return streams;
}

captureTest(
  "captured packets re-encode byte for byte",
  "coder-v2.36.0/wire/coordinate-v2.jsonl",
  (text) => {
    let count = 0;
    for (const dir of [">", "<"] as const) {
      for (const pieces of streamsOf(binaryPayloads(parseWire(text), dir)).values()) {
        const packets = packetsOf(...pieces);
        count += packets.length;
        const again = concatBytes(...packets.map(encodePacket));
        assert.equal(toHex(again), toHex(concatBytes(...pieces)));
      }
    }
    assert.ok(count > 20);
  },
);
