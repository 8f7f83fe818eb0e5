/** ESTABLISHED, sending: windows, retransmission, recovery, probes, keepalive. */
import assert from "node:assert/strict";
import { bytesFrom, TcpScript } from "./tcp_script.ts";

const MSS = 1220;
const INITIAL_WINDOW = 10;

/** A connection with a round trip of 40 ms, which was established at 40 ms and then wrote so many segments. */
function sending(segments: number, answer = {}): TcpScript {
  const t = new TcpScript().connect();
  t.recv(0, { flags: "S" });
  t.send(40, {
    flags: "SA",
    seq: 0,
    ack: 1,
    mss: MSS,
    windowScale: 0,
    sackPermitted: true,
    ...answer,
  });
  t.skip();
  t.socket.write(new Uint8Array(segments * MSS), 40);
  return t;
}

Deno.test("The first flight is ten segments (RFC 6928), the last with PSH", () => {
  const t = sending(INITIAL_WINDOW);
  for (let i = 0; i < INITIAL_WINDOW - 1; i++) {
    t.recv(40, { flags: "A", seq: 1 + i * MSS, payloadBytes: MSS });
  }
  t.recv(40, { flags: "PA", seq: 1 + 9 * MSS, payloadBytes: MSS });
  t.recvNothing(40);
});

Deno.test("Slow start counts the bytes of a stretch ACK (RFC 3465 without its limit)", () => {
  const t = sending(100);
  t.poll(40);
  assert.equal(t.skip(), INITIAL_WINDOW);
  t.send(80, { seq: 1, ack: 1 + INITIAL_WINDOW * MSS });
  assert.equal(t.skip(), 2 * INITIAL_WINDOW);
});

Deno.test("Small writes leave at once: no Nagle", () => {
  const t = sending(0);
  for (let i = 0; i < 3; i++) {
    t.socket.write(bytesFrom(i, 1), 40);
    t.recv(40, { flags: "PA", seq: 1 + i, payloadBytes: 1 });
  }
});

Deno.test("The peer's window is never overrun, and a sliver of it is not used (RFC 9293 §3.8.6.2.1)", () => {
  const t = new TcpScript().establish({ window: 5 * MSS });
  t.act(1, (socket) => socket.write(new Uint8Array(20 * MSS), 1));
  assert.equal(t.skip(), 5);
  t.send(9, { seq: 1, ack: 1 + 5 * MSS, window: 300 });
  t.recvNothing(100);
  t.recv(209, { seq: 1 + 5 * MSS, payloadBytes: 300 });
});

Deno.test("The retransmission timeout is 1 s at first, doubles, and sends the oldest segment (RFC 6298 §5)", () => {
  const t = new TcpScript().establish({}, {});
  t.send(0, { seq: 1, ack: 1 });
  t.socket.write(new Uint8Array(MSS), 0);
  t.recv(0, { seq: 1 });
  // A round trip of 0 ms was measured by the handshake: the least timeout rules, after a tail loss probe.
  t.recv(20, { seq: 1, payloadBytes: MSS });
  for (const at of [220, 620, 1_420, 3_020]) t.recv(at, { seq: 1, payloadBytes: MSS });
});

Deno.test("Three SACKed segments start recovery, and only what is missing is sent again (RFC 6675 §5)", () => {
  const t = sending(10);
  t.poll(40);
  t.skip();
  t.send(80, { seq: 1, ack: 1, sack: [[1 + MSS, 1 + 2 * MSS]] });
  t.send(80, { seq: 1, ack: 1, sack: [[1 + MSS, 1 + 3 * MSS]] });
  t.recvNothing(80);
  t.send(80, { seq: 1, ack: 1, sack: [[1 + MSS, 1 + 4 * MSS]] });
  t.recv(80, { seq: 1, payloadBytes: MSS });
  t.recvNothing(81);
  t.send(120, { seq: 1, ack: 1 + 4 * MSS, sack: [[1 + 5 * MSS, 1 + 10 * MSS]] });
  t.recv(120, { seq: 1 + 4 * MSS, payloadBytes: MSS });
  t.send(160, { seq: 1, ack: 1 + 10 * MSS });
  t.recvNothing(10_000);
  assert.equal(t.stack.counters.fastRecoveries, 1);
});

