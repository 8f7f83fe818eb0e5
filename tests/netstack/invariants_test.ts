/** What must hold inside a connection, where it is hardest: packets that find no room while timers and ACKs go on. */
import assert from "node:assert/strict";
import { App, assertRules, StackPair } from "./stack_pair.ts";
import { TcpScript } from "./tcp_script.ts";

const MSS = 1220;

Deno.test("A tail probe that found no room is not owed any more once all is acknowledged (RFC 8985 §7.3)", () => {
  const t = new TcpScript().establish();
  t.act(10, (socket) => socket.write(new Uint8Array(MSS), 10));
  t.send(60, { seq: 1, ack: 1 + MSS }); // a sample of the round trip
  t.act(70, (socket) => socket.write(new Uint8Array(MSS), 70));
  t.skip();
  const probeAt = t.stack.pollTimeout() ?? 0;
  t.stack.handleTimeout(probeAt); // no room: nothing is polled
  assertRules(t.stack);
  t.stack.handlePacket(t.packet({ seq: 1, ack: 1 + 2 * MSS }), probeAt + 1);
  assertRules(t.stack);
  const before = t.stack.counters.tailProbes;
  t.now = probeAt + 1;
  t.act(probeAt + 2, (socket) => socket.write(new Uint8Array(10), probeAt + 2));
  t.recv(probeAt + 2, { seq: 1 + 2 * MSS, payloadBytes: 10 });
  assert.equal(t.stack.counters.tailProbes, before, "new data went out as a probe of nothing");
});

Deno.test("A tail probe that found no room does not add to a recovery (RFC 8985 §7.2: only before losses)", () => {
  const t = new TcpScript().establish();
  t.act(10, (socket) => socket.write(new Uint8Array(MSS), 10));
  t.send(60, { seq: 1, ack: 1 + MSS });
  t.act(70, (socket) => socket.write(new Uint8Array(5 * MSS), 70));
  t.skip();
  const probeAt = t.stack.pollTimeout() ?? 0;
  t.stack.handleTimeout(probeAt);
  const sack = [[1 + 2 * MSS, 1 + 6 * MSS]] as const;
  t.stack.handlePacket(t.packet({ seq: 1, ack: 1 + MSS, sack }), probeAt + 40);
  assertRules(t.stack);
  assert.equal(t.tcb.phase, "recovery");
});

Deno.test("What must hold in a connection holds after every step, with packets that find no room", () => {
  for (let seed = 1; seed <= 12; seed++) {
    const link = { delayMs: 10, jitterMs: 5, lossRate: 0.03 };
    const pair = new StackPair({ seed, link, stallChance: 0.2 });
    pair.stripSack = seed % 3 === 0;
    pair.connect(
      new App({ totalBytes: 150_000, key: 1, peerKey: 7, chunkBytes: 3_000 }),
      new App({ totalBytes: 100_000, key: 7, peerKey: 1, readBytesPerTurn: 2_000, readEveryMs: 3 }),
    );
    try {
      pair.runApps(600_000);
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
  }
});
