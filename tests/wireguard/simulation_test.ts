/** Two devices over a seeded link under a clock that jumps. `SIM_SEED` repeats a run that failed. */
import { deepStrictEqual, ok, strictEqual } from "node:assert";
import { generatePrivateKey } from "../../lib/crypto/x25519.ts";
import { MacWriter } from "../../lib/wireguard/cookie.ts";
import { MAX_COOKIE_REPLIES_PER_SECOND } from "../../lib/wireguard/limits.ts";
import { withSeed } from "../sim/link.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { canSeal, Pair, Traffic } from "./support.ts";

/** Milliseconds of a handshake's way there and back over a link of 20 ms. */
const ROUND_TRIP_MS = 40;

function assertEachOnce(received: readonly number[], sent: number): void {
  strictEqual(new Set(received).size, received.length, "a packet came twice");
  strictEqual(received.length, sent, "packets are missing");
}

Deno.test("WireguardDevice connects in one round trip and a half, and stays silent when idle", () => {
  withSeed(1, (random) => {
    const pair = new Pair(random);
    const start = pair.now;
    ok(pair.connect());
    strictEqual(pair.now - start, 1.5 * ROUND_TRIP_MS);
    pair.simulation.runFor(500_000);
    deepStrictEqual([pair.a.outgoing.sent, pair.b.outgoing.sent], [2, 1]);
  });
});

Deno.test("WireguardDevice retries a first contact after 0.5, 1, 2 s, then every 5 s with jitter", () => {
  withSeed(2, (random) => {
    const pair = new Pair(random);
    pair.a.outgoing.isUp = false;
    const start = pair.now;
    pair.a.send(0, pair.now);
    const times: number[] = [];
    while (times.length < 6) {
      const count = pair.a.outgoing.sent;
      pair.simulation.runUntil(() => pair.a.outgoing.sent > count, 20_000);
      times.push(pair.now - start);
    }
    const floors = [500, 1_500, 3_500, 8_500, 13_500, 18_500];
    times.forEach((time, i) => {
      const floor = floors[i] ?? 0;
      ok(
        time >= floor && time < floor + 150 + Math.max(0, i - 2) * 334,
        `retry ${i} at ${time} ms`,
      );
    });
  });
});

Deno.test("WireguardDevice connects although its first initiations are lost", () => {
  withSeed(3, (random) => {
    const pair = new Pair(random);
    pair.a.outgoing.isUp = false;
    pair.a.send(0, pair.now);
    pair.simulation.runFor(700);
    pair.a.outgoing.isUp = true;
    ok(pair.connect(1_000));
  });
});

Deno.test("WireguardDevice connects under loss, reordering and duplication", () => {
  for (let seed = 1; seed <= 25; seed++) {
    withSeed(seed, (random) => {
      const link = { loss: 0.4, jitterMs: 300, duplication: 0.2 };
      const pair = new Pair(random, { link });
      const traffic = new Traffic(pair.a, { intervalMs: 1_000, startAt: pair.now });
      pair.simulation.add(traffic);
      ok(pair.connect(60_000), "no session after a minute");
      pair.simulation.runFor(20_000);
      ok(pair.b.received.length > 0);
    });
  }
});

Deno.test("WireguardDevice renews at 120 s without losing a packet (whitepaper §6.2)", () => {
  withSeed(4, (random) => {
    const pair = new Pair(random, { link: { jitterMs: 30 } });
    ok(pair.connect());
    const toB = new Traffic(pair.a, { intervalMs: 130, startAt: pair.now });
    const toA = new Traffic(pair.b, { intervalMs: 170, startAt: pair.now });
    pair.simulation.add(toB);
    pair.simulation.add(toA);
    pair.simulation.runFor(400_000);
    toA.isPaused = toB.isPaused = true;
    pair.simulation.runFor(1_000);
    deepStrictEqual([toA.refused, toB.refused], [0, 0]);
    assertEachOnce(pair.b.received, toB.sent);
    assertEachOnce(pair.a.received, toA.sent);
    strictEqual(pair.a.device.counters.initiationsSent, 4);
    strictEqual(pair.b.device.counters.initiationsSent, 0); // the responder does not renew
  });
});