Deno.test("One SACKed segment is waited for a quarter of a round trip (RFC 8985 §6.2)", () => {
  const t = sending(2);
  t.poll(40);
  t.skip();
  t.send(80, { seq: 1, ack: 1, sack: [[1 + MSS, 1 + 2 * MSS]] });
  t.recvNothing(89);
  t.recv(90, { seq: 1, payloadBytes: MSS });
});

Deno.test("Without SACK three duplicates send the oldest again, a partial ACK the next (RFC 6582 §3.2)", () => {
  const t = sending(10, { sackPermitted: false });
  t.poll(40);
  t.skip();
  for (let i = 0; i < 2; i++) t.send(80, { seq: 1, ack: 1 });
  t.recvNothing(80);
  t.send(80, { seq: 1, ack: 1 });
  t.recv(80, { seq: 1, payloadBytes: MSS });
  t.send(120, { seq: 1, ack: 1 + 3 * MSS });
  t.recv(120, { seq: 1 + 3 * MSS, payloadBytes: MSS });
  t.send(160, { seq: 1, ack: 1 + 10 * MSS });
  t.recvNothing(10_000);
});

Deno.test("ACKs with another window are no duplicates (RFC 5681 §2)", () => {
  const t = sending(10, { sackPermitted: false });
  t.poll(40);
  t.skip();
  for (let i = 0; i < 5; i++) t.send(80, { seq: 1, ack: 1, window: 50_000 + i });
  t.recvNothing(81);
});

Deno.test("A lost tail is probed after two round trips (RFC 8985 §7)", () => {
  const t = sending(3);
  t.poll(40);
  t.skip();
  t.recv(120, { seq: 1 + 2 * MSS, payloadBytes: MSS });
  t.send(160, { seq: 1, ack: 1, sack: [[1 + 2 * MSS, 1 + 3 * MSS]] });
  t.recv(160, { seq: 1 });
  t.recv(160, { seq: 1 + MSS });
});

Deno.test("A tail loss probe takes the place of a timeout that would come before it (RFC 8985 §7.2)", () => {
  const t = new TcpScript().connect();
  t.recv(0, { flags: "S" });
  t.send(400, { flags: "SA", seq: 0, ack: 1, mss: MSS, windowScale: 0, sackPermitted: true });
  t.skip();
  let seq = 1;
  // Steady round trips of 400 ms: the timeout falls to little more than that, well below two round trips.
  for (let at = 400; at < 8_000; at += 400, seq += MSS) {
    t.act(at, (socket) => socket.write(new Uint8Array(MSS), at));
    t.recv(at, { seq });
    t.send(at + 400, { seq: 1, ack: seq + MSS });
  }
  t.act(8_000, (socket) => socket.write(new Uint8Array(2 * MSS), 8_000));
  assert.equal(t.skip(), 2);
  t.advance(8_500);
  assert.equal(t.stack.counters.tailProbes, 1);
  assert.equal(t.stack.counters.timeouts, 0);
});

Deno.test("A retransmission that is lost too is sent again before the timeout (RFC 8985 §6.2)", () => {
  const t = sending(20);
  t.poll(40);
  assert.equal(t.skip(), 10);
  t.send(80, { seq: 1, ack: 1, sack: [[1 + MSS, 1 + 10 * MSS]] });
  t.recv(80, { seq: 1 });
  const later = t.skip();
  assert.ok(later > 0, "recovery sends new data too");
  t.send(120, { seq: 1, ack: 1, sack: [[1 + MSS, 1 + (10 + later) * MSS]] });
  t.recv(120, { seq: 1, payloadBytes: MSS });
});

