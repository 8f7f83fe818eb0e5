/**
 * Replays what the Go peer said and was told (`tests/fixtures/go-peer/`, made by `tests/interop/record.ts`): whatever was on
 * the wire is taken apart layer by layer and written again, byte for byte.
 */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { ByteReader, concatBytes, fromHex, toHex } from "../lib/base/bytes.ts";
import { encodeFrame as encodeDerpFrame, FrameType, MAX_FRAME_BYTES } from "../lib/derp/frame.ts";
import { DerpFrameReader } from "../lib/derp/frame_reader.ts";
import { PacketKind } from "../lib/drpc/frame.ts";
import { encodePacket, type Packet, PacketReader } from "../lib/drpc/packet.ts";
import { WebsocketConnection } from "../lib/websocket/connection.ts";
import { encodeFrame, Opcode, type Role } from "../lib/websocket/frame.ts";
import { encodeLatin1 } from "../lib/http1/headers.ts";
import { HttpUpgradeServer } from "../lib/websocket/upgrade_server.ts";
import { messageTypeOf } from "../lib/wireguard/mod.ts";
import { HEADER_BYTES, writeHeader } from "../lib/yamux/frame.ts";
import { FrameReader as YamuxFrameReader } from "../lib/yamux/frame_reader.ts";
import { SeededRandom } from "./support/seeded_random.ts";
import { splitAnyhow } from "./support/split.ts";
import { type Codec, CODECS, referenceOf } from "./support/tailnet_codecs.ts";

const FIXTURES = new URL("fixtures/go-peer/", import.meta.url);
const DIRECTIONS = [">", "<"] as const;
type Direction = typeof DIRECTIONS[number];

/** Messages of a call, by its name. */
const MESSAGES: Readonly<Record<string, Readonly<Record<Direction, Codec>>>> = {
  "/coder.tailnet.v2.Tailnet/Coordinate": {
    ">": CODECS.CoordinateRequest,
    "<": CODECS.CoordinateResponse,
  },
  "/coder.tailnet.v2.Tailnet/StreamDERPMaps": {
    ">": CODECS.StreamDERPMapsRequest,
    "<": CODECS.DERPMap,
  },
  "/coder.tailnet.v2.Tailnet/RefreshResumeToken": {
    ">": CODECS.RefreshResumeTokenRequest,
    "<": CODECS.RefreshResumeTokenResponse,
  },
};

interface Recording {
  readonly head: string;
  /** What followed the head. */
  readonly body: Uint8Array<ArrayBuffer>;
}

function read(name: string): Record<Direction, Recording> {
  const [, ...lines] = Deno.readTextFileSync(new URL(name, FIXTURES)).trim().split("\n");
  const pieces: { dir: Direction; hex: string }[] = lines.map((line) => JSON.parse(line));
  const recordingOf = (dir: Direction): Recording => {
    const bytes = fromHex(pieces.filter((piece) => piece.dir === dir).map((p) => p.hex).join(""));
    const text = new TextDecoder("latin1").decode(bytes);
    const end = text.indexOf("\r\n\r\n") + 4;
    return { head: text.slice(0, end), body: bytes.slice(end) };
  };
  return { ">": recordingOf(">"), "<": recordingOf("<") };
}

/** Takes websocket frames apart, writes each again, and reads them in any cut; the data in them. */
function replayWebsocket(bytes: Uint8Array<ArrayBuffer>, role: Role): Uint8Array<ArrayBuffer> {
  const random = new SeededRandom(bytes.length);
  const reader = new ByteReader(bytes);
  const data: Uint8Array[] = [];
  while (reader.remaining > 0) {
    const start = reader.offset;
    const first = reader.u8();
    const second = reader.u8();
    const short = second & 0x7f;
    const length = short === 126 ? reader.u16be() : short === 127 ? Number(reader.u64be()) : short;
    const maskKey = (second & 0x80) === 0 ? 0 : reader.u32be();
    const mask = [maskKey >>> 24, maskKey >>> 16 & 255, maskKey >>> 8 & 255, maskKey & 255];
    const payload = reader.copy(length).map((byte, i) => byte ^ (mask[i % 4] ?? 0));
    const opcode = Object.values(Opcode).find((value) => value === (first & 0x0f));
    ok(opcode !== undefined);
    const isFinal = (first & 0x80) !== 0;
    const again = encodeFrame({ role, random, maskKey, opcode, isFinal }, payload);
    strictEqual(toHex(again), toHex(bytes.subarray(start, reader.offset)));
    if (opcode === Opcode.binary || opcode === Opcode.continuation) data.push(payload);
  }
  const joined = concatBytes(...data);
  const connection = new WebsocketConnection({
    role: role === "client" ? "server" : "client",
    random,
    stream: true,
  });
  const received: Uint8Array[] = [];
  for (const chunk of splitAnyhow(bytes, random)) {
    connection.handleBytes(chunk);
    for (let m = connection.pollMessage(); m; m = connection.pollMessage()) {
      if (m.kind === "binary") received.push(m.bytes.slice());
    }
  }
  strictEqual(toHex(concatBytes(...received)), toHex(joined));
  return joined;
}

function replayUpgrade(recording: Record<Direction, Recording>): void {
  const request = new HttpUpgradeServer().handleBytes(encodeLatin1(recording[">"].head));
  ok(request?.upgrade === "websocket");
  const server = new HttpUpgradeServer();
  server.handleBytes(encodeLatin1(recording[">"].head));
  const ours = new TextDecoder().decode(server.accept());
  const accept = /Sec-WebSocket-Accept: (\S+)/i;
  strictEqual(accept.exec(ours)?.[1], accept.exec(recording["<"].head)?.[1]);
}

