/** ESTABLISHED (RFC 9293 §3.10.7.4): receiving, acknowledging, and segments out of place (RFC 5961). */
import assert from "node:assert/strict";
import { bytesFrom, TcpScript } from "./tcp_script.ts";

const MSS = 1220;

Deno.test("ESTABLISHED acknowledges a batch once, and a lone segment at once", () => {
  const t = new TcpScript().establish();
  for (let i = 0; i < 5; i++) {
    t.deliver(1, { seq: 1 + i * MSS, ack: 1, payload: new Uint8Array(MSS) });
  }
  t.recv(1, { flags: "A", ack: 1 + 5 * MSS, payloadBytes: 0 });
  t.send(2, { seq: 1 + 5 * MSS, ack: 1, payload: bytesFrom(0, 1) });
  t.recv(2, { ack: 2 + 5 * MSS });
  t.recvNothing(10_000);
});

Deno.test("ESTABLISHED tells of readable bytes once until they are read", () => {
  const t = new TcpScript().establish();
  t.send(1, { seq: 1, ack: 1, payload: bytesFrom(0, 3) });
  t.send(2, { seq: 4, ack: 1, payload: bytesFrom(3, 3) });
  assert.deepEqual(t.events(), ["readable"]);
  t.send(3, { seq: 7, ack: 1, payload: bytesFrom(6, 3) });
  assert.deepEqual(t.events(), []);
  assert.deepEqual(t.readAll(), bytesFrom(0, 9));
  t.send(4, { seq: 10, ack: 1, payload: bytesFrom(9, 1) });
  assert.deepEqual(t.events(), ["readable"]);
});

Deno.test("ESTABLISHED takes only what is new of an overlapping segment", () => {
  const t = new TcpScript().establish();
  t.send(1, { seq: 1, ack: 1, payload: bytesFrom(0, 6) });
  t.send(2, { seq: 3, ack: 1, payload: bytesFrom(2, 8) });
  t.send(3, { seq: 1, ack: 1, payload: bytesFrom(0, 6) });
  assert.deepEqual(t.readAll(), bytesFrom(0, 10));
});

Deno.test("ESTABLISHED answers every out-of-order segment of a batch with a duplicate ACK of its own: each brings a new SACK block, all the same window", () => {
  const t = new TcpScript().establish();
  t.deliver(1, { seq: 1 + MSS, ack: 1, payload: new Uint8Array(MSS) });
  t.deliver(1, { seq: 1 + 2 * MSS, ack: 1, payload: new Uint8Array(MSS) });
  t.deliver(1, { seq: 1 + 4 * MSS, ack: 1, payload: new Uint8Array(MSS) });
  const first = t.recv(1, { ack: 1, sack: [[1 + MSS, 1 + 2 * MSS]], payloadBytes: 0 });
  const { window } = first;
  t.recv(1, { ack: 1, window, sack: [[1 + MSS, 1 + 3 * MSS]] });
  t.recv(1, { ack: 1, window, sack: [[1 + 4 * MSS, 1 + 5 * MSS], [1 + MSS, 1 + 3 * MSS]] });
  t.recvNothing(1);
});

Deno.test("SACK blocks come newest first (RFC 2018 §4)", () => {
  const t = new TcpScript().establish();
  const order = [9, 3, 7, 5, 1];
  for (const [i, at] of order.entries()) {
    t.send(i, { seq: 1 + at * MSS, ack: 1, payload: new Uint8Array(MSS) });
    const blocks = order.slice(0, i + 1).reverse().slice(0, 4);
    t.recv(i, { ack: 1, sack: blocks.map((b) => [1 + b * MSS, 1 + (b + 1) * MSS] as const) });
  }
});

Deno.test("The right edge stays while a hole exists, even when the reader makes room, and moves when it fills", () => {
  const t = new TcpScript({ receiveBufferBytes: 65_536 }).establish(); // a shift of 1
  t.send(1, { seq: 1, ack: 1, payload: new Uint8Array(MSS) });
  const { window } = t.recv(1, { ack: 1 + MSS });
  t.send(2, { seq: 1 + 2 * MSS, ack: 1, payload: new Uint8Array(MSS) });
  t.recv(2, { ack: 1 + MSS, window });
  t.readAll();
  t.recvNothing(3);
  t.send(3, { seq: 1 + 3 * MSS, ack: 1, payload: new Uint8Array(MSS) });
  t.recv(3, { ack: 1 + MSS, window, sack: [[1 + 2 * MSS, 1 + 4 * MSS]] });
  t.send(4, { seq: 1 + MSS, ack: 1, payload: new Uint8Array(MSS) });
  t.recv(4, { ack: 1 + 4 * MSS, window: (65_536 - 3 * MSS) >> 1, sack: [] });
});

Deno.test("Without SACK duplicates carry no blocks", () => {
  const t = new TcpScript().establish({ sackPermitted: false });
  t.send(1, { seq: 1 + MSS, ack: 1, payload: new Uint8Array(MSS) });
  t.recv(1, { ack: 1, sack: [] });
});

