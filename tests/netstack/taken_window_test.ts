/** A peer that takes back a window that it gave, or a part of it (RFC 9293 §3.8.6, RFC 7323 §2.4). */
import assert from "node:assert/strict";
import { bytesFrom, TcpScript } from "./tcp_script.ts";

const MSS = 1220;
const SHIFT = 7;
const TEN = 1 + 10 * MSS;

/** Ten segments were sent at 1; of these the peer has five, and at 10 it says a window of `windowBytes`. */
function taken(windowBytes: number): TcpScript {
  const t = new TcpScript().establish({ window: 60_000, windowScale: SHIFT });
  t.act(1, (socket) => socket.write(new Uint8Array(40 * MSS), 1));
  assert.equal(t.skip(), 10);
  t.send(10, { seq: 1, ack: 1 + 5 * MSS, window: windowBytes >> SHIFT });
  return t;
}

/** Runs what is due next. */
function toTimeout(t: TcpScript): void {
  t.poll(t.now);
  t.advance(t.stack.pollTimeout() ?? t.now);
}

Deno.test("What the peer sends is acknowledged from within its window, else it would hear no ACK", async (t) => {
  for (
    const [name, windowBytes, seq] of [
      ["all of it taken back", 0, 1 + 5 * MSS],
      ["half of it", 3 * MSS & -128, 1 + 5 * MSS + (3 * MSS & -128)],
      ["a sliver, by rounding", 5 * MSS & -128, 1 + 5 * MSS + (5 * MSS & -128)],
    ] as const
  ) {
    await t.step(name, () => {
      const script = taken(windowBytes);
      script.send(11, {
        seq: 1,
        ack: 1 + 5 * MSS,
        window: windowBytes >> SHIFT,
        payload: bytesFrom(0, 9),
      });
      script.recv(11, { flags: "A", seq, ack: 10, payloadBytes: 0 });
    });
  }
});

Deno.test("Where nothing was taken back an ACK lies at SND.NXT", () => {
  const t = taken(5 * MSS + 128);
  t.send(11, {
    seq: 1,
    ack: 1 + 5 * MSS,
    window: (5 * MSS + 128) >> SHIFT,
    payload: bytesFrom(0, 9),
  });
  t.recv(11, { flags: "A", seq: TEN, ack: 10, payloadBytes: 0 });
});

Deno.test("abort() resets from within the window that is left", () => {
  const t = taken(0);
  t.act(12, (socket) => socket.abort(12));
  t.recv(12, { flags: "RA", seq: 1 + 5 * MSS });
});

Deno.test("A window that was taken back is asked for without end, by a probe and by the oldest segment", () => {
  const t = taken(0);
  let waitMs = 0;
  for (let asked = 0; asked < 100; asked++) {
    const before = t.now;
    toTimeout(t);
    waitMs = t.now - before;
    t.recv(t.now, { seq: 1 + 5 * MSS, payloadBytes: MSS });
    t.recv(t.now, { seq: 5 * MSS, payloadBytes: 0 });
    t.recvNothing(t.now);
    t.send(t.now + 1, { seq: 1, ack: 1 + 5 * MSS, window: 0 });
  }
  assert.ok(Math.abs(waitMs - 15_000) < 10, `${waitMs} ms between questions`);
  assert.equal(t.socket.end, undefined);
});

Deno.test("A peer that took its window back and answers nothing is lost after a quarter of an hour", () => {
  const t = taken(0);
  while (t.socket.end === undefined && t.now < 3_600_000) {
    toTimeout(t);
    t.skip();
  }
  assert.equal(t.socket.end?.kind, "lost");
  assert.ok(t.now > 15 * 60_000 - 1 && t.now < 17 * 60_000, `after ${t.now} ms`);
});

Deno.test("resume() asks at once for a window that was taken back", () => {
  const t = taken(0);
  for (let asked = 0; asked < 6; asked++) toTimeout(t);
  t.skip();
  const at = t.now + 1_000;
  t.recvNothing(at);
  t.stack.resume(at);
  t.recv(at, { seq: 5 * MSS, payloadBytes: 0 });
  t.send(at + 10, { seq: 1, ack: 1 + 5 * MSS, window: 400 });
  for (let i = 5; i < 10; i++) t.recv(at + 10, { seq: 1 + i * MSS, payloadBytes: MSS });
});

Deno.test("When the window comes back everything goes again at once, and congestion was no reason", () => {
  const t = taken(0);
  const cwnd = t.tcb.congestion.cwndBytes;
  for (let asked = 0; asked < 5; asked++) {
    toTimeout(t);
    t.skip();
    t.send(t.now + 1, { seq: 1, ack: 1 + 5 * MSS, window: 0 });
  }
  t.send(t.now + 5_000, { seq: 1, ack: 1 + 5 * MSS, window: 400 });
  for (let i = 5; i < 10; i++) t.recv(t.now, { seq: 1 + i * MSS, payloadBytes: MSS });
  assert.equal(t.tcb.congestion.cwndBytes, cwnd);
});

Deno.test("When a part of the window comes back no more than that goes again", () => {
  const t = taken(0);
  toTimeout(t);
  t.skip();
  t.send(t.now + 50, { seq: 1, ack: 1 + 5 * MSS, window: (2 * MSS + 128) >> SHIFT });
  for (let i = 5; i < 8; i++) t.recv(t.now, { seq: 1 + i * MSS, payloadBytes: MSS });
  t.recvNothing(t.now);
});

Deno.test("An ACK leaves by itself when data goes again: the peer may have no memory to look at that", () => {
  const t = new TcpScript().establish();
  t.act(1, (socket) => socket.write(new Uint8Array(MSS), 1));
  t.recv(1, { seq: 1, payloadBytes: MSS });
  t.advance(100);
  t.skip();
  const at = t.stack.pollTimeout() ?? 0;
  t.now = at;
  t.stack.handlePacket(t.packet({ seq: 1, ack: 1, payload: bytesFrom(0, 9) }), at);
  t.stack.handleTimeout(at);
  t.recv(at, { seq: 1, ack: 10, payloadBytes: MSS });
  t.recv(at, { seq: 1 + MSS, ack: 10, payloadBytes: 0 });
});

Deno.test("An ACK at the right edge of our window counts, also while something before it is missing", () => {
  const t = new TcpScript({ receiveBufferBytes: 8_192 }).establish();
  t.act(1, (socket) => socket.write(bytesFrom(0, 100), 1));
  t.recv(1, { seq: 1, payloadBytes: 100 });
  const edge = 1 + t.tcb.receive.windowBytes;
  for (let at = 1_001; at < edge; at += 1_000) {
    t.send(5, { seq: at, ack: 1, payload: bytesFrom(0, Math.min(1_000, edge - at)) });
  }
  t.skip();
  t.send(6, { seq: edge, ack: 101 });
  assert.equal(t.tcb.snd.flightSize, 0);
});
