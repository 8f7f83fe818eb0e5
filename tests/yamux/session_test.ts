import assert from "node:assert/strict";
import { concatBytes, fromHex, toHex } from "../../lib/base/bytes.ts";
import { Flag, FrameType, GoAwayCode, INITIAL_WINDOW_BYTES } from "../../lib/yamux/frame.ts";
import { YamuxError, YamuxSession } from "../../lib/yamux/mod.ts";
import { MAX_CHUNK_BYTES } from "../../lib/yamux/transmit_queue.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { drainEvents, drainTransmit, frame, YamuxPair } from "./support.ts";

const SYN = { type: FrameType.windowUpdate, flags: Flag.syn } as const;

function server(): YamuxSession {
  return new YamuxSession({ role: "server" }, 0);
}

function assertDies(session: YamuxSession, bytes: Uint8Array, code: string): void {
  assert.throws(
    () => session.handleBytes(bytes, 0),
    (error) => error instanceof YamuxError && error.code === code,
  );
}

Deno.test("openStream() writes the bytes of the first client stream (docs/protocol/coordinator.md#yamux)", () => {
  const session = new YamuxSession({ role: "client" }, 0);
  const stream = session.openStream(0);
  stream.write(fromHex("0304"));
  assert.equal(
    toHex(drainTransmit(session)),
    "000100010000000100000000" + "0000000000000001000000020304",
  );
  assert.equal(session.openStream(0).id, 3);
});

Deno.test("a stream carries bytes both ways and closes half by half", () => {
  const pair = new YamuxPair();
  const { ours, theirs } = pair.open();
  assert.equal(ours.state, "open");
  ours.write(fromHex("01"));
  ours.closeWrite(0);
  pair.settle();
  assert.deepEqual([...theirs.read()], [1]);
  assert.ok(theirs.isReadEnded);
  assert.equal(ours.state, "localClosed");
  theirs.write(fromHex("0203"));
  theirs.closeWrite(0);
  pair.settle();
  assert.deepEqual([...ours.read()], [2, 3]);
  assert.ok(ours.isReadEnded);
  assert.equal(pair.client.streamCount + pair.server.streamCount, 0);
  assert.equal(pair.clientEvents.at(-1)?.kind, "closed");
});

Deno.test("write() stops at the window, credit of half a window starts it again", () => {
  const pair = new YamuxPair();
  const { ours, theirs } = pair.open();
  const data = new Uint8Array(INITIAL_WINDOW_BYTES);
  assert.equal(ours.write(data), data.length);
  pair.settle();
  assert.equal(theirs.readableBytes, INITIAL_WINDOW_BYTES);
  assert.equal(ours.write(data), data.length, "the send buffer takes one more window");
  assert.equal(ours.write(fromHex("00")), 0);
  assert.equal(pair.client.pollTransmit(), undefined, "the window is used up");
  theirs.read(INITIAL_WINDOW_BYTES / 2 - 1);
  pair.settle();
  assert.equal(ours.writableBytes, 0, "no credit below half a window");
  pair.clientEvents.length = 0;
  theirs.read(1);
  pair.settle();
  assert.equal(ours.writableBytes, INITIAL_WINDOW_BYTES / 2);
  assert.deepEqual(pair.clientEvents.map((e) => e.kind), ["writable"]);
});

Deno.test("a megabyte in any pieces arrives whole, in chunks below 32 KiB", () => {
  const random = new SeededRandom(7);
  const pair = new YamuxPair();
  const { ours, theirs } = pair.open();
  const sent = new Uint8Array(1 << 20);
  random.fill(sent);
  const received: Uint8Array[] = [];
  let at = 0;
  while (received.reduce((sum, part) => sum + part.length, 0) < sent.length) {
    at += ours.write(sent.subarray(at, at + random.below(200_000)));
    for (let c = pair.client.pollTransmit(); c; c = pair.client.pollTransmit()) {
      assert.ok(c.length <= MAX_CHUNK_BYTES);
      for (let i = 0; i < c.length;) {
        const end = i + 1 + random.below(20_000);
        pair.server.handleBytes(c.subarray(i, end), 0);
        i = end;
      }
    }
    received.push(theirs.read(1 + random.below(300_000)));
    pair.settle();
  }
  assert.equal(toHex(concatBytes(...received)), toHex(sent));
});