Deno.test("WireguardDevice renews when it only receives, and when its peer only receives", () => {
  for (const sender of ["a", "b"] as const) {
    withSeed(5, (random) => {
      const pair = new Pair(random);
      ok(pair.connect());
      const traffic = new Traffic(pair[sender], { intervalMs: 1_000, startAt: pair.now });
      pair.simulation.add(traffic);
      pair.simulation.runFor(900_000);
      traffic.isPaused = true;
      pair.simulation.runFor(1_000);
      strictEqual(traffic.refused, 0);
      assertEachOnce(pair[sender === "a" ? "b" : "a"].received, traffic.sent);
      ok(pair.a.device.counters.initiationsSent <= 8);
    });
  }
});

Deno.test("WireguardDevice renews late when its data was received under keys of 165 s", () => {
  withSeed(6, (random) => {
    const pair = new Pair(random);
    ok(pair.connect());
    pair.simulation.runFor(164_000);
    pair.b.send(1, pair.now);
    pair.simulation.runFor(500);
    strictEqual(pair.a.device.counters.initiationsSent, 1);
    pair.simulation.runFor(1_500);
    pair.b.send(2, pair.now);
    pair.simulation.runFor(500);
    strictEqual(pair.a.device.counters.initiationsSent, 2);
    strictEqual(pair.b.device.counters.responsesSent, 2);
  });
});

Deno.test("WireguardDevice: initiations that cross both lead to a session", () => {
  withSeed(7, (random) => {
    const pair = new Pair(random);
    pair.a.send(0, pair.now);
    pair.b.send(0, pair.now);
    pair.simulation.runFor(100);
    ok(pair.canBothSeal());
    const toB = new Traffic(pair.a, { intervalMs: 1_000, startAt: pair.now });
    const toA = new Traffic(pair.b, { intervalMs: 1_000, startAt: pair.now });
    pair.simulation.add(toB);
    pair.simulation.add(toA);
    pair.simulation.runFor(60_500);
    assertEachOnce(pair.b.received, toB.sent);
    assertEachOnce(pair.a.received, toA.sent);
    deepStrictEqual(
      [pair.a.device.counters.initiationsSent, pair.b.device.counters.initiationsSent],
      [1, 1],
    );
  });
});

Deno.test("WireguardDevice: initiations that cross under loss lead to a session that carries both ways", () => {
  for (let seed = 1; seed <= 25; seed++) {
    withSeed(seed, (random) => {
      const pair = new Pair(random, { link: { loss: 0.35, jitterMs: 200, duplication: 0.1 } });
      const toB = new Traffic(pair.a, { intervalMs: 500, startAt: pair.now });
      const toA = new Traffic(pair.b, { intervalMs: 500, startAt: pair.now });
      pair.simulation.add(toB);
      pair.simulation.add(toA);
      pair.simulation.runFor(60_000);
      const [atA, atB] = [pair.a.received.length, pair.b.received.length];
      pair.simulation.runFor(10_000);
      ok(pair.a.received.length > atA + 5, "nothing reaches a");
      ok(pair.b.received.length > atB + 5, "nothing reaches b");
    });
  }
});

Deno.test("WireguardDevice finds a peer that restarted under the same key and lost its state", () => {
  withSeed(8, (random) => {
    const privateKey = generatePrivateKey(random);
    const pair = new Pair(random, { b: { privateKey } });
    ok(pair.connect());
    pair.b.device = pair.makeDevice({ privateKey });
    pair.introduce();
    const traffic = new Traffic(pair.a, { intervalMs: 1_000, startAt: pair.now });
    pair.simulation.add(traffic);
    // Nothing comes back, so that a new handshake begins after 15 s (whitepaper §6.5).
    ok(pair.simulation.runUntil(() => pair.b.received.length > 0, 16_100));
    ok(pair.b.device.counters.drops["unknown-index"] >= 14);
  });
});

