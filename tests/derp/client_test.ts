/** The client core by itself: what leaves it, and when. */
import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { concatBytes, fromHex, toHex } from "../../lib/base/bytes.ts";
import { type BoxKey, precomputeBox } from "../../lib/crypto/box.ts";
import { MAX_QUEUED_PONGS } from "../../lib/derp/client.ts";
import { DerpError } from "../../lib/derp/errors.ts";
import { encodeFrame, FrameType } from "../../lib/derp/frame.ts";
import { DOUBT_MS, PONG_LIMIT_MS, SILENCE_MS } from "../../lib/derp/liveness.ts";
import { encodeServerInfo } from "../../lib/derp/login.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { splitAnyhow, splitToBytes } from "../support/split.ts";
import { clientA, drainEvents, eventsOf, sentBy, VECTOR_RANDOM } from "./support.ts";
import {
  CLIENT_INFO_FRAME,
  PRIVATE_KEY_B,
  PUBLIC_KEY_A,
  PUBLIC_KEY_B,
  SERVER_INFO_FRAME,
  SERVER_KEY_FRAME,
} from "./vectors.ts";

const NOTE_HOME = "070000000101";
const SOURCE = new Uint8Array(32).fill(9);
const PING_DATA = new Uint8Array(8).fill(4); // what VECTOR_RANDOM draws
const PING = toHex(encodeFrame(FrameType.ping, PING_DATA));
const PONG = encodeFrame(FrameType.pong, PING_DATA);
const KEEP_ALIVE = encodeFrame(FrameType.keepAlive);

/** A client that is logged in at instant 0, its output drained. */
function readyClient() {
  const client = clientA();
  eventsOf(client, fromHex(SERVER_KEY_FRAME + SERVER_INFO_FRAME));
  sentBy(client);
  return client;
}

Deno.test("DerpClient logs in without waiting for the server's info", () => {
  const client = clientA();
  let isHome = true;
  client.notePreferred(isHome);
  ok(!client.canSend);
  deepStrictEqual(sentBy(client), []);
  deepStrictEqual(eventsOf(client, fromHex(SERVER_KEY_FRAME)), [{ kind: "introduced" }]);
  ok(client.canSend);
  deepStrictEqual(sentBy(client), [CLIENT_INFO_FRAME, NOTE_HOME]);
  deepStrictEqual(eventsOf(client, fromHex(SERVER_INFO_FRAME)), [
    { kind: "ready", info: { version: 2 }, serverPublicKey: PUBLIC_KEY_B.slice() },
  ]);
  isHome = false;
  client.notePreferred(isHome);
  deepStrictEqual(sentBy(client), ["070000000100"]);
});

Deno.test("DerpClient refuses a stream that is no relay's", async (t) => {
  const rows: { name: string; in: string }[] = [
    { name: "HTTP", in: toHex(new TextEncoder().encode("HTTP/1.1 200 OK\r\n")) },
    { name: "packet first", in: "0500000020" + "00".repeat(32) },
    { name: "server info first", in: SERVER_INFO_FRAME },
    { name: "ping first", in: "12000000080102030405060708" },
    { name: "long server key", in: "0100000401" },
    { name: "wrong magic", in: SERVER_KEY_FRAME.replace("44455250", "44455251") },
    { name: "server key of small order", in: SERVER_KEY_FRAME.slice(0, 26) + "00".repeat(32) },
    { name: "frame over 1 MiB", in: SERVER_KEY_FRAME + "0500100001" },
    { name: "unknown frame over 1 MiB", in: SERVER_KEY_FRAME + "7700100001" },
    { name: "wrong server info", in: SERVER_KEY_FRAME + SERVER_INFO_FRAME.slice(0, -2) + "00" },
  ];
  for (const row of rows) {
    await t.step(row.name, () => {
      throws(() => eventsOf(clientA(), fromHex(row.in)), DerpError);
      throws(() => {
        const client = clientA();
        for (const byte of splitToBytes(fromHex(row.in))) eventsOf(client, byte);
      }, DerpError);
    });
  }
});

