/** The relay's side of one connection. */
import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { concatBytes, fromHex, toHex } from "../../lib/base/bytes.ts";
import type { Instant } from "../../lib/base/core.ts";
import { DerpError } from "../../lib/derp/errors.ts";
import { encodeFrame, FrameType } from "../../lib/derp/frame.ts";
import {
  DerpServerConnection,
  type DerpServerEvent,
  KEEP_ALIVE_JITTER_MS,
  KEEP_ALIVE_MS,
  LOGIN_LIMIT_MS,
  MAX_QUEUED_CONTROL_FRAMES,
} from "../../lib/derp/server_connection.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { splitAnyhow, splitToBytes } from "../support/split.ts";
import { drainConnection, sendPacketFrame, VECTOR_RANDOM } from "./support.ts";
import {
  CLIENT_INFO_FRAME,
  PRIVATE_KEY_B,
  PUBLIC_KEY_A,
  PUBLIC_KEY_B,
  SERVER_INFO_FRAME,
  SERVER_KEY_FRAME,
} from "./vectors.ts";

function connect(): DerpServerConnection {
  return new DerpServerConnection({
    privateKey: PRIVATE_KEY_B,
    publicKey: PUBLIC_KEY_B,
    random: VECTOR_RANDOM,
    queue: { maxPackets: 512, maxBytes: 2 ** 20 },
  }, 0);
}

function loggedIn(): DerpServerConnection {
  const connection = connect();
  eventsOf(connection, fromHex(CLIENT_INFO_FRAME));
  drainConnection(connection);
  return connection;
}

function eventsOf(connection: DerpServerConnection, chunk: Uint8Array, now: Instant = 0) {
  connection.handleBytes(chunk, now);
  const events: DerpServerEvent[] = [];
  for (let e = connection.pollEvent(); e; e = connection.pollEvent()) {
    events.push(e.kind === "packet" ? { ...e, packet: e.packet.slice() } : e);
  }
  return events;
}

Deno.test("DerpServerConnection greets, checks the client and answers, as the vectors say", () => {
  const connection = connect();
  strictEqual(toHex(drainConnection(connection)), SERVER_KEY_FRAME);
  const login = {
    kind: "login",
    key: PUBLIC_KEY_A.slice(),
    info: { version: 2, canAckPings: true },
  };
  const chunks = splitToBytes(fromHex(CLIENT_INFO_FRAME));
  deepStrictEqual(chunks.flatMap((chunk) => eventsOf(connection, chunk)), [login]);
  strictEqual(toHex(drainConnection(connection)), SERVER_INFO_FRAME);
  deepStrictEqual(connection.clientKey, PUBLIC_KEY_A.slice());
});

Deno.test("DerpServerConnection takes frames right behind the login", () => {
  const packet = sendPacketFrame(PUBLIC_KEY_B, fromHex("0102"));
  const events = eventsOf(
    connect(),
    concatBytes(fromHex(CLIENT_INFO_FRAME + "070000000101"), packet),
  );
  deepStrictEqual(events.slice(1), [
    { kind: "preferred", isHome: true },
    { kind: "packet", destination: PUBLIC_KEY_B.slice(), packet: fromHex("0102") },
  ]);
});

Deno.test("DerpServerConnection refuses what a relay would", async (t) => {
  const before: { name: string; in: string }[] = [
    { name: "packet before the login", in: "0400000020" + "00".repeat(32) },
    { name: "short client info", in: "0200000037" + "00".repeat(55) },
    { name: "long client info", in: "0200040001" },
    { name: "changed box", in: CLIENT_INFO_FRAME.slice(0, -2) + "00" },
    {
      name: "key that is not the client's",
      in: CLIENT_INFO_FRAME.replace(toHex(PUBLIC_KEY_A), toHex(PUBLIC_KEY_B)),
    },
    { name: "key of small order", in: "0200000068" + "00".repeat(104) },
  ];
  for (const row of before) {
    await t.step(row.name, () => throws(() => eventsOf(connect(), fromHex(row.in)), DerpError));
  }
  const after: { name: string; in: string }[] = [
    { name: "packet over 64 KiB", in: "0400010021" },
    { name: "packet without destination", in: "040000001f" + "00".repeat(31) },
    { name: "preference of two bytes", in: "07000000020000" },
    { name: "short ping", in: "120000000700000000000000" },
    { name: "long ping", in: "12000003e9" },
    { name: "second login", in: CLIENT_INFO_FRAME },
    { name: "forward", in: "0a00000000" },
    { name: "watch", in: "1000000000" },
    { name: "close peer", in: "1100000020" + "00".repeat(32) },
    { name: "frame over 1 MiB", in: "7700100001" },
  ];
  for (const row of after) {
    await t.step(row.name, () => throws(() => eventsOf(loggedIn(), fromHex(row.in)), DerpError));
  }
  await t.step("unknown frames are skipped", () => {
    const unknown = encodeFrame(0x77, new Uint8Array(5000));
    deepStrictEqual(eventsOf(loggedIn(), concatBytes(unknown, unknown)), []);
  });
});