Deno.test("WireguardDevice takes a restarted peer's initiation at once", () => {
  withSeed(9, (random) => {
    const privateKey = generatePrivateKey(random);
    const pair = new Pair(random, { b: { privateKey } });
    ok(pair.connect());
    pair.simulation.runFor(1_000);
    pair.b.device = pair.makeDevice({ privateKey });
    pair.introduce();
    pair.b.send(1, pair.now);
    ok(pair.simulation.runUntil(() => canSeal(pair.b, pair.now), 100));
    pair.b.send(2, pair.now);
    pair.simulation.runFor(100);
    deepStrictEqual(pair.a.received, [2]);
  });
});

Deno.test("WireguardDevice connects to a peer that came back with a new key", () => {
  withSeed(10, (random) => {
    const pair = new Pair(random);
    ok(pair.connect());
    pair.b.device = pair.makeDevice();
    if (pair.a.peer !== undefined) pair.a.device.removePeer(pair.a.peer);
    pair.introduce();
    ok(!canSeal(pair.a, pair.now));
    ok(pair.connect(200));
  });
});

Deno.test("WireguardDevice begins a handshake on the first packet after a sleep", async (t) => {
  const rows = [
    { name: "4 minutes, keys too old", sleptMs: 240_000 },
    { name: "10 minutes, keys erased", sleptMs: 600_000 },
    { name: "10 hours", sleptMs: 36_000_000 },
  ];
  for (const { name, sleptMs } of rows) {
    await t.step(name, () =>
      withSeed(11, (random) => {
        const pair = new Pair(random);
        ok(pair.connect());
        const traffic = new Traffic(pair.a, { intervalMs: 100, startAt: pair.now });
        pair.simulation.add(traffic);
        pair.simulation.runFor(100_000);
        const received = pair.b.received.length;
        pair.simulation.sleep(sleptMs);
        ok(pair.simulation.runUntil(() => pair.b.received.length > received, 250));
        ok(pair.canBothSeal());
      }));
  }
});

Deno.test("WireguardDevice retries quickly after a sleep, while the relay comes back", () => {
  withSeed(12, (random) => {
    const pair = new Pair(random);
    ok(pair.connect());
    pair.simulation.sleep(600_000);
    pair.a.outgoing.isUp = false;
    pair.a.send(1, pair.now);
    pair.simulation.runFor(1_000);
    pair.a.outgoing.isUp = true;
    ok(pair.connect(1_000));
  });
});

Deno.test("WireguardDevice under load asks for a cookie, and takes who shows it (whitepaper §5.3)", () => {
  withSeed(13, (random) => {
    const pair = new Pair(random, { b: { underLoadAbovePerSecond: 0 } });
    const start = pair.now;
    ok(pair.connect());
    ok(pair.now - start < 1_000); // with the first quick retry, not before (§6.6)
    deepStrictEqual(
      [
        pair.b.device.counters.cookieRepliesSent,
        pair.a.device.counters.cookieRepliesReceived,
        pair.a.device.counters.initiationsSent,
        pair.b.device.counters.responsesSent,
      ],
      [1, 1, 2, 1],
    );
  });
});

Deno.test("WireguardDevice under load answers a flood of initiations with a bounded number of cookies", () => {
  withSeed(22, (random) => {
    // Anybody who knows our public key, a relay for one, can make a right mac1.
    const pair = new Pair(random, { b: { underLoadAbovePerSecond: 0 } });
    const initiation = new Uint8Array(148);
    random.fill(initiation);
    initiation.set([1, 0, 0, 0]);
    const macs = new MacWriter(pair.b.device.publicKey);
    const { counters } = pair.b.device;
    for (let second = 1; second <= 3; second++) {
      for (let i = 0; i < 5_000; i++) {
        random.fill(initiation.subarray(4, 12));
        macs.writeMacs(initiation, 0);
        pair.b.device.handleDatagram(initiation.slice(), pair.now + second * 1_000 + i / 10);
      }
      strictEqual(counters.cookieRepliesSent, second * MAX_COOKIE_REPLIES_PER_SECOND);
    }
    strictEqual(counters.drops["rate-limited"], 15_000 - counters.cookieRepliesSent);
    // Once it is over, who asks in earnest gets a cookie and a session.
    pair.simulation.runFor(5_000);
    ok(pair.connect(10_000));
  });
});