Deno.test("DerpClient tells of everything a relay may say", async (t) => {
  const packet = fromHex("0102030405");
  const rows: { name: string; in: Uint8Array; out: unknown[] }[] = [
    {
      name: "packet",
      in: encodeFrame(FrameType.recvPacket, SOURCE, packet),
      out: [{ kind: "packet", source: SOURCE, packet }],
    },
    {
      name: "empty packet",
      in: encodeFrame(FrameType.recvPacket, SOURCE),
      out: [{ kind: "packet", source: SOURCE, packet: new Uint8Array(0) }],
    },
    { name: "short packet", in: encodeFrame(FrameType.recvPacket, packet), out: [] },
    { name: "keepalive", in: KEEP_ALIVE, out: [] },
    {
      name: "peer gone without reason, as v0.24 sends it",
      in: encodeFrame(FrameType.peerGone, SOURCE),
      out: [{ kind: "peerGone", peer: SOURCE, reason: "disconnected" }],
    },
    {
      name: "peer not here",
      in: encodeFrame(FrameType.peerGone, SOURCE, Uint8Array.of(1)),
      out: [{ kind: "peerGone", peer: SOURCE, reason: "not-here" }],
    },
    { name: "short peer gone", in: encodeFrame(FrameType.peerGone, packet), out: [] },
    {
      name: "health",
      in: encodeFrame(FrameType.health, new TextEncoder().encode("duplicate key")),
      out: [{ kind: "health", problem: "duplicate key" }],
    },
    {
      name: "restarting",
      in: encodeFrame(FrameType.restarting, fromHex("000003e800007530")),
      out: [{ kind: "restarting", reconnectInMs: 1000, tryForMs: 30_000 }],
    },
    { name: "short restarting", in: encodeFrame(FrameType.restarting, packet), out: [] },
    { name: "peer present", in: encodeFrame(FrameType.peerPresent, SOURCE), out: [] },
    { name: "unknown type", in: encodeFrame(0x77, new Uint8Array(100_000)), out: [] },
    { name: "second greeting", in: fromHex(SERVER_KEY_FRAME), out: [] },
    { name: "pong to nothing", in: PONG, out: [] },
  ];
  for (const row of rows) {
    await t.step(row.name, () => {
      deepStrictEqual(eventsOf(readyClient(), row.in), row.out);
      const client = readyClient();
      const events = splitAnyhow(row.in, new SeededRandom(1)).flatMap((c) => eventsOf(client, c));
      deepStrictEqual(events, row.out);
      deepStrictEqual(sentBy(client), []);
    });
  }
});

Deno.test("DerpClient hands out packets as views of the chunk, the source as one lasting array", () => {
  const client = readyClient();
  const other = new Uint8Array(32).fill(8);
  const chunk = concatBytes(
    encodeFrame(FrameType.recvPacket, SOURCE, fromHex("01")),
    encodeFrame(FrameType.recvPacket, SOURCE, fromHex("02")),
    encodeFrame(FrameType.recvPacket, other, fromHex("03")),
  );
  client.handleBytes(chunk, 0);
  const seen: { source: Uint8Array; buffer: ArrayBufferLike }[] = [];
  for (let e = client.pollEvent(); e; e = client.pollEvent()) {
    ok(e.kind === "packet");
    seen.push({ source: e.source, buffer: e.packet.buffer });
  }
  ok(seen.every(({ buffer }) => buffer === chunk.buffer));
  strictEqual(seen[0]?.source, seen[1]?.source);
  deepStrictEqual(seen.map(({ source }) => source[0]), [9, 9, 8]);
});

Deno.test("DerpClient answers pings, but not without bound", () => {
  const client = readyClient();
  const ping = fromHex("1200000009" + "0102030405060708" + "ff");
  eventsOf(client, ping);
  deepStrictEqual(sentBy(client), ["13000000080102030405060708"]);
  eventsOf(client, concatBytes(...new Array<Uint8Array>(1000).fill(ping)));
  strictEqual(sentBy(client).length, MAX_QUEUED_PONGS);
  eventsOf(client, fromHex("120000000101"));
  deepStrictEqual(sentBy(client), []);
});

Deno.test("DerpClient pings after 25 s of silence, and any byte answers", () => {
  const client = readyClient();
  strictEqual(client.pollTimeout(), SILENCE_MS);
  client.handleTimeout(SILENCE_MS - 1);
  deepStrictEqual(sentBy(client), []);
  client.handleTimeout(SILENCE_MS);
  deepStrictEqual(sentBy(client), [PING]);
  strictEqual(client.pollTimeout(), SILENCE_MS + DOUBT_MS);
  eventsOf(client, KEEP_ALIVE, 30_000);
  strictEqual(client.pollTimeout(), 30_000 + SILENCE_MS);
  deepStrictEqual(eventsOf(client, PONG, 30_001), [{ kind: "pong", roundTripMs: 5_001 }]);
});

Deno.test("DerpClient is dead 10 s after an unanswered ping", () => {
  const client = readyClient();
  client.handleTimeout(SILENCE_MS);
  client.handleTimeout(SILENCE_MS + PONG_LIMIT_MS);
  deepStrictEqual(drainEvents(client), [{ kind: "dead" }]);
  strictEqual(client.pollTimeout(), undefined);
  ok(!client.canSend);
  deepStrictEqual(eventsOf(client, encodeFrame(FrameType.recvPacket, SOURCE), 36_000), []);
});

