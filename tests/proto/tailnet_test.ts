/** The generated messages against captured bytes, the reference implementation, and bytes that are no message. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { concatBytes, fromHex, toHex } from "../../lib/base/bytes.ts";
import { PacketKind } from "../../lib/drpc/frame.ts";
import { PacketReader } from "../../lib/drpc/packet.ts";
import { MAX_FIELDS, ProtobufError } from "../../lib/proto/reader.ts";
import {
  type CoordinateRequest,
  createCoordinateRequest,
  createDERPMap,
  createDERPMap_Region,
  createDERPMap_Region_Node,
  createNode,
  decodeCoordinateResponse,
  decodeDERPMap,
  decodeNode,
  type DERPMap_Region,
  encodeCoordinateRequest,
  encodeCoordinateResponse,
  encodeDERPMap,
  encodeNode,
  encodeRefreshResumeTokenResponse,
  type Node,
} from "../../lib/proto/tailnet_pb.ts";
import { FrameReader } from "../../lib/yamux/frame_reader.ts";
import { binaryPayloads, captureTest, parseWire } from "../support/captures.ts";
import { type Codec, CODECS, plainOf, referenceOf } from "../support/tailnet_codecs.ts";

const MESSAGES: Readonly<Record<number, { readonly ">": Codec; readonly "<": Codec }>> = {
  1: { ">": CODECS.CoordinateRequest, "<": CODECS.CoordinateResponse },
  3: { ">": CODECS.StreamDERPMapsRequest, "<": CODECS.DERPMap },
  5: { ">": CODECS.RefreshResumeTokenRequest, "<": CODECS.RefreshResumeTokenResponse },
};

captureTest(
  "captured messages decode without unknown fields and as the reference does, and encode to the same bytes",
  "coder-v2.36.0/wire/coordinate-v2.jsonl",
  (text) => {
    let count = 0;
    for (const dir of [">", "<"] as const) {
      for (const [streamId, bytes] of streamsOf(binaryPayloads(parseWire(text), dir))) {
        const codec = MESSAGES[streamId]?.[dir];
        if (codec === undefined) continue; // telemetry, which we do not speak
        const reference = referenceOf(codec);
        for (const data of messagesOf(bytes)) {
          count++;
          assert.ok(reference.knowsAll(data), codec.name);
          assert.deepEqual(codec.decode(data), reference.decode(data));
          assert.equal(toHex(codec.again(data)), toHex(reference.again(data)));
        }
      }
    }
    assert.equal(count, 9);
  },
);

const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const text = fc.string({ unit: "grapheme", maxLength: 20 });
const texts = fc.array(text, { maxLength: 4 });
const double = fc.double();
const someBytes = fc.uint8Array({ maxLength: 40 });
const timestamp = fc.record({ seconds: int64, nanos: int32 });

function mapOf<K, V>(key: fc.Arbitrary<K>, value: fc.Arbitrary<V>): fc.Arbitrary<Map<K, V>> {
  return fc.array(fc.tuple(key, value), { maxLength: 4 }).map((entries) => new Map(entries));
}

const node: fc.Arbitrary<Node> = fc.record({
  id: int64,
  asOf: fc.option(timestamp, { nil: undefined }),
  key: someBytes,
  disco: text,
  preferredDerp: int32,
  derpLatency: mapOf(text, double),
  derpForcedWebsocket: mapOf(int32, text),
  addresses: texts,
  allowedIps: texts,
  endpoints: texts,
});
const relay = fc.record({
  name: text,
  regionId: int64,
  hostName: text,
  certName: text,
  ipv4: text,
  ipv6: text,
  stunPort: int32,
  stunOnly: fc.boolean(),
  derpPort: int32,
  insecureForTests: fc.boolean(),
  forceHttp: fc.boolean(),
  stunTestIp: text,
  canPort80: fc.boolean(),
});
const region: fc.Arbitrary<DERPMap_Region> = fc.record({
  regionId: int64,
  embeddedRelay: fc.boolean(),
  regionCode: text,
  regionName: text,
  avoid: fc.boolean(),
  nodes: fc.array(relay, { maxLength: 3 }),
});
const derpMap = fc.record({
  homeParams: fc.option(fc.record({ regionScore: mapOf(int64, double) }), { nil: undefined }),
  regions: mapOf(int64, region),
});
const tunnel = fc.option(fc.record({ id: someBytes }), { nil: undefined });
const request: fc.Arbitrary<CoordinateRequest> = fc.record({
  updateSelf: fc.option(fc.record({ node: fc.option(node, { nil: undefined }) }), {
    nil: undefined,
  }),
  disconnect: fc.option(fc.constant({}), { nil: undefined }),
  addTunnel: tunnel,
  removeTunnel: tunnel,
  readyForHandshake: fc.array(fc.record({ id: someBytes }), { maxLength: 3 }),
});
const response = fc.record({
  peerUpdates: fc.array(
    fc.record({
      id: someBytes,
      node: fc.option(node, { nil: undefined }),
      kind: int32,
      reason: text,
    }),
    { maxLength: 3 },
  ),
  error: text,
});
const token = fc.record({
  token: text,
  refreshIn: fc.option(timestamp, { nil: undefined }),
  expiresAt: fc.option(timestamp, { nil: undefined }),
});

/** A message type, and bytes of any message of it with its plain form. */
const wholeMessage = fc.oneof(
  node.map((m) => ({ codec: CODECS.Node, bytes: encodeNode(m), plain: plainOf(m) })),
  derpMap.map((m) => ({ codec: CODECS.DERPMap, bytes: encodeDERPMap(m), plain: plainOf(m) })),
  request.map((m) => ({
    codec: CODECS.CoordinateRequest,
    bytes: encodeCoordinateRequest(m),
    plain: plainOf(m),
  })),
  response.map((m) => ({
    codec: CODECS.CoordinateResponse,
    bytes: encodeCoordinateResponse(m),
    plain: plainOf(m),
  })),
  token.map((m) => ({
    codec: CODECS.RefreshResumeTokenResponse,
    bytes: encodeRefreshResumeTokenResponse(m),
    plain: plainOf(m),
  })),
);