Deno.test("WireguardDevice under load itself gets its response with the second try", () => {
  withSeed(14, (random) => {
    const pair = new Pair(random, {
      a: { underLoadAbovePerSecond: 0 },
      b: { underLoadAbovePerSecond: 0 },
    });
    ok(pair.connect(10_000));
    ok(pair.a.device.counters.cookieRepliesSent > 0);
  });
});

Deno.test("WireguardDevice is not disturbed by recorded handshakes, an hour later (whitepaper §5.1)", () => {
  withSeed(15, (random) => {
    const pair = new Pair(random);
    pair.a.outgoing.isTapped = pair.b.outgoing.isTapped = true;
    ok(pair.connect());
    const recorded = [...pair.a.outgoing.tapped, ...pair.b.outgoing.tapped];
    const toB = new Traffic(pair.a, { intervalMs: 10_000, startAt: pair.now });
    pair.simulation.add(toB);
    pair.simulation.runFor(3_600_000);
    const { responsesSent } = pair.b.device.counters;
    for (const datagram of recorded) {
      pair.a.outgoing.send(datagram, pair.now);
      pair.b.outgoing.send(datagram, pair.now);
    }
    pair.simulation.runFor(15_000);
    strictEqual(pair.b.device.counters.responsesSent, responsesSent);
    strictEqual(pair.b.device.counters.drops["old-timestamp"], 1);
    toB.isPaused = true;
    pair.simulation.runFor(1_000);
    assertEachOnce(pair.b.received, toB.sent);
  });
});

Deno.test("WireguardDevice answers data with an empty packet after 10 s of silence (whitepaper §6.5)", () => {
  withSeed(16, (random) => {
    const pair = new Pair(random);
    ok(pair.connect());
    const sent = pair.b.outgoing.sent;
    pair.a.send(1, pair.now);
    pair.simulation.runFor(10_000);
    strictEqual(pair.b.outgoing.sent, sent);
    pair.simulation.runFor(100);
    strictEqual(pair.b.outgoing.sent, sent + 1);
    strictEqual(pair.b.device.counters.keepalivesSent, 1);
    pair.simulation.runFor(100_000); // keepalives are not answered
    strictEqual(pair.b.outgoing.sent, sent + 1);
    strictEqual(pair.a.device.counters.initiationsSent, 1);
  });
});

Deno.test("WireguardDevice sends no empty packet when data goes the other way in time", () => {
  withSeed(17, (random) => {
    const pair = new Pair(random);
    ok(pair.connect());
    for (let i = 0; i < 10; i++) {
      pair.a.send(i, pair.now);
      pair.simulation.runFor(5_000);
      pair.b.send(i, pair.now);
      pair.simulation.runFor(5_000);
    }
    strictEqual(pair.b.device.counters.keepalivesSent, 0);
    strictEqual(pair.a.device.counters.keepalivesSent, 1); // the one that confirms the session
  });
});

Deno.test("WireguardDevice sends persistent keepalives every 25 s of silence, and so stays connected", () => {
  withSeed(18, (random) => {
    const pair = new Pair(random);
    if (pair.a.peer === undefined) throw new Error("No peer");
    pair.a.device.setPersistentKeepalive(pair.a.peer, 25_000, pair.now);
    ok(pair.simulation.runUntil(() => pair.canBothSeal(), 100)); // turning it on begins the handshake
    pair.simulation.runFor(110_000);
    strictEqual(pair.a.device.counters.keepalivesSent, 1 + 4);
    pair.simulation.runFor(2 * 3_600_000);
    ok(pair.canBothSeal());
    deepStrictEqual(pair.a.events.filter((kind) => kind !== "established"), []);
    const sent = pair.a.outgoing.sent;
    pair.a.device.setPersistentKeepalive(pair.a.peer, undefined, pair.now);
    pair.simulation.runFor(3_600_000);
    ok(pair.a.outgoing.sent <= sent + 1);
  });
});

