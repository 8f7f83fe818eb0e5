/** What is done for a peer that sent its last in an outage (`lib/netstack/outage.ts`). */
import assert from "node:assert/strict";
import { bytesFrom, TcpScript } from "./tcp_script.ts";

/** Established with keepalives, the last byte heard at 10; the network is back after `silenceMs`, and the peer was asked. */
function backAfter(silenceMs: number): { readonly t: TcpScript; readonly at: number } {
  const t = new TcpScript().establish({}, { keepaliveMs: 1_000_000 });
  t.send(10, { seq: 1, ack: 1, payload: bytesFrom(0, 10) });
  t.recv(10, { ack: 11 });
  const at = 10 + silenceMs;
  t.recvNothing(at);
  t.stack.resume(at);
  t.recv(at, { seq: 0, ack: 11, payloadBytes: 0 });
  return { t, at };
}

Deno.test("A peer whose ACK shows that it sent what was lost finds the window closed, asks, and finds it open", () => {
  for (const silenceMs of [6_000, 8_000, 12_000]) {
    const { t, at } = backAfter(silenceMs);
    t.send(at + 2, { seq: 500, ack: 1 }); // from beyond what we have
    t.recv(at + 2, { seq: 1, ack: 11, window: 0, payloadBytes: 0 });
    // Whose application writes asks all the same: from now on the window is said as it is, and acknowledged nothing.
    assert.ok(t.recv(at + 2, { seq: 1, ack: 10, payloadBytes: 0 }).window > 0);
    t.send(at + 3, { seq: 500, ack: 1 });
    t.recvNothing(at + 3); // each word more would put its question off
    t.send(at + 6_400, { seq: 10, ack: 1, payload: bytesFrom(9, 1) });
    const { window } = t.recv(at + 6_400, { ack: 11, payloadBytes: 0 });
    assert.ok(window > 0);
    t.send(at + 6_401, { seq: 11, ack: 1, payload: bytesFrom(10, 489) });
    t.recv(at + 6_401, { ack: 500 });
    assert.deepEqual(t.readAll(), bytesFrom(0, 499));
  }
});

Deno.test("Data that comes while the window is closed is taken, and opens it", () => {
  const { t, at } = backAfter(7_000);
  t.send(at + 2, { seq: 500, ack: 1 });
  t.recv(at + 2, { ack: 11, window: 0 });
  t.recv(at + 2, { ack: 10 });
  t.act(at + 3, (socket) => socket.write(bytesFrom(0, 5), at + 3));
  assert.ok(t.recv(at + 3, { ack: 10, payloadBytes: 5 }).window > 0);
  t.send(at + 5, { seq: 11, ack: 1, payload: bytesFrom(10, 489) });
  assert.ok(t.recv(at + 5, { ack: 500 }).window > 0);
  assert.deepEqual(t.readAll(), bytesFrom(0, 499));
});

Deno.test("A window that nobody asks for opens by itself", () => {
  const { t, at } = backAfter(7_000);
  t.send(at + 2, { seq: 500, ack: 1 });
  t.recv(at + 2, { ack: 11, window: 0 });
  t.recv(at + 2, { ack: 10 });
  t.advance(at + 2 + 20_000);
  assert.ok(t.recv(at + 2 + 20_000, { ack: 11, payloadBytes: 0 }).window > 0);
});

Deno.test("Nothing of it happens after a short silence, to a peer that misses nothing, or without an outage", () => {
  const short = backAfter(3_000);
  short.t.send(short.at + 2, { seq: 500, ack: 1 });
  short.t.recvNothing(short.at + 2);

  const idle = backAfter(60_000);
  idle.t.send(idle.at + 2, { seq: 11, ack: 1 });
  idle.t.recvNothing(idle.at + 2);
  idle.t.send(idle.at + 6_000, { seq: 500, ack: 1 });
  idle.t.recvNothing(idle.at + 6_000);

  const quiet = new TcpScript().establish();
  quiet.send(60_000, { seq: 500, ack: 1 });
  quiet.recvNothing(60_000);
});
