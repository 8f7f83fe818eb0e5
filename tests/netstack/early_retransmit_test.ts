/** A hole behind which little came is told so often that an agent sees the loss, and needs no timeout of its own. */
import assert from "node:assert/strict";
import { GvisorWorld } from "./gvisor_world.ts";
import { TcpScript } from "./tcp_script.ts";

const MSS = 1_000;
/** What the double of the agent puts into a segment. */
const SEGMENT = 1_184;
/** Before it come the answers to our SYN and to our FIN. */
const FIRST_DATA = 2;

Deno.test("a loss that one or two segments follow is repaired without the agent's timeout", async (t) => {
  for (
    const { segments, lost } of [
      { segments: 2, lost: [0] },
      { segments: 3, lost: [0] },
      { segments: 3, lost: [1] },
      { segments: 10, lost: [7] },
      { segments: 10, lost: [2, 8] },
      { segments: 10, lost: [1, 2, 3, 4, 5, 6, 7, 8] },
    ]
  ) {
    await t.step(`${lost} of ${segments}`, () => {
      const its = segments * SEGMENT;
      const world = new GvisorWorld({ seed: 1, ours: 0, its });
      world.back.lose(lost.map((index) => FIRST_DATA + index));
      world.run(() => world.app.received === its);
      assert.equal(world.peer.timeouts, 0);
      assert.equal(world.peer.fastRecoveries, 1);
      assert.ok(world.now < 150, `done at ${world.now} ms`);
    });
  }
});

function withHole(): TcpScript {
  const t = new TcpScript().establish();
  t.send(1, { seq: 1 + MSS, ack: 1, payload: new Uint8Array(MSS) });
  t.recv(1, { ack: 1, sack: [[1 + MSS, 1 + 2 * MSS - 2]], payloadBytes: 0 });
  return t;
}

Deno.test("each of the missing duplicates says something new, with the same window", () => {
  const t = withHole();
  t.recvNothing(10);
  t.poll(11);
  const { window } = t.recv(11, { ack: 1, sack: [[1 + MSS, 1 + 2 * MSS - 1]], payloadBytes: 0 });
  t.recv(11, { ack: 1, window, sack: [[1 + MSS, 1 + 2 * MSS]], payloadBytes: 0 });
  t.recvNothing(5_000);
});

Deno.test("what was late fills the hole, and nothing more is said", () => {
  const t = withHole();
  t.send(9, { seq: 1, ack: 1, payload: new Uint8Array(MSS) });
  t.recv(9, { ack: 1 + 2 * MSS, sack: [] });
  t.recvNothing(5_000);
});

Deno.test("three that follow say all by themselves", () => {
  const t = withHole();
  t.send(2, { seq: 1 + 2 * MSS, ack: 1, payload: new Uint8Array(MSS) });
  t.recv(2, { ack: 1, sack: [[1 + MSS, 1 + 3 * MSS - 1]] });
  t.send(3, { seq: 1 + 3 * MSS, ack: 1, payload: new Uint8Array(MSS) });
  t.recv(3, { ack: 1, sack: [[1 + MSS, 1 + 4 * MSS]] });
  t.recvNothing(5_000);
});

Deno.test("a second hole is watched when the first was filled", () => {
  const t = withHole();
  t.send(2, { seq: 1 + 3 * MSS, ack: 1, payload: new Uint8Array(MSS) });
  t.recv(2, { ack: 1, sack: [[1 + 3 * MSS, 1 + 4 * MSS - 1], [1 + MSS, 1 + 2 * MSS]] });
  t.send(3, { seq: 1, ack: 1, payload: new Uint8Array(MSS) });
  t.recv(3, { ack: 1 + 2 * MSS, sack: [[1 + 3 * MSS, 1 + 4 * MSS - 3]] });
  t.poll(13);
  t.recv(13, { ack: 1 + 2 * MSS, sack: [[1 + 3 * MSS, 1 + 4 * MSS - 2]] });
  t.recv(13, { ack: 1 + 2 * MSS, sack: [[1 + 3 * MSS, 1 + 4 * MSS - 1]] });
  t.recv(13, { ack: 1 + 2 * MSS, sack: [[1 + 3 * MSS, 1 + 4 * MSS]] });
  t.recvNothing(5_000);
});