/** Takes DERP frames apart in any cut and writes them again; types, and those of the WireGuard messages inside. */
function replayDerp(bytes: Uint8Array): { types: Set<number>; wireguard: Set<number> } {
  const random = new SeededRandom(bytes.length);
  const reader = new DerpFrameReader({ limit: () => MAX_FRAME_BYTES, maxSkippedBytes: 0 });
  const types = new Set<number>();
  const wireguard = new Set<number>();
  const again: Uint8Array[] = [];
  for (const chunk of splitAnyhow(bytes, random)) {
    reader.handleBytes(chunk);
    while (reader.next()) {
      const payload = reader.payload().slice();
      again.push(encodeDerpFrame(reader.type, payload));
      types.add(reader.type);
      if (reader.type !== FrameType.sendPacket && reader.type !== FrameType.recvPacket) continue;
      const message = messageTypeOf(payload.subarray(32));
      if (message !== undefined) wireguard.add(message);
    }
  }
  strictEqual(toHex(concatBytes(...again)), toHex(bytes));
  return { types, wireguard };
}

function expectDerp(sent: Uint8Array, received: Uint8Array): void {
  const up = replayDerp(sent);
  const down = replayDerp(received);
  ok(up.types.has(FrameType.clientInfo) && up.types.has(FrameType.sendPacket));
  ok(down.types.has(FrameType.serverInfo) && down.types.has(FrameType.recvPacket));
  // Initiation, response and data, whoever began.
  deepStrictEqual([...new Set([...up.wireguard, ...down.wireguard])].sort(), [1, 2, 4]);
}

/** Takes yamux frames apart in any cut and writes them again; the bytes of each stream. */
function replayYamux(bytes: Uint8Array): Map<number, Uint8Array> {
  const random = new SeededRandom(bytes.length);
  const reader = new YamuxFrameReader();
  const streams = new Map<number, Uint8Array>();
  const again: Uint8Array[] = [];
  let current = 0;
  for (const chunk of splitAnyhow(bytes, random)) {
    reader.push(chunk);
    for (let piece = reader.next(); piece !== undefined; piece = reader.next()) {
      if (piece.kind === "header") {
        current = piece.header.streamId;
        const header = new Uint8Array(HEADER_BYTES);
        writeHeader(header, 0, piece.header);
        again.push(header);
      } else {
        again.push(piece.bytes.slice());
        const before = streams.get(current) ?? new Uint8Array(0);
        streams.set(current, concatBytes(before, piece.bytes));
      }
    }
  }
  strictEqual(toHex(concatBytes(...again)), toHex(bytes));
  return streams;
}

function replayDrpc(bytes: Uint8Array): Packet[] {
  const reader = new PacketReader();
  const packets: Packet[] = [];
  for (const chunk of splitAnyhow(bytes, new SeededRandom(bytes.length))) {
    reader.handleBytes(chunk);
    for (let p = reader.pollPacket(); p !== undefined; p = reader.pollPacket()) packets.push(p);
  }
  strictEqual(toHex(concatBytes(...packets.map(encodePacket))), toHex(bytes));
  return packets;
}

/** All layers of a coordinator's websocket; how many messages of which call went each way. */
function replayCoordinator(name: string): Record<string, number> {
  const recording = read(name);
  replayUpgrade(recording);
  const counts: Record<string, number> = {};
  const calls = new Map<number, string>();
  for (const dir of DIRECTIONS) {
    const data = replayWebsocket(recording[dir].body, dir === ">" ? "client" : "server");
    for (const [streamId, bytes] of replayYamux(data)) {
      for (const packet of replayDrpc(bytes)) {
        if (packet.kind === PacketKind.invoke) {
          calls.set(streamId, new TextDecoder().decode(packet.data));
        }
        if (packet.kind !== PacketKind.message) continue;
        const call = calls.get(streamId) ?? "";
        const codec = MESSAGES[call]?.[dir];
        ok(codec !== undefined, `Unknown call "${call}"`);
        const reference = referenceOf(codec);
        ok(reference.knowsAll(packet.data), codec.name);
        deepStrictEqual(codec.decode(packet.data), reference.decode(packet.data), codec.name);
        strictEqual(toHex(codec.again(packet.data)), toHex(packet.data), codec.name);
        const key = `${call.split("/").at(-1)} ${dir}`;
        counts[key] = (counts[key] ?? 0) + 1;
      }
    }
  }
  return counts;
}

Deno.test("the Go peer's DERP frames, upgraded, are read and written byte for byte", () => {
  const recording = read("derp_upgrade.jsonl");
  ok(/^Upgrade: DERP\r$/m.test(recording[">"].head));
  expectDerp(recording[">"].body, recording["<"].body);
});

Deno.test("the Go peer's DERP frames in websockets are read and written byte for byte", () => {
  const recording = read("derp_websocket.jsonl");
  replayUpgrade(recording);
  expectDerp(
    replayWebsocket(recording[">"].body, "client"),
    replayWebsocket(recording["<"].body, "server"),
  );
});

Deno.test("the Go peer's coordination is read and written byte for byte, layer by layer", () => {
  const counts = replayCoordinator("coordinate.jsonl");
  deepStrictEqual(Object.keys(counts).sort(), ["Coordinate <", "Coordinate >"]);
  ok((counts["Coordinate <"] ?? 0) >= 2, "The agent's restart is not in it");
});

Deno.test("the Go coordinator's answers to us are read and written byte for byte", () => {
  const counts = replayCoordinator("coordinate_hawser.jsonl");
  deepStrictEqual(Object.keys(counts).sort(), [
    ...["Coordinate <", "Coordinate >", "RefreshResumeToken <", "RefreshResumeToken >"],
    ...["StreamDERPMaps <", "StreamDERPMaps >"],
  ]);
});