Deno.test("WireguardDevice with persistent keepalive never stops trying", () => {
  withSeed(19, (random) => {
    const pair = new Pair(random);
    if (pair.a.peer === undefined) throw new Error("No peer");
    pair.a.outgoing.isUp = false;
    pair.a.device.setPersistentKeepalive(pair.a.peer, 25_000, pair.now);
    pair.simulation.runFor(3_600_000);
    ok(pair.a.device.counters.handshakesAbandoned > 20);
    pair.a.outgoing.isUp = true;
    ok(pair.simulation.runUntil(() => pair.canBothSeal(), 26_000));
  });
});

Deno.test("WireguardDevice gives an unanswered handshake up, and begins anew with the next packet", () => {
  withSeed(20, (random) => {
    const pair = new Pair(random);
    pair.a.outgoing.isUp = false;
    pair.a.send(0, pair.now);
    const start = pair.now;
    ok(pair.simulation.runUntil(() => pair.a.events.length > 0, 200_000));
    deepStrictEqual(pair.a.events, ["unanswered"]);
    const tookMs = pair.now - start;
    ok(tookMs >= 93_500 && tookMs < 106_000, `gave up after ${tookMs} ms`);
    strictEqual(pair.a.outgoing.sent, 1 + 3 + 18);
    pair.simulation.runFor(3_600_000);
    strictEqual(pair.a.outgoing.sent, 22);
    pair.a.outgoing.isUp = true;
    ok(pair.connect(100));
  });
});

Deno.test("WireguardDevice erases its keys 540 s after the last handshake (whitepaper §6.3)", () => {
  withSeed(21, (random) => {
    const pair = new Pair(random);
    pair.a.outgoing.isTapped = true;
    ok(pair.connect());
    pair.a.send(1, pair.now);
    const old = pair.a.outgoing.tapped.at(-1);
    if (old === undefined) throw new Error("Nothing was sent");
    pair.simulation.runFor(530_000);
    deepStrictEqual([pair.a.events, pair.b.events], [["established"], ["established"]]);
    pair.b.device.handleDatagram(new Uint8Array(old), pair.now);
    strictEqual(pair.b.device.counters.drops["expired-session"], 1);
    pair.simulation.runFor(11_000);
    deepStrictEqual(pair.a.events, ["established", "expired"]);
    deepStrictEqual(pair.b.events, ["established", "expired"]);
    pair.b.device.handleDatagram(new Uint8Array(old), pair.now);
    strictEqual(pair.b.device.counters.drops["unknown-index"], 1); // not even the index is left
    strictEqual(pair.a.device.pollTimeout(), undefined);
    ok(pair.connect(100));
  });
});

Deno.test("WireguardDevice carries packets for hours over a bad link, each at most once", () => {
  withSeed(22, (random) => {
    const pair = new Pair(random, { link: { loss: 0.1, jitterMs: 100, duplication: 0.3 } });
    ok(pair.connect());
    const toB = new Traffic(pair.a, { intervalMs: 3_000, startAt: pair.now });
    const toA = new Traffic(pair.b, { intervalMs: 2_000, startAt: pair.now });
    pair.simulation.add(toB);
    pair.simulation.add(toA);
    pair.simulation.runFor(3 * 3_600_000);
    deepStrictEqual([toA.refused, toB.refused], [0, 0]);
    for (
      const [received, sent] of [[pair.b.received, toB.sent], [pair.a.received, toA.sent]] as const
    ) {
      strictEqual(new Set(received).size, received.length, "a packet came twice");
      ok(received.length > 0.85 * sent, `${received.length} of ${sent} arrived`);
    }
    ok(pair.a.device.counters.drops.replayed > 100);
  });
});

Deno.test("Simulation repeats itself exactly with the same seed", () => {
  function run(): unknown {
    const pair = new Pair(new SeededRandom(23), { link: { loss: 0.2, jitterMs: 50 } });
    const traffic = new Traffic(pair.a, { intervalMs: 500, startAt: pair.now });
    pair.simulation.add(traffic);
    pair.simulation.runFor(130_000);
    return [pair.a.device.counters, pair.b.device.counters, pair.b.received];
  }
  deepStrictEqual(run(), run());
});