Deno.test("DerpServerConnection answers pings with 8 bytes, and not without bound", () => {
  const connection = loggedIn();
  const ping = fromHex("1200000009" + "0102030405060708" + "ff");
  eventsOf(connection, concatBytes(...new Array<Uint8Array>(1000).fill(ping)));
  const pong = "13000000080102030405060708";
  strictEqual(toHex(drainConnection(connection)), pong.repeat(MAX_QUEUED_CONTROL_FRAMES));
});

Deno.test("DerpServerConnection gives up a client that does not log in for 10 s", () => {
  const connection = connect();
  strictEqual(connection.pollTimeout(), LOGIN_LIMIT_MS);
  connection.handleTimeout(LOGIN_LIMIT_MS - 1);
  strictEqual(connection.pollEvent(), undefined);
  connection.handleTimeout(LOGIN_LIMIT_MS);
  deepStrictEqual(connection.pollEvent(), { kind: "expired" });
});

Deno.test("DerpServerConnection sends a keepalive every 60 to 65 s", () => {
  const connection = loggedIn();
  let lastAt = 0;
  for (let i = 0; i < 3; i++) {
    const at = connection.pollTimeout() ?? 0;
    ok(at - lastAt >= KEEP_ALIVE_MS && at - lastAt <= KEEP_ALIVE_MS + KEEP_ALIVE_JITTER_MS);
    connection.handleTimeout(at);
    strictEqual(toHex(drainConnection(connection)), "0600000000");
    lastAt = at;
  }
});

Deno.test("DerpServerConnection.pollTransmit() cuts control frames only, packets never", () => {
  const connection = loggedIn();
  connection.sendFrame(0x77, new Uint8Array(1000).fill(1));
  connection.packets.push(PUBLIC_KEY_A, new Uint8Array(100).fill(2));
  connection.packets.push(PUBLIC_KEY_A, new Uint8Array(100).fill(3));
  const into = new Uint8Array(300);
  const lengths: number[] = [];
  const all: Uint8Array[] = [];
  for (let n = connection.pollTransmit(into); n > 0; n = connection.pollTransmit(into)) {
    lengths.push(n);
    all.push(into.slice(0, n));
  }
  deepStrictEqual(lengths, [300, 300, 300, 105 + 137, 137]);
  deepStrictEqual(
    concatBytes(...all),
    concatBytes(
      encodeFrame(0x77, new Uint8Array(1000).fill(1)),
      encodeFrame(FrameType.recvPacket, PUBLIC_KEY_A, new Uint8Array(100).fill(2)),
      encodeFrame(FrameType.recvPacket, PUBLIC_KEY_A, new Uint8Array(100).fill(3)),
    ),
  );
  ok(!connection.hasOutput);
});

Deno.test("DerpServerConnection throws only DerpError for random bytes", () => {
  const random = new SeededRandom(11);
  for (let round = 0; round < 1000; round++) {
    const connection = round % 2 === 0 ? loggedIn() : connect();
    const bytes = new Uint8Array(random.below(300));
    random.fill(bytes);
    for (let at = 0; at + 5 < bytes.length; at += 5 + (bytes[at + 4] ?? 0)) {
      bytes[at] = random.below(0x16);
      bytes.fill(0, at + 1, at + 4);
      bytes[at + 4] = random.below(64);
    }
    try {
      for (const chunk of splitAnyhow(bytes, random, 60)) eventsOf(connection, chunk);
    } catch (error) {
      ok(error instanceof DerpError, String(error));
    }
  }
});