Deno.test("streams take turns", () => {
  const pair = new YamuxPair();
  const a = pair.open();
  const b = pair.open();
  a.ours.write(new Uint8Array(100_000));
  b.ours.write(new Uint8Array(100));
  const chunks = [pair.client.pollTransmit(), pair.client.pollTransmit()];
  for (const chunk of chunks) pair.server.handleBytes(chunk ?? new Uint8Array(0), 0);
  assert.equal(b.theirs.readableBytes, 100);
});

Deno.test("closeWrite() and reset() twice send one FIN or RST", () => {
  const pair = new YamuxPair();
  const { ours } = pair.open();
  ours.closeWrite(0);
  ours.closeWrite(0);
  assert.equal(toHex(drainTransmit(pair.client)), "000100040000000100000000");
  ours.closeWrite(0);
  assert.equal(drainTransmit(pair.client).length, 0);
  ours.reset();
  ours.reset();
  assert.equal(toHex(drainTransmit(pair.client)), "000100080000000100000000");
});

Deno.test("violations end the session with GoAway 1 (yamux session.go, stream.go)", async (t) => {
  const syn = frame({ ...SYN, streamId: 1 });
  const fin = frame({ type: FrameType.windowUpdate, flags: Flag.fin, streamId: 1 });
  const full = new Uint8Array(INITIAL_WINDOW_BYTES + 1);
  const rows: { name: string; bytes: Uint8Array; code: string }[] = [
    { name: "version", bytes: fromHex("010000000000000000000000"), code: "bad-version" },
    { name: "type", bytes: fromHex("000400000000000000000000"), code: "bad-type" },
    { name: "FIN twice", bytes: concatBytes(syn, fin, fin), code: "unexpected-flag" },
    {
      name: "data behind FIN",
      bytes: concatBytes(
        syn,
        fin,
        frame({ type: FrameType.data, streamId: 1, body: fromHex("00") }),
      ),
      code: "unexpected-flag",
    },
    { name: "stream twice", bytes: concatBytes(syn, syn), code: "duplicate-stream" },
    { name: "even id", bytes: frame({ ...SYN, streamId: 2 }), code: "bad-stream-id" },
    { name: "id 0", bytes: frame({ ...SYN, streamId: 0 }), code: "bad-stream-id" },
    {
      name: "beyond the window",
      bytes: concatBytes(syn, frame({ type: FrameType.data, streamId: 1, body: full })),
      code: "window-exceeded",
    },
    {
      name: "window beyond 2^32",
      bytes: concatBytes(
        syn,
        frame({ type: FrameType.windowUpdate, streamId: 1, length: 0xffff_ffff }),
      ),
      code: "window-overflow",
    },
    {
      name: "more pings than answers are read",
      bytes: concatBytes(
        ...new Array<Uint8Array>(2000).fill(frame({ type: FrameType.ping, flags: Flag.syn })),
      ),
      code: "too-many-replies",
    },
  ];
  for (const { name, bytes, code } of rows) {
    await t.step(name, () => {
      const session = server();
      assertDies(session, bytes, code);
      assert.equal(toHex(drainTransmit(session)), "000300000000000000000001");
      assert.throws(() => session.handleBytes(new Uint8Array(1), 0), YamuxError);
      assert.equal(session.pollTimeout(), undefined);
    });
  }
});

Deno.test("a remote GoAway refuses new streams if normal, ends the session if not", () => {
  const session = new YamuxSession({ role: "client" }, 0);
  const stream = session.openStream(0);
  session.handleBytes(frame({ type: FrameType.goAway, length: GoAwayCode.normal }), 0);
  assert.deepEqual(drainEvents(session).map((e) => e.kind), ["goAway"]);
  assert.throws(() => session.openStream(0), YamuxError);
  assert.equal(stream.write(fromHex("00")), 1);
  const bad = frame({ type: FrameType.goAway, length: GoAwayCode.internalError });
  assertDies(session, bad, "remote-go-away");
  assert.equal(stream.state, "reset");
});

Deno.test("RST drops the stream, its data and what was under way", () => {
  const pair = new YamuxPair();
  const { ours, theirs } = pair.open();
  theirs.write(new Uint8Array(10));
  pair.settle();
  theirs.write(new Uint8Array(10));
  const late = drainTransmit(pair.server);
  ours.reset();
  pair.settle();
  assert.equal(theirs.state, "reset");
  assert.equal(ours.readableBytes, 0);
  pair.client.handleBytes(late, 0);
  assert.equal(ours.readableBytes, 0);
  assert.equal(pair.serverEvents.at(-1)?.kind, "closed");
});

