/** FIN-WAIT-1, FIN-WAIT-2, CLOSE-WAIT, CLOSING, LAST-ACK and TIME-WAIT (RFC 9293 §3.6). */
import assert from "node:assert/strict";
import { MAX_TIME_WAIT } from "../../lib/netstack/limits.ts";
import { App, StackPair } from "./stack_pair.ts";
import { bytesFrom, TcpScript } from "./tcp_script.ts";

function finSent(): TcpScript {
  const t = new TcpScript({ timeWaitMs: 10_000 }).establish();
  t.act(1, (socket) => socket.shutdownWrite(1));
  t.recv(1, { flags: "FA", seq: 1, ack: 1, payloadBytes: 0 });
  assert.equal(t.socket.state, "fin-wait-1");
  return t;
}

function closeWait(): TcpScript {
  const t = new TcpScript().establish();
  t.send(1, { flags: "FA", seq: 1, ack: 1 });
  t.recv(1, { flags: "A", seq: 1, ack: 2 });
  assert.equal(t.socket.state, "close-wait");
  return t;
}

Deno.test("FIN-WAIT-1 sends its FIN again until it is acknowledged", () => {
  const t = finSent();
  t.recv(21, { flags: "FA", seq: 1 }); // tail loss probe
  t.recv(221, { flags: "FA", seq: 1 });
  t.send(300, { seq: 1, ack: 2 });
  assert.equal(t.socket.state, "fin-wait-2");
  t.recvNothing(60_000);
});

Deno.test("The FIN rides on the last data", () => {
  const t = new TcpScript().establish();
  t.act(1, (socket) => {
    socket.write(bytesFrom(0, 10), 1);
    socket.shutdownWrite(1);
  });
  t.recv(1, { flags: "FA", seq: 1, payloadBytes: 10 });
  assert.throws(() => t.socket.write(bytesFrom(0, 1), 1), TypeError);
  assert.equal(t.socket.writableBytes, 0);
});

Deno.test("FIN-WAIT-2 still receives: half-close (RFC 9293 §3.6)", () => {
  const t = finSent();
  t.send(2, { seq: 1, ack: 2, payload: bytesFrom(0, 5) });
  t.recv(2, { flags: "A", seq: 2, ack: 6 });
  assert.deepEqual(t.readAll(), bytesFrom(0, 5));
  assert.ok(!t.socket.isReadEnded);
  t.send(90_000, { flags: "FA", seq: 6, ack: 2 });
  t.recv(90_000, { flags: "A", seq: 2, ack: 7 });
  assert.equal(t.socket.state, "time-wait");
  assert.ok(t.socket.isReadEnded);
  assert.deepEqual(t.events(), ["readable", "closed"]);
  assert.deepEqual(t.socket.end, { kind: "closed" });
});

Deno.test("FIN-WAIT-1 to TIME-WAIT when FIN and ACK come together", () => {
  const t = finSent();
  t.send(2, { flags: "FA", seq: 1, ack: 2 });
  t.recv(2, { flags: "A", seq: 2, ack: 2 });
  assert.equal(t.socket.state, "time-wait");
});

Deno.test("CLOSING: both FINs cross", () => {
  const t = finSent();
  t.send(2, { flags: "FA", seq: 1, ack: 1 });
  t.recv(2, { flags: "A", seq: 2, ack: 2 });
  assert.equal(t.socket.state, "closing");
  t.send(3, { seq: 2, ack: 2 });
  assert.equal(t.socket.state, "time-wait");
});

Deno.test("TIME-WAIT acknowledges a repeated FIN, begins to wait anew, and ends", () => {
  const t = finSent();
  t.send(2, { flags: "FA", seq: 1, ack: 2 });
  t.recv(2, { ack: 2 });
  t.send(5_000, { flags: "FA", seq: 1, ack: 2 });
  t.recv(5_000, { flags: "A", seq: 2, ack: 2 });
  t.recvNothing(14_999);
  assert.equal(t.stack.socketCount, 1);
  t.advance(15_000);
  assert.equal(t.stack.socketCount, 0);
  assert.deepEqual(t.events(), ["readable", "closed"]);
});

