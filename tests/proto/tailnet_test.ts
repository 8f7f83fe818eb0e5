import assert from "node:assert/strict";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { DescMessage, Message } from "@bufbuild/protobuf";
import { concatBytes, fromHex, toHex } from "../../lib/base/bytes.ts";
import { PacketKind } from "../../lib/drpc/frame.ts";
import { PacketReader } from "../../lib/drpc/packet.ts";
import {
  CoordinateRequestSchema,
  CoordinateResponseSchema,
  DERPMapSchema,
  RefreshResumeTokenRequestSchema,
  RefreshResumeTokenResponseSchema,
  StreamDERPMapsRequestSchema,
} from "../../lib/proto/tailnet_pb.ts";
import { FrameReader } from "../../lib/yamux/frame_reader.ts";
import { binaryPayloads, captureTest, parseWire } from "../support/captures.ts";

const SCHEMAS: Readonly<Record<number, { readonly ">": DescMessage; readonly "<": DescMessage }>> =
  {
    1: { ">": CoordinateRequestSchema, "<": CoordinateResponseSchema },
    3: { ">": StreamDERPMapsRequestSchema, "<": DERPMapSchema },
    5: { ">": RefreshResumeTokenRequestSchema, "<": RefreshResumeTokenResponseSchema },
  };

captureTest(
  "captured messages decode without unknown fields, and again from what they encode to",
  "coder-v2.36.0/wire/coordinate-v2.jsonl",
  (text) => {
    let count = 0;
    for (const dir of [">", "<"] as const) {
      for (const [streamId, bytes] of streamsOf(binaryPayloads(parseWire(text), dir))) {
        const schema = SCHEMAS[streamId]?.[dir];
        if (schema === undefined) continue; // telemetry, which we do not speak
        for (const data of messagesOf(bytes)) {
          count++;
          const message: Message = fromBinary(schema, data);
          assert.equal(message.$unknown, undefined, schema.typeName);
          const again: Message = fromBinary(schema, toBinary(schema, message));
          assert.deepEqual(again, message);
        }
      }
    }
    assert.equal(count, 9);
  },
);

Deno.test("requests have the bytes of the dossier (control plane §5.6, §6.2)", () => {
  const id = fromHex("3a5b2a46b6af43658859479cedf5c885");
  const request = (init: Parameters<typeof create<typeof CoordinateRequestSchema>>[1]) =>
    toHex(toBinary(CoordinateRequestSchema, create(CoordinateRequestSchema, init)));
  assert.equal(request({ addTunnel: { id } }), `1a120a10${toHex(id)}`);
  assert.equal(request({ removeTunnel: { id } }), `22120a10${toHex(id)}`);
  assert.equal(request({ readyForHandshake: [{ id }] }), `2a120a10${toHex(id)}`);
  assert.equal(request({ disconnect: {} }), "1200");
});

Deno.test("a negative port is a varint of ten bytes (control plane §6.2)", () => {
  const map = create(DERPMapSchema, {
    regions: { "7": { regionId: 7n, nodes: [{ stunPort: -1 }] } },
  });
  const hex = toHex(toBinary(DERPMapSchema, map));
  assert.ok(hex.endsWith("38ffffffffffffffffff01"), hex);
});

Deno.test("unknown fields and kinds pass", () => {
  const response = fromBinary(CoordinateResponseSchema, fromHex("0a0418634801" + "7a0161"));
  assert.equal(response.peerUpdates[0]?.kind, 99);
});

function streamsOf(chunks: readonly Uint8Array[]): Map<number, Uint8Array> {
  const reader = new FrameReader();
  const streams = new Map<number, Uint8Array>();
  let current = 0;
  for (const chunk of chunks) {
    reader.push(chunk);
    for (let piece = reader.next(); piece !== undefined; piece = reader.next()) {
      if (piece.kind === "header") current = piece.header.streamId;
      else {streams.set(
          current,
          concatBytes(streams.get(current) ?? new Uint8Array(0), piece.bytes),
        );}
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