Deno.test("every message is read and written as the reference does", () => {
  fc.assert(fc.property(wholeMessage, ({ codec, bytes, plain }) => {
    const reference = referenceOf(codec);
    assert.deepEqual(codec.decode(bytes), plain);
    assert.deepEqual(reference.decode(bytes), plain);
    assert.equal(toHex(codec.again(bytes)), toHex(bytes));
    // Its bytes may have another order: its maps are objects, which sort their keys.
    assert.equal(reference.again(bytes).length, bytes.length);
    assert.deepEqual(codec.decode(reference.again(bytes)), plain);
  }));
});

Deno.test("changed bytes of any message are refused with a ProtobufError, or read as what they say when written again", () => {
  const change = fc.record({
    at: fc.nat(),
    kind: fc.constantFrom("set", "cut", "insert"),
    value: fc.nat(255),
  });
  let taken = 0;
  fc.assert(
    fc.property(wholeMessage, change, ({ codec, bytes }, { at, kind, value }) => {
      const place = at % (bytes.length + 1);
      const after = bytes.subarray(kind === "insert" ? place : place + 1);
      const changed = kind === "cut"
        ? bytes.subarray(0, place)
        : concatBytes(bytes.subarray(0, place), Uint8Array.of(value), after);
      let read: unknown;
      try {
        read = codec.decode(changed);
      } catch (error) {
        assert.ok(error instanceof ProtobufError);
        return;
      }
      taken++;
      assert.deepEqual(codec.decode(codec.again(changed)), read);
    }),
    { numRuns: 1_000 },
  );
  // About 120; the changes are other ones each time.
  assert.ok(taken > 40, `${taken} of 1000`);
});

Deno.test("requests have the bytes that the service takes (coder/coder tailnet/proto/tailnet.proto)", () => {
  const id = fromHex("3a5b2a46b6af43658859479cedf5c885");
  const request = (init: Partial<CoordinateRequest>) =>
    toHex(encodeCoordinateRequest(createCoordinateRequest(init)));
  assert.equal(request({ addTunnel: { id } }), `1a120a10${toHex(id)}`);
  assert.equal(request({ removeTunnel: { id } }), `22120a10${toHex(id)}`);
  assert.equal(request({ readyForHandshake: [{ id }] }), `2a120a10${toHex(id)}`);
  assert.equal(request({ disconnect: {} }), "1200");
});

