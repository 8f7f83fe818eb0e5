/** Replays relay connections of real deployments: every frame is cut out and written again, byte for byte. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { concatBytes, fromHex, toHex } from "../../lib/base/bytes.ts";
import { DerpClient } from "../../lib/derp/client.ts";
import { encodeFrame, FrameType, MAX_FRAME_BYTES } from "../../lib/derp/frame.ts";
import { DerpFrameReader } from "../../lib/derp/frame_reader.ts";
import { decodeClientKey, decodeServerKey, encodeServerKey } from "../../lib/derp/login.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import {
  type Capture,
  type CaptureLine,
  NO_CAPTURES,
  readCaptures,
} from "../websocket/captures.ts";
import { splitAnyhow } from "../support/split.ts";
import { drainEvents, sendPacketFrame, VECTOR_RANDOM } from "./support.ts";
import { PRIVATE_KEY_A, PUBLIC_KEY_A } from "./vectors.ts";

const upgrades = readCaptures((lines) => lines.some((line) => line.type !== undefined));
const websockets = readCaptures((lines) =>
  (lines[0]?.http ?? "").startsWith("GET /derp HTTP") &&
  lines.some((line) => line.opcode !== undefined)
);
const count = upgrades.length + websockets.length;
const name = count === 0 ? NO_CAPTURES : `${count} captures`;

/** The DERP bytes of one direction. */
function bytesOf(capture: Capture, dir: CaptureLine["dir"]): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const line of capture.lines) {
    if (line.dir !== dir) continue;
    const payload = fromHex(line.hex ?? "");
    if (line.type !== undefined) {
      strictEqual(line.len, payload.length);
      parts.push(encodeFrame(line.type, payload));
    } else if (line.opcode === 2) parts.push(payload);
  }
  return concatBytes(...parts);
}

interface Frame {
  readonly type: number;
  readonly payload: Uint8Array;
}

function framesOf(bytes: Uint8Array, random: SeededRandom): Frame[] {
  const reader = new DerpFrameReader({ limit: () => MAX_FRAME_BYTES, maxSkippedBytes: 0 });
  const frames: Frame[] = [];
  for (const chunk of splitAnyhow(bytes, random)) {
    reader.handleBytes(chunk);
    while (reader.next()) frames.push({ type: reader.type, payload: reader.payload().slice() });
  }
  return frames;
}

Deno.test(`Frames of real relays are read and written byte for byte (${name})`, async (t) => {
  const random = new SeededRandom(12);
  for (const capture of [...upgrades, ...websockets]) {
    await t.step(capture.name, () => {
      const sent = framesOf(bytesOf(capture, ">"), random);
      const received = framesOf(bytesOf(capture, "<"), random);
      strictEqual(toHex(concatBytes(...sent.map(encode))), toHex(bytesOf(capture, ">")));
      strictEqual(toHex(concatBytes(...received.map(encode))), toHex(bytesOf(capture, "<")));
      strictEqual(sent[0]?.type, FrameType.clientInfo);
      strictEqual(decodeClientKey(sent[0].payload).length, 32);
    });
  }
});

/** Through our own writers where there is one for the type. */
function encode(frame: Frame): Uint8Array {
  const { type, payload } = frame;
  if (type === FrameType.serverKey) return encodeServerKey(decodeServerKey(payload));
  if (type === FrameType.sendPacket) {
    return sendPacketFrame(payload.subarray(0, 32), payload.subarray(32));
  }
  return encodeFrame(type, payload);
}

Deno.test(`DerpClient follows what real relays sent (${name})`, async (t) => {
  const random = new SeededRandom(13);
  for (const capture of [...upgrades, ...websockets]) {
    await t.step(capture.name, () => {
      const frames = framesOf(bytesOf(capture, "<"), random);
      // Its box is for a key that is gone.
      const readable = frames.filter(({ type }) => type !== FrameType.serverInfo);
      const client = new DerpClient({
        privateKey: PRIVATE_KEY_A,
        publicKey: PUBLIC_KEY_A,
        random: VECTOR_RANDOM,
      });
      const seen: string[] = [];
      for (const chunk of splitAnyhow(concatBytes(...readable.map(encode)), random)) {
        client.handleBytes(chunk, 0);
        for (const event of drainEvents(client)) {
          if (event.kind === "packet") seen.push(toHex(event.source) + toHex(event.packet));
          else seen.push(event.kind);
        }
      }
      ok(client.canSend);
      deepStrictEqual(seen, readable.map(expectedOf));
    });
  }
});

/** What the client says of a frame: packets as they are, of others the kind. */
function expectedOf({ type, payload }: Frame): string {
  if (type === FrameType.serverKey) return "introduced";
  return type === FrameType.peerGone ? "peerGone" : toHex(payload);
}