Deno.test("A closed window is probed, without end and without giving up, and data goes on when it opens", () => {
  const t = new TcpScript({ giveUpMs: 30_000 }).establish({ window: 0 });
  t.act(1, (socket) => socket.write(new Uint8Array(100), 1));
  let at = 0;
  let probes = 0;
  while (at < 100_000) {
    const due = t.stack.pollTimeout();
    assert.ok(due !== undefined);
    at = due;
    t.advance(at);
    if (t.skip() === 0) continue;
    probes++;
    t.send(at, { seq: 1, ack: 1, window: 0 });
  }
  assert.ok(probes > 5 && probes < 30, `${probes} probes`);
  assert.equal(t.socket.state, "established");
  t.send(at + 1, { seq: 1, ack: 1, window: 5_000 });
  t.recv(at + 1, { seq: 1, payloadBytes: 100 });
});

Deno.test("A zero-window probe lies just below SND.UNA and carries nothing new", () => {
  const t = new TcpScript().establish({ window: 0 });
  t.socket.write(new Uint8Array(100), 0);
  t.recv(200, { flags: "A", seq: 0, payloadBytes: 0 });
  t.recv(600, { flags: "A", seq: 0, payloadBytes: 0 });
});

Deno.test("Data without any answer gives up as lost, by time or by count", async (t) => {
  for (const options of [{ giveUpMs: 10_000 }, { giveUpRetransmissions: 5 }]) {
    await t.step(JSON.stringify(options), () => {
      const script = new TcpScript(options).establish();
      script.socket.write(new Uint8Array(100), 0);
      script.advance(100_000);
      assert.deepEqual(script.events(), ["closed"]);
      assert.equal(script.socket.end?.kind, "lost");
      assert.ok(script.skip() >= 5);
    });
  }
});

Deno.test("By default a connection without answers lives for a quarter of an hour", () => {
  const t = new TcpScript().establish();
  t.socket.write(new Uint8Array(100), 0);
  t.advance(14 * 60_000);
  assert.equal(t.stack.socketCount, 1);
  t.advance(17 * 60_000);
  assert.equal(t.socket.end?.kind, "lost");
});

Deno.test("Keepalive asks a silent peer from SND.NXT - 1, and gives up when it stays silent", () => {
  const t = new TcpScript({ giveUpMs: 60_000 }).establish({}, { keepaliveMs: 30_000 });
  t.recv(30_000, { flags: "A", seq: 0, payloadBytes: 0 });
  t.send(30_010, { seq: 1, ack: 1 });
  t.recvNothing(60_009);
  t.recv(60_010, { seq: 0, payloadBytes: 0 });
  t.recvNothing(90_009);
  t.advance(200_000);
  assert.equal(t.socket.end?.kind, "lost");
});

Deno.test("resume() asks an idle peer at once whether the connection is still there", () => {
  const t = new TcpScript().establish({}, { keepaliveMs: 30_000 });
  t.recvNothing(100);
  t.stack.resume(100);
  t.recv(100, { flags: "A", seq: 0, payloadBytes: 0 });
  // The peer gave up on what it sent while we were asleep: it knows no such connection any more.
  t.send(110, { flags: "R", seq: 1 });
  assert.equal(t.socket.end?.kind, "reset");
});

Deno.test("handlePathChange() sends again what was under way, on a path that nothing is known of (RFC 9000 §9.4)", () => {
  const t = sending(10);
  t.poll(40);
  t.skip();
  const remote = t.socket.remoteAddress;
  t.stack.handlePathChange([new Uint8Array(16)], "died", 100);
  t.recvNothing(100); // somebody else's
  t.stack.handlePathChange([remote], "died", 100);
  for (let i = 0; i < 10; i++) t.recv(100, { seq: 1 + i * MSS, payloadBytes: MSS });
  // The timeout of the path that died is not that of the new one: nothing is sent twice before its first answer may be here.
  t.recvNothing(1_099);
  t.send(1_099, { seq: 1, ack: 1 + 10 * MSS });
  t.recvNothing(10_000);
});

