/** Whole transfers with a double of the agent's TCP, in its versions with and without SACK. A failure names its seed. */
import assert from "node:assert/strict";
import { GvisorWorld as World } from "./gvisor_world.ts";

for (const hasSack of [true, false]) {
  const name = hasSack ? "with SACK (v2.10 and later)" : "without SACK (before v2.10)";

  Deno.test(`Uploads and downloads at once with an agent ${name}, clean and lossy`, () => {
    for (const lossRate of [0, 0.005, 0.03]) {
      for (let seed = 1; seed <= 4; seed++) {
        const world = new World({
          seed,
          ours: 300_000,
          its: 300_000,
          link: { delayMs: 10, lossRate },
          peer: { hasSack, maxRetransmissions: 15 },
        });
        world.run(() =>
          world.app.received === 300_000 && world.peer.received === 300_000 &&
          world.peer.isFinReceived
        );
      }
    }
  });

  Deno.test(`A single loss towards us is repaired without the agent's timeout, ${name}`, () => {
    let recoveries = 0;
    for (let seed = 1; seed <= 20; seed++) {
      const world = new World({
        seed,
        ours: 0,
        its: 600_000,
        link: { delayMs: 10 },
        peer: { hasSack },
      });
      // One packet in the middle of the flight is lost, and we read all the while: the window must not move.
      const { back } = world;
      const send = back.send.bind(back);
      let packets = 0;
      back.send = (packet, now) => {
        const isData = packet.length > 1_000;
        if (!isData || ++packets !== 60 + seed) send(packet, now);
      };
      world.run(() => world.app.received === 600_000);
      assert.equal(world.peer.timeouts, 0, `seed ${seed}`);
      recoveries += world.peer.fastRecoveries;
    }
    assert.equal(recoveries, 20);
  });
}

Deno.test("The agent's stretch ACKs do not hold our upload down", () => {
  const world = new World({ seed: 1, ours: 4_000_000, its: 0, link: { delayMs: 10 } });
  world.run(() => world.peer.received === 4_000_000);
  assert.ok(world.now < 700, `took ${world.now} ms`);
  assert.ok(world.peer.acksSent < 4_000_000 / 1220 / 3, `${world.peer.acksSent} ACKs`);
});

Deno.test("The agent's first window of 24320 bytes is not overrun, although ten segments and more are ready", () => {
  const world = new World({ seed: 1, ours: 200_000, its: 0, link: { delayMs: 20 } });
  world.run(() => world.peer.received === 200_000);
  assert.equal(world.stack.counters.retransmittedSegments, 0);
});

Deno.test("We close our window on the agent: its junk bytes are answered and do no harm", () => {
  const world = new World({
    seed: 1,
    ours: 0,
    its: 100_000,
    stack: { receiveBufferBytes: 16_384 },
    app: { readFrom: 20_000 },
  });
  world.run(() => world.app.received === 100_000);
  assert.ok(world.peer.probesSent >= 4, `${world.peer.probesSent} probes`);
  assert.ok(!world.peer.isDead);
});

Deno.test("The agent closes its window on us and opens it again", () => {
  const world = new World({
    seed: 1,
    ours: 5_000_000,
    its: 0,
    link: { delayMs: 10 },
    peer: { pauseFrom: 100, pauseUntil: 30_000 },
  });
  world.run(() => world.peer.received === 5_000_000);
  assert.ok(world.stack.counters.zeroWindowProbes > 2);
  assert.ok(world.now < 31_500, `took ${world.now} ms`);
});

Deno.test("An agent that takes its window back hears our ACKs meanwhile, and what found no room goes on at once", () => {
  for (let seed = 1; seed <= 10; seed++) {
    const world = new World({
      seed,
      ours: 5_000_000,
      its: 2_000_000,
      link: { delayMs: 10, lossRate: seed % 2 === 0 ? 0.01 : 0 },
      peer: { pauseFrom: 75 + seed, pauseUntil: 60_000, takesWindowBack: true },
    });
    world.run(() => world.app.received === 2_000_000, 20_000);
    world.run(() => world.peer.received === 5_000_000);
    assert.ok(!world.peer.isDead);
    // Where the update of the window is lost, the next question for it is a quarter of a minute away at most.
    assert.ok(world.now < (seed % 2 === 0 ? 76_000 : 60_500), `seed ${seed} took ${world.now} ms`);
  }
});

Deno.test("The agent's keepalive probe is answered", () => {
  const world = new World({ seed: 1, ours: 1_000, its: 1_000 });
  world.run(() => world.app.received === 1_000 && world.peer.isSent);
  const before = world.there.sentPackets;
  world.peer.sendKeepalive();
  world.now += 1;
  world.run(() => world.there.sentPackets > before);
});

Deno.test("The agent gives up after 5 retransmissions in an outage; its RST then ends the connection", () => {
  const world = new World({
    seed: 1,
    ours: 5_000_000,
    its: 5_000_000,
    link: { delayMs: 10, bytesPerMs: 1_000 },
  });
  world.run(() => world.now > 1_000);
  world.there.isDown = true;
  world.back.isDown = true;
  world.run(() => world.peer.isDead, 100_000);
  assert.equal(world.stack.socketCount, 1, "we still hope");
  world.there.isDown = false;
  world.back.isDown = false;
  world.run(() => world.app.socket?.end !== undefined, world.now + 20_000);
  assert.equal(world.app.socket?.end?.kind, "reset");
});