Deno.test("DerpClient is dead when the greeting stops halfway", () => {
  const client = clientA();
  eventsOf(client, fromHex(SERVER_KEY_FRAME).subarray(0, 20));
  client.handleTimeout(SILENCE_MS);
  deepStrictEqual(drainEvents(client), [{ kind: "dead" }]);
  deepStrictEqual(sentBy(client), []);
});

Deno.test("DerpClient pings two seconds after something was sent and nothing came, and doubts the relay a second later", () => {
  const client = readyClient();
  client.allowSend(100, 1_000);
  client.allowSend(100, 2_500); // not anew with each packet
  client.handleTimeout(2_999);
  deepStrictEqual(sentBy(client), []);
  client.handleTimeout(3_000);
  deepStrictEqual(sentBy(client), [PING]);
  client.handleTimeout(3_999);
  ok(!client.isDoubted);
  client.handleTimeout(4_000);
  ok(client.isDoubted);
  eventsOf(client, KEEP_ALIVE, 9_000);
  ok(!client.isDoubted);
  client.handleTimeout(13_500);
  deepStrictEqual(drainEvents(client), []);
});

Deno.test("DerpClient pings nobody while what is sent is followed by what comes", () => {
  const client = readyClient();
  for (let at = 0; at < 20_000; at += 500) {
    client.allowSend(100, at);
    eventsOf(client, KEEP_ALIVE, at + 400);
    client.handleTimeout(at + 450);
  }
  deepStrictEqual(sentBy(client), []);
});

Deno.test("DerpClient that is asked for doubt is doubted until the pong comes, whatever else does", () => {
  const client = readyClient();
  client.ping(100, { doubtMs: 0 });
  ok(client.isDoubted);
  eventsOf(client, KEEP_ALIVE, 200);
  ok(client.isDoubted);
  eventsOf(client, PONG, 300);
  ok(!client.isDoubted);
});

Deno.test("DerpClient.ping() counts nothing but the pong", () => {
  const client = readyClient();
  client.ping(100, { limitMs: 3_000 });
  deepStrictEqual(sentBy(client), [PING]);
  eventsOf(client, KEEP_ALIVE, 200); // may have been in the pipe before a sleep
  client.ping(2_000, { limitMs: 3_000 }); // does not put the limit off
  client.handleTimeout(3_099);
  deepStrictEqual(drainEvents(client), []);
  deepStrictEqual(eventsOf(client, PONG, 2_500), [{ kind: "pong", roundTripMs: 500 }]);
  strictEqual(client.pollTimeout(), 2_500 + SILENCE_MS);
  client.ping(5_000, { limitMs: 3_000 });
  eventsOf(client, KEEP_ALIVE, 6_000);
  client.handleTimeout(8_000);
  deepStrictEqual(drainEvents(client), [{ kind: "dead" }]);
});

Deno.test("DerpClient keeps to an announced rate (docs/protocol/relay.md#frames: over 5 + 32 + length)", () => {
  const client = clientA();
  eventsOf(client, fromHex(SERVER_KEY_FRAME));
  const info = { version: 2, tokenBucketBytesPerSecond: 1000, tokenBucketBytesBurst: 300 };
  eventsOf(client, encodeServerInfo(serverBox(), info, VECTOR_RANDOM), 1_000);
  ok(client.allowSend(163, 1_000)); // 200 of 300
  ok(!client.allowSend(64, 1_000)); // 101
  ok(client.allowSend(63, 1_000)); // 100
  ok(!client.allowSend(0, 1_036)); // 36
  ok(client.allowSend(0, 1_037)); // 37
  ok(!client.allowSend(264, 100_000)); // more than the burst, ever
  ok(client.allowSend(263, 100_000));
  ok(readyClient().allowSend(60_000, 0));
});

function serverBox(): BoxKey {
  const key = precomputeBox(PRIVATE_KEY_B, PUBLIC_KEY_A);
  ok(key);
  return key;
}

Deno.test("DerpClient throws only DerpError for random bytes", () => {
  const random = new SeededRandom(10);
  for (let round = 0; round < 1000; round++) {
    const client = round % 2 === 0 ? readyClient() : clientA();
    const bytes = new Uint8Array(random.below(300));
    random.fill(bytes);
    // Mostly plausible headers: a known type and a length below 64.
    for (let at = 0; at + 5 < bytes.length; at += 5 + (bytes[at + 4] ?? 0)) {
      bytes[at] = random.below(0x16);
      bytes.fill(0, at + 1, at + 4);
      bytes[at + 4] = random.below(64);
    }
    try {
      for (const chunk of splitAnyhow(bytes, random, 60)) eventsOf(client, chunk);
    } catch (error) {
      ok(error instanceof DerpError, String(error));
    }
  }
});
