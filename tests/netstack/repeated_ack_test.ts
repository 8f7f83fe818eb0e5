/** What came again is acknowledged more than once, and so that nobody makes us say more than a little. */
import assert from "node:assert/strict";
import { TcpScript } from "./tcp_script.ts";

const MSS = 1_000;
const OLD = { seq: 1, ack: 1, payload: new Uint8Array(MSS) };

/** A connection without a round trip, over which one segment has come. */
function received(): TcpScript {
  const t = new TcpScript().establish();
  t.send(10, OLD);
  t.recv(10, { ack: 1 + MSS });
  return t.recvNothing(1_000);
}

Deno.test("what came again is acknowledged at once, and three times more, each time later", () => {
  const t = received();
  t.send(2_000, OLD);
  for (const at of [2_000, 2_200, 2_600, 3_400]) {
    t.recv(at, { flags: "A", seq: 1, ack: 1 + MSS, payloadBytes: 0 });
  }
  t.recvNothing(60_000);
});

Deno.test("what is new ends that, in its place or beyond", () => {
  for (const next of [1, 2]) {
    const t = received();
    t.send(2_000, OLD);
    t.recv(2_000, { ack: 1 + MSS });
    t.send(2_100, { ...OLD, seq: 1 + next * MSS });
    t.recv(2_100, { ack: next === 1 ? 1 + 2 * MSS : 1 + MSS });
    t.recvNothing(60_000);
  }
});

Deno.test("a flood of what came before makes us say one ACK for each, and three more in the end", () => {
  const t = received();
  const count = 500;
  for (let i = 0; i < count; i++) {
    t.send(2_000 + 150 * i, OLD);
    assert.equal(t.skip(), 1);
  }
  t.advance(200_000);
  assert.equal(t.skip(), 3);
});

Deno.test("segments that came together are answered together", () => {
  const t = received();
  for (let i = 0; i < 50; i++) t.deliver(2_000, OLD);
  t.advance(60_000);
  assert.equal(t.skip(), 4);
});

Deno.test("nothing is said again of keepalives, nor of a connection that was reset", () => {
  const t = received();
  t.send(2_000, { seq: MSS, ack: 1 });
  t.recv(2_000, { ack: 1 + MSS });
  t.recvNothing(10_000);
  t.send(11_000, OLD);
  t.recv(11_000, { ack: 1 + MSS });
  t.send(11_050, { flags: "RA", seq: 1 + MSS, ack: 1 });
  t.recvNothing(60_000);
});
