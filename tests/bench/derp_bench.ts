/**
 * DERP at 1.3 KB a packet in 64 KB chunks: one iteration is 64 MB, so that 64 ms mean 1 GB/s.
 */
import { concatBytes, fromHex } from "../../lib/base/bytes.ts";
import { encodeFrame, FrameType } from "../../lib/derp/frame.ts";
import { DerpSwitchboard } from "../../lib/derp/switchboard.ts";
import { clientA, drainConnection, sendPacketFrame, VECTOR_RANDOM } from "../derp/support.ts";
import {
  CLIENT_INFO_FRAME,
  PRIVATE_KEY_B,
  PUBLIC_KEY_A,
  PUBLIC_KEY_B,
  SERVER_INFO_FRAME,
  SERVER_KEY_FRAME,
} from "../derp/vectors.ts";

const CHUNK_BYTES = 65_536;
const STREAM_BYTES = 64_000_000;
const SOURCE = new Uint8Array(32).fill(9);

/** Chunks of a stream of frames, whole frames anywhere: the pattern repeats after `frame.length` chunks. */
function chunksOf(frame: Uint8Array): Uint8Array[] {
  const chunkCount = Math.min(frame.length, 64);
  const stream = concatBytes(
    ...new Array<Uint8Array>(Math.ceil(chunkCount * CHUNK_BYTES / frame.length)).fill(frame),
  );
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < stream.length; at += CHUNK_BYTES) {
    chunks.push(stream.slice(at, at + CHUNK_BYTES));
  }
  return chunks;
}

Deno.bench("64 MB: DerpClient hands out packets", { group: "receive" }, () => {
  const client = clientA();
  client.handleBytes(fromHex(SERVER_KEY_FRAME + SERVER_INFO_FRAME), 0);
  while (client.pollEvent() !== undefined);
  const chunks = RECEIVED;
  let packets = 0;
  for (let bytes = 0; bytes < STREAM_BYTES;) {
    for (const chunk of chunks) {
      client.handleBytes(chunk, 0);
      for (let e = client.pollEvent(); e; e = client.pollEvent()) packets++;
      bytes += chunk.length;
    }
  }
  if (packets < STREAM_BYTES / 1400) throw new Error(`${packets} packets`);
});

Deno.bench("64 MB: a copy of each packet, the plain way", { group: "receive" }, () => {
  let packets = 0;
  let pending = new Uint8Array(0);
  for (let bytes = 0; bytes < STREAM_BYTES;) {
    for (const chunk of RECEIVED) {
      pending = concatBytes(pending, chunk);
      let at = 0;
      while (pending.length - at >= 5) {
        const view = new DataView(pending.buffer, at);
        const end = at + 5 + view.getUint32(1);
        if (end > pending.length) break;
        const event = {
          source: pending.slice(at + 5, at + 37),
          packet: pending.slice(at + 37, end),
        };
        if (event.packet.length > 0) packets++;
        at = end;
      }
      pending = pending.slice(at);
      bytes += chunk.length;
    }
  }
  if (packets < STREAM_BYTES / 1400) throw new Error(`${packets} packets`);
});

const RECEIVED = chunksOf(encodeFrame(FrameType.recvPacket, SOURCE, new Uint8Array(1300)));
const SENT = chunksOf(sendPacketFrame(PUBLIC_KEY_A, new Uint8Array(1300)));

Deno.bench("64 MB: DerpSwitchboard relays to the sender itself", { group: "relay" }, () => {
  const board = new DerpSwitchboard({
    privateKey: PRIVATE_KEY_B,
    publicKey: PUBLIC_KEY_B,
    random: VECTOR_RANDOM,
  });
  const connection = board.connect(0);
  board.handleBytes(connection, fromHex(CLIENT_INFO_FRAME), 0);
  drainConnection(connection);
  const into = new Uint8Array(131_072);
  let bytesOut = 0;
  for (let bytes = 0; bytes < STREAM_BYTES;) {
    for (const chunk of SENT) {
      board.handleBytes(connection, chunk, 0);
      while (board.pollReady() !== undefined) {
        for (let n = connection.pollTransmit(into); n > 0; n = connection.pollTransmit(into)) {
          bytesOut += n;
        }
      }
      bytes += chunk.length;
    }
  }
  if (bytesOut < STREAM_BYTES * 0.99) throw new Error(`${bytesOut} bytes`);
});