Deno.test("a negative port is a varint of ten bytes (protobuf.dev encoding, signed integers)", () => {
  const nodes = [createDERPMap_Region_Node({ stunPort: -1 })];
  const map = createDERPMap({
    regions: new Map([[7n, createDERPMap_Region({ regionId: 7n, nodes })]]),
  });
  const hex = toHex(encodeDERPMap(map));
  assert.ok(hex.endsWith("38ffffffffffffffffff01"), hex);
});

Deno.test("numbers that do not fit are not written", () => {
  for (const preferredDerp of [2 ** 31, -(2 ** 31) - 1, 1.5, NaN]) {
    assert.throws(() => encodeNode(createNode({ preferredDerp })), RangeError);
  }
  for (const id of [2n ** 63n, -(2n ** 63n) - 1n]) {
    assert.throws(() => encodeNode(createNode({ id })), RangeError);
  }
});

Deno.test("what is unknown is passed over, whatever it is (protobuf.dev encoding)", async (t) => {
  const rows: readonly (readonly [name: string, hex: string])[] = [
    ["a field with a varint", "780a"],
    ["a field of 8 bytes", "790102030405060708"],
    ["a field of 4 bytes", "7d01020304"],
    ["a field with a length", "7a0161"],
    ["a group with a group inside", "7b0801837d0a016180017b847d7c"],
    ["the highest field number", "f8ffffff0f01"],
    ["a number where a text is expected", "1005"],
  ];
  for (const [name, hex] of rows) {
    await t.step(name, () => {
      const around = concatBytes(fromHex(hex), fromHex("120178"), fromHex(hex));
      assert.deepEqual(decodeCoordinateResponse(around), { peerUpdates: [], error: "x" });
    });
  }
});

Deno.test("an unknown kind passes", () => {
  assert.equal(decodeCoordinateResponse(fromHex("0a0418634801")).peerUpdates[0]?.kind, 99);
});

Deno.test("of a field that comes twice the last one counts, and of a message both do (protobuf.dev encoding)", () => {
  assert.equal(decodeCoordinateResponse(fromHex("120161120162")).error, "b");
  const twice = decodeNode(fromHex("12020805" + "12021007"));
  assert.deepEqual(twice.asOf, { seconds: 5n, nanos: 7 });
});

Deno.test("numbers are cut off as everybody cuts them off (protobuf.dev encoding)", () => {
  assert.equal(decodeNode(fromHex("28e787808010")).preferredDerp, 999); // 2^32 + 999
  assert.equal(decodeNode(fromHex("08ffffffffffffffffff01")).id, -1n);
  assert.equal(decodeNode(fromHex("28ffffffffffffffffff01")).preferredDerp, -1);
});

Deno.test("bytes that are no message are refused with a ProtobufError", async (t) => {
  const rows: readonly (readonly [name: string, code: string, hex: string])[] = [
    ["a tag without an end", "truncated", "ff"],
    ["a field without its number", "truncated", "10"],
    ["a length past the end", "truncated", "120561"],
    ["a length of 2^32 + 1", "truncated", "12818080801061"],
    ["a length of 2^63", "truncated", "128080808080808080800161"],
    ["a message past the end of the one around it", "truncated", "0a031205611201"],
    ["a number past the end of its message", "truncated", "0a021880120161"],
    ["field number 0", "bad-tag", "0001"],
    ["a field number of 30 bits", "bad-tag", "80808080100a"],
    ["a number of eleven bytes", "bad-varint", "0a0c18ffffffffffffffffffff01"],
    ["a number of 70 bits", "bad-varint", "0a0b18ffffffffffffffffff02"],
    ["wire type 6", "bad-wire-type", "16"],
    ["wire type 7", "bad-wire-type", "17"],
    ["the end of a group that did not begin", "bad-wire-type", "7c"],
    ["a group that ends as another", "bad-wire-type", "7b8401"],
    ["a group without an end", "bad-group", "7b"],
    ["groups inside groups inside groups", "bad-group", "7b".repeat(1_000)],
    ["a text that is not UTF-8", "bad-utf8", "1202c328"],
    ["a text with half of a pair", "bad-utf8", "1203eda080"],
  ];
  for (const [name, code, hex] of rows) {
    await t.step(name, () => {
      assert.throws(() => decodeCoordinateResponse(fromHex(hex)), (error) => {
        assert.ok(error instanceof ProtobufError);
        assert.equal(error.code, code);
        return true;
      });
    });
  }
});