Deno.test("ESTABLISHED believes a RST only at exactly RCV.NXT (RFC 5961 §3.2)", async (t) => {
  await t.step("exact", () => {
    const script = new TcpScript().establish();
    script.send(1, { flags: "R", seq: 1 });
    assert.deepEqual(script.events(), ["closed"]);
    assert.equal(script.socket.end?.kind, "reset");
    script.recvNothing(60_000);
  });
  await t.step("inside the window: challenge ACK", () => {
    const script = new TcpScript().establish();
    script.send(1, { flags: "R", seq: 100 });
    script.recv(1, { flags: "A", seq: 1, ack: 1 });
    assert.equal(script.socket.state, "established");
  });
  await t.step("outside: nothing", () => {
    const script = new TcpScript().establish();
    script.send(1, { flags: "R", seq: 5_000_000 });
    script.recvNothing(1_000);
  });
});

Deno.test("What was received before a RST can still be read", () => {
  const t = new TcpScript().establish();
  t.send(1, { seq: 1, ack: 1, payload: bytesFrom(0, 3) });
  t.send(2, { flags: "R", seq: 4 });
  assert.deepEqual(t.readAll(), bytesFrom(0, 3));
  assert.equal(t.socket.write(bytesFrom(0, 1), 3), 0);
});

Deno.test("ESTABLISHED answers a SYN with a challenge ACK, not more often than every 500 ms (RFC 5961 §4.2, §7)", () => {
  const t = new TcpScript().establish();
  t.send(1, { flags: "S", seq: 0 });
  t.recv(1, { flags: "A", seq: 1, ack: 1 });
  t.send(2, { flags: "S", seq: 700 });
  t.recvNothing(499);
  t.send(501, { flags: "S", seq: 700 });
  t.recv(501, { flags: "A", seq: 1, ack: 1 });
});

Deno.test("ESTABLISHED challenges an ACK of what was never sent or is too old (RFC 5961 §5.2)", async (t) => {
  for (const ack of [5_000, -1_000_000]) {
    await t.step(`ACK ${ack}`, () => {
      const script = new TcpScript().establish();
      script.send(1, { seq: 1, ack, payload: bytesFrom(0, 3) });
      script.recv(1, { flags: "A", ack: 1 });
      assert.equal(script.socket.readableBytes, 0);
    });
  }
});

Deno.test("A segment without ACK is dropped", () => {
  const t = new TcpScript().establish();
  t.send(1, { flags: "P", seq: 1, payload: bytesFrom(0, 3) });
  t.recvNothing(1_000);
});

Deno.test("Keepalive and junk-byte probes at RCV.NXT - 1 are answered, however fast they come", () => {
  const t = new TcpScript().establish();
  for (let at = 1; at < 6; at++) {
    t.send(at, { seq: 0, ack: 1, payload: new Uint8Array(at % 2) });
    t.recv(at, { flags: "A", seq: 1, ack: 1, payloadBytes: 0 });
  }
  assert.equal(t.socket.readableBytes, 0);
});

Deno.test("Old duplicates are acknowledged at once, for our ACK was lost", () => {
  const t = new TcpScript().establish();
  t.send(1, { seq: 1, ack: 1, payload: bytesFrom(0, 3) });
  t.recv(1, { ack: 4 });
  for (let at = 2; at < 5; at++) {
    t.send(at, { seq: 1, ack: 1, payload: bytesFrom(0, 3) });
    t.recv(at, { ack: 4 });
  }
});

Deno.test("Data beyond the window is cut off, and an empty window takes nothing but ACKs", () => {
  const t = new TcpScript({ receiveBufferBytes: 4096 }).establish();
  t.send(1, { seq: 1, ack: 1, payload: new Uint8Array(1000) });
  t.recv(1, { ack: 1001, window: 3096 });
  t.send(2, { seq: 1001, ack: 1, payload: new Uint8Array(1220) });
  t.send(2, { seq: 2221, ack: 1, payload: new Uint8Array(1220) });
  t.send(2, { seq: 3441, ack: 1, payload: new Uint8Array(1220) });
  t.skip();
  assert.equal(t.socket.readableBytes, 4096);
  t.act(3, (socket) => socket.write(bytesFrom(0, 2), 3));
  t.recv(3, { ack: 4097, window: 0, payloadBytes: 2 });
  t.send(4, { seq: 4097, ack: 3, payload: new Uint8Array(10) });
  t.recv(4, { ack: 4097, window: 0 });
  assert.equal(t.tcb.snd.flightSize, 0);
});

Deno.test("A window update leaves when a segment's worth was read, not before (RFC 9293 §3.8.6.2.2)", () => {
  const t = new TcpScript({ receiveBufferBytes: 8192 }).establish();
  for (let seq = 1; seq < 8192; seq += 1024) {
    t.send(1, { seq, ack: 1, payload: new Uint8Array(1024) });
  }
  t.skip();
  t.act(2, (socket) => socket.read(new Uint8Array(1000), 2));
  t.recvNothing(2);
  t.act(3, (socket) => socket.read(new Uint8Array(3000), 3));
  t.recv(3, { flags: "A", ack: 8193, window: 4000, payloadBytes: 0 });
});

Deno.test("abort() sends RST at exactly SND.NXT (RFC 5961 §3.2)", () => {
  const t = new TcpScript().establish();
  t.socket.write(bytesFrom(0, 10), 1);
  t.recv(0, { seq: 1, payloadBytes: 10 });
  t.act(2, (socket) => socket.abort(2));
  t.recv(2, { flags: "RA", seq: 11, ack: 1 });
  t.send(3, { seq: 1, ack: 11 });
  t.recv(3, { flags: "R", seq: 11 });
  assert.equal(t.stack.socketCount, 0);
});
