/** Websocket framing at 64 KB a message: one iteration is 64 MB, so that 64 ms mean 1 GB/s. */
import { WebsocketConnection } from "../../lib/websocket/connection.ts";
import {
  encodeFrame,
  frameInPlace,
  MAX_HEADER_BYTES,
  type Role,
} from "../../lib/websocket/frame.ts";
import { applyMask } from "../../lib/websocket/mask.ts";
import { SeededRandom } from "../support/seeded_random.ts";

const MESSAGE_BYTES = 64_000;
const MESSAGES = 1000;
const random = new SeededRandom(1);
const buffer = new Uint8Array(MAX_HEADER_BYTES + MESSAGE_BYTES);

for (const role of ["client", "server"] satisfies Role[]) {
  Deno.bench(`64 MB: frameInPlace as ${role}`, { group: "write" }, () => {
    const options = { role, random };
    for (let i = 0; i < MESSAGES; i++) {
      frameInPlace(options, buffer, MAX_HEADER_BYTES, buffer.length);
    }
  });
}

Deno.bench("64 MB: mask by words, misaligned", { group: "mask" }, () => {
  for (let i = 0; i < MESSAGES; i++) {
    applyMask(buffer, 1, buffer.length, { key: 0x12345678, phase: 3 });
  }
});

Deno.bench("64 MB: mask by bytes, the plain way", { group: "mask" }, () => {
  const mask = [0x12, 0x34, 0x56, 0x78];
  for (let i = 0; i < MESSAGES; i++) {
    for (let at = 1; at < buffer.length; at++) {
      buffer[at] = (buffer[at] ?? 0) ^ (mask[(at + 2) & 3] ?? 0);
    }
  }
});

for (const [name, payloadBytes] of [["64 KB", MESSAGE_BYTES], ["1.3 KB", 1337]] as const) {
  for (const role of ["client", "server"] satisfies Role[]) {
    for (const stream of [true, false]) {
      const how = stream ? "streamed" : "whole";
      Deno.bench(`64 MB: read ${name} messages as ${role}, ${how}`, { group: "read" }, () => {
        const connection = new WebsocketConnection({ role, random, stream });
        const peer: Role = role === "client" ? "server" : "client";
        // The mask is not undone between rounds, which the reader cannot tell: payload is payload.
        const message = encodeFrame({ role: peer, random }, new Uint8Array(payloadBytes));
        const perChunk = Math.max(1, Math.floor(65_536 / message.length));
        const chunk = new Uint8Array(perChunk * message.length);
        for (let i = 0; i < perChunk; i++) chunk.set(message, i * message.length);
        let bytes = 0;
        while (bytes < MESSAGE_BYTES * MESSAGES) {
          connection.handleBytes(chunk);
          for (let m = connection.pollMessage(); m; m = connection.pollMessage()) {
            if (m.kind === "binary") bytes += m.bytes.length;
          }
        }
      });
    }
  }
}