Deno.test("a byte order mark is a part of its text", () => {
  assert.equal(decodeCoordinateResponse(fromHex("1204efbbbf61")).error, "\ufeffa");
});

Deno.test("a name in a map is a name, whatever objects have by that name", () => {
  const name = "__proto__";
  const sent = createNode({ derpLatency: new Map([[name, 1]]) });
  assert.deepEqual([...decodeNode(encodeNode(sent)).derpLatency], [[name, 1]]);
});

Deno.test("a message of more fields than anyone sends is refused before they are made", async (t) => {
  const repeated = (hex: string, count: number): Uint8Array<ArrayBuffer> => {
    const one = fromHex(hex);
    const bytes = new Uint8Array(one.length * count);
    for (let at = 0; at < bytes.length; at += one.length) bytes.set(one, at);
    return bytes;
  };
  /** A region with the given bytes in it. */
  const regionOf = (fields: Uint8Array): Uint8Array => {
    const length = (bytes: number) => {
      const varint: number[] = [];
      for (let rest = bytes; varint.push(rest > 127 ? (rest & 127) | 128 : rest), rest > 127;) {
        rest >>>= 7;
      }
      return Uint8Array.from(varint);
    };
    const value = concatBytes(Uint8Array.of(0x12), length(fields.length), fields);
    return concatBytes(Uint8Array.of(0x12), length(value.length), value);
  };
  const TWO_MILLION = 2_000_000;
  const rows: readonly { readonly name: string; run(): unknown }[] = [
    { name: "empty updates", run: () => decodeCoordinateResponse(repeated("0a00", TWO_MILLION)) },
    { name: "empty relays", run: () => decodeDERPMap(regionOf(repeated("3200", TWO_MILLION))) },
    { name: "empty regions", run: () => decodeDERPMap(repeated("1200", TWO_MILLION)) },
    { name: "empty texts", run: () => decodeNode(repeated("5200", TWO_MILLION)) },
    { name: "unknown fields", run: () => decodeNode(repeated("7800", TWO_MILLION)) },
    { name: "fields of groups", run: () => decodeNode(repeated("7b7c", TWO_MILLION)) },
  ];
  for (const { name, run } of rows) {
    await t.step(name, () => {
      assert.throws(
        run,
        (error) => error instanceof ProtobufError && error.code === "too-many-fields",
      );
    });
  }
  assert.equal(
    decodeCoordinateResponse(repeated("0a00", MAX_FIELDS)).peerUpdates.length,
    MAX_FIELDS,
  );
  assert.throws(() => decodeCoordinateResponse(repeated("0a00", MAX_FIELDS + 1)), ProtobufError);
});

function streamsOf(chunks: readonly Uint8Array[]): Map<number, Uint8Array> {
  const reader = new FrameReader();
  const streams = new Map<number, Uint8Array>();
  let current = 0;
  for (const chunk of chunks) {
    reader.push(chunk);
    for (let piece = reader.next(); piece !== undefined; piece = reader.next()) {
      if (piece.kind === "header") current = piece.header.streamId;
      else {
        const before = streams.get(current) ?? new Uint8Array(0);
        streams.set(current, concatBytes(before, piece.bytes));
      }
    }
  }
  return streams;
}

function messagesOf(bytes: Uint8Array): Uint8Array[] {
  const reader = new PacketReader();
  reader.handleBytes(bytes);
  const messages: Uint8Array[] = [];
  for (let p = reader.pollPacket(); p !== undefined; p = reader.pollPacket()) {
    if (p.kind === PacketKind.message) messages.push(p.data);
  }
  return messages;
}