Deno.test("TIME-WAIT keeps what was not read", () => {
  const t = finSent();
  t.send(2, { flags: "FA", seq: 1, ack: 2, payload: bytesFrom(0, 8) });
  t.advance(20_000);
  assert.equal(t.stack.socketCount, 0);
  assert.deepEqual(t.readAll(), bytesFrom(0, 8));
  assert.ok(t.socket.isReadEnded);
});

Deno.test("TIME-WAIT is over at once for a newer SYN to a listener (RFC 9293 §3.10.7.4 MAY-2)", () => {
  const t = new TcpScript().dialledBy(22);
  t.stack.listen(22);
  t.send(0, { flags: "S", seq: 0 });
  t.recv(0, { flags: "SA" });
  t.send(1, { seq: 1, ack: 1 });
  t.event();
  t.socket.shutdownWrite(1);
  t.send(2, { flags: "FA", seq: 1, ack: 1 });
  t.send(3, { seq: 2, ack: 2 });
  assert.equal(t.socket.state, "time-wait");
  t.skip();
  t.send(4, { flags: "S", seq: 1_000 });
  t.recv(4, { flags: "SA", ack: 1_001 });
});

Deno.test("CLOSE-WAIT may still write, then LAST-ACK, then nothing is left", () => {
  const t = closeWait();
  assert.ok(t.socket.isReadEnded);
  t.act(2, (socket) => socket.write(bytesFrom(0, 4), 2));
  t.recv(2, { flags: "A", seq: 1, ack: 2, payloadBytes: 4 });
  t.act(3, (socket) => socket.shutdownWrite(3));
  assert.equal(t.socket.state, "last-ack");
  t.recv(3, { flags: "FA", seq: 5, ack: 2 });
  t.send(4, { seq: 2, ack: 6 });
  assert.equal(t.stack.socketCount, 0);
  assert.deepEqual(t.events(), ["readable", "closed"]);
});

Deno.test("CLOSE-WAIT acknowledges a repeated FIN", () => {
  const t = closeWait();
  t.send(2, { flags: "FA", seq: 1, ack: 1 });
  t.recv(2, { flags: "A", ack: 2 });
});

Deno.test("A FIN that comes before its data waits for it", () => {
  const t = new TcpScript().establish();
  t.send(1, { flags: "FA", seq: 4, ack: 1 });
  t.recv(1, { flags: "A", ack: 1 });
  assert.equal(t.socket.state, "established");
  t.send(2, { seq: 1, ack: 1, payload: bytesFrom(0, 3) });
  t.recv(2, { flags: "A", ack: 5 });
  assert.equal(t.socket.state, "close-wait");
  assert.deepEqual(t.readAll(), bytesFrom(0, 3));
});

Deno.test("A RST ends every state", async (t) => {
  const makers = { "fin-wait-1": finSent, "close-wait": closeWait };
  for (const [name, make] of Object.entries(makers)) {
    await t.step(name, () => {
      const script = make();
      script.send(9, { flags: "R", seq: name === "close-wait" ? 2 : 1 });
      assert.equal(script.stack.socketCount, 0);
      assert.equal(script.socket.end?.kind, "reset");
    });
  }
});

Deno.test("Connections in TIME-WAIT are bounded: the oldest goes", () => {
  const pair = new StackPair({ seed: 1, left: { timeWaitMs: 1e9 } });
  for (let i = 0; i < MAX_TIME_WAIT + 20; i++) {
    const left = new App({ totalBytes: 10, key: 1, peerKey: 7 });
    const right = new App({ totalBytes: 10, key: 7, peerKey: 1, readFrom: pair.now + 100 });
    pair.connect(left, right);
    pair.runApps(pair.now + 10_000);
    pair.apps.length = 0;
  }
  pair.runUntil(() => pair.right.socketCount === 0, pair.now + 60_000);
  assert.equal(pair.left.socketCount, MAX_TIME_WAIT);
});

Deno.test("A 4-tuple rests for 60 s after it was used", () => {
  const t = new TcpScript();
  const ports = new Set<number>();
  for (let i = 0; i < 2_000; i++) {
    t.now = i;
    t.connect();
    assert.ok(!ports.has(t.socket.localPort), "port used again");
    ports.add(t.socket.localPort);
    t.socket.abort(i);
  }
});