Deno.test("A path that was left says nothing of the new one, and what its packets were overtaken by is no congestion", () => {
  const t = sending(40);
  t.poll(40);
  t.send(80, { seq: 1, ack: 1 + 10 * MSS });
  assert.equal(t.skip(), 30);
  t.stack.handlePathChange([t.socket.remoteAddress], "left", 90);
  t.recvNothing(90);
  t.act(90, (socket) => socket.write(new Uint8Array(40 * MSS), 90));
  t.recvNothing(90); // the window is that of a beginning again
  t.send(120, { seq: 1, ack: 1 + 25 * MSS });
  assert.equal(t.skip(), 5);
  // The new path is shorter: its packets are there before those that went the old way.
  t.send(130, { seq: 1, ack: 1 + 25 * MSS, sack: [[1 + 30 * MSS, 1 + 35 * MSS]] });
  assert.equal(t.tcb.congestion.cwndBytes, 10 * MSS);
  assert.ok(t.tcb.congestion.isSlowStart);
  t.skip();
  t.send(140, { seq: 1, ack: 1 + 35 * MSS });
  assert.ok(t.skip() >= 10);
  assert.ok(t.tcb.rtt.minMs < 40, "of what was sent since then");
});

Deno.test("SACK blocks name newer segments first: that is no reordering (RFC 8985 §6.2 step 3)", () => {
  const t = sending(10);
  t.poll(40);
  t.skip();
  // The ACK that told of the second segment was lost.
  const sack = [[1 + 4 * MSS, 1 + 5 * MSS], [1 + MSS, 1 + 2 * MSS]] as const;
  t.send(80, { seq: 1, ack: 1, sack });
  assert.ok(!t.tcb.rack.isReorderingSeen);
  t.send(81, { seq: 1, ack: 1, sack: [[1 + 2 * MSS, 1 + 3 * MSS], [1 + 4 * MSS, 1 + 5 * MSS]] });
  assert.ok(t.tcb.rack.isReorderingSeen);
});

Deno.test("A tail whose round trip was never measured is probed after a second (RFC 8985 §7.2)", () => {
  const t = new TcpScript().connect();
  t.recv(0, { flags: "S" });
  t.recv(1_000, { flags: "S" });
  const answer = { mss: MSS, windowScale: 0, sackPermitted: true };
  t.send(1_050, { flags: "SA", seq: 0, ack: 1, ...answer });
  t.recv(1_050, { flags: "A", payloadBytes: 0 });
  t.act(1_100, (socket) => socket.write(bytesFrom(1, 100), 1_100));
  t.recv(1_100, { seq: 1, payloadBytes: 100 });
  t.recv(2_100, { seq: 1, payloadBytes: 100 });
  t.recv(5_100, { seq: 1, payloadBytes: 100 }); // RFC 6298 §5.7: 3 s after a lost SYN
});

Deno.test("A writer that had to stop is told when there is room", () => {
  const t = new TcpScript({ sendBufferBytes: 8192 }).establish();
  assert.equal(t.socket.write(new Uint8Array(10_000), 0), 8192);
  assert.equal(t.socket.writableBytes, 0);
  t.poll(0);
  t.send(10, { seq: 1, ack: 1 + 1220 });
  assert.deepEqual(t.events(), []);
  t.send(11, { seq: 1, ack: 1 + 2440 });
  assert.deepEqual(t.events(), ["writable"]);
});

Deno.test("A burst is capped although the window allows more", () => {
  const t = new TcpScript().establish({ windowScale: 7, window: 60_000 });
  t.send(50, { seq: 1, ack: 1, window: 60_000 });
  t.socket.write(new Uint8Array(256 * 1024), 50);
  let acked = 0;
  let most = 0;
  for (let at = 100; at < 2_000; at += 50) {
    t.poll(at);
    const flight = t.skip();
    most = Math.max(most, flight);
    acked += flight * MSS;
    t.deliver(at + 49, {
      seq: 1,
      ack: Math.min(1 + acked, t.tcb.snd.flightSize + 1),
      window: 60_000,
    });
    t.socket.write(new Uint8Array(4 * 1024 * 1024), at + 49);
  }
  assert.ok(most <= 512, `${most} packets in one burst`);
});