Deno.test("frames of unknown streams are skipped with their bodies, empty data is legal", () => {
  const session = server();
  session.handleBytes(
    concatBytes(
      frame({ type: FrameType.data, streamId: 9, body: new Uint8Array(300_000) }),
      frame({ type: FrameType.windowUpdate, flags: Flag.fin, streamId: 9 }),
      frame({ type: FrameType.data, flags: Flag.syn, streamId: 1, length: 0 }),
      frame({ type: FrameType.data, streamId: 1, length: 0 }),
      frame({ type: FrameType.data, flags: Flag.fin, streamId: 1, body: fromHex("05") }),
    ),
    0,
  );
  const [accepted] = drainEvents(session);
  assert.equal(accepted?.kind, "accepted");
  if (accepted?.kind !== "accepted") return;
  assert.deepEqual([...accepted.stream.read()], [5]);
  assert.ok(accepted.stream.isReadEnded);
});

Deno.test("streams beyond the accept backlog are refused with RST", () => {
  const session = new YamuxSession({ role: "server", acceptBacklog: 2 }, 0);
  for (const streamId of [1, 3, 5]) session.handleBytes(frame({ ...SYN, streamId }), 0);
  assert.ok(toHex(drainTransmit(session)).endsWith("000100080000000500000000"));
  assert.equal(drainEvents(session).length, 2);
  session.handleBytes(frame({ ...SYN, streamId: 7 }), 0);
  assert.equal(session.streamCount, 3);
});

Deno.test("pings go out every 30 s and are answered; 10 s of silence end the session", () => {
  const pair = new YamuxPair();
  for (let i = 1; i <= 3; i++) {
    pair.now = pair.client.pollTimeout() ?? NaN;
    assert.equal(pair.now, i * 30_000);
    pair.client.handleTimeout(pair.now);
    pair.settle();
  }
  pair.now = pair.client.pollTimeout() ?? NaN;
  pair.client.handleTimeout(pair.now);
  drainTransmit(pair.client);
  const deadline = pair.client.pollTimeout() ?? NaN;
  assert.equal(deadline, pair.now + 10_000);
  pair.client.handleTimeout(deadline - 1);
  assert.throws(
    () => pair.client.handleTimeout(deadline),
    (error) => error instanceof YamuxError && error.code === "ping-timeout",
  );
  assert.equal(pair.client.pollTransmit(), undefined);
});

Deno.test("a stream unacknowledged for 75 s ends the session", () => {
  const session = new YamuxSession({ role: "client", pingIntervalMs: 1e9 }, 0);
  session.openStream(5);
  assert.equal(session.pollTimeout(), 75_005);
  assert.throws(
    () => session.handleTimeout(75_005),
    (error) => error instanceof YamuxError && error.code === "open-timeout",
  );
});

Deno.test("a stream whose peer does not end within 5 minutes is reset", () => {
  const pair = new YamuxPair({ pingIntervalMs: 1e9 });
  const { ours, theirs } = pair.open();
  ours.closeWrite(7);
  pair.settle();
  assert.equal(pair.client.pollTimeout(), 300_007);
  pair.client.handleTimeout(300_007);
  pair.settle();
  assert.equal(ours.state, "reset");
  assert.equal(theirs.state, "reset");
});

Deno.test("handleBytes() throws nothing but YamuxError on random bytes and on damaged frames", () => {
  for (let seed = 0; seed < 300; seed++) {
    const random = new SeededRandom(seed);
    const session = server();
    const bytes = new Uint8Array(random.below(400));
    random.fill(bytes);
    for (let at = 0; at + 12 <= bytes.length; at += 12) {
      if (random.chance(0.2)) continue;
      bytes.set([
        0,
        random.below(4),
        0,
        random.below(16),
        0,
        0,
        0,
        random.below(6),
        0,
        0,
        0,
        random.below(20),
      ], at);
    }
    try {
      session.handleBytes(bytes, 0);
      for (const e of drainEvents(session)) if (e.kind === "readable") e.stream.read();
    } catch (error) {
      assert.ok(error instanceof YamuxError, `seed ${seed}: ${error}`);
    }
    drainTransmit(session);
  }
});
