/**
 * Two stacks over a bad link: every byte arrives once and in order, both ways at once, with half-close. Simulated.
 * A failure names its seed.
 */
import assert from "node:assert/strict";
import { App, type AppOptions, type PairOptions, StackPair } from "./stack_pair.ts";

const HOUR_MS = 3_600_000;

function apps(totalBytes: number, more: Partial<AppOptions> = {}): [App, App] {
  return [
    new App({ totalBytes, key: 1, peerKey: 7, ...more }),
    new App({ totalBytes, key: 7, peerKey: 1, ...more }),
  ];
}

/** Runs `body` and puts the seed into the message of whatever it throws. */
function withSeed(seed: number, body: () => void): void {
  try {
    body();
  } catch (error) {
    throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : error}`, {
      cause: error,
    });
  }
}

function transfer(o: PairOptions, totalBytes: number, more: Partial<AppOptions> = {}): StackPair {
  const pair = new StackPair(o);
  pair.connect(...apps(totalBytes, more));
  pair.runApps(HOUR_MS);
  for (const app of pair.apps) assert.equal(app.received, totalBytes);
  return pair;
}

const ROWS: readonly { name: string; link: NonNullable<PairOptions["link"]> }[] = [
  { name: "clean", link: {} },
  { name: "no delay", link: { delayMs: 0 } },
  { name: "loss 1 %", link: { lossRate: 0.01 } },
  { name: "loss 5 %", link: { lossRate: 0.05 } },
  { name: "loss 10 %", link: { lossRate: 0.1 } },
  { name: "reordering", link: { reorderRate: 0.1, reorderMs: 8 } },
  { name: "jitter", link: { jitterMs: 20 } },
  { name: "duplication", link: { duplicateRate: 0.2 } },
  { name: "rate with a short queue", link: { bytesPerMs: 1250, queuePackets: 40 } },
  {
    name: "everything",
    link: {
      lossRate: 0.05,
      duplicateRate: 0.05,
      reorderRate: 0.1,
      jitterMs: 5,
      bytesPerMs: 2500,
      queuePackets: 64,
    },
  },
];

Deno.test("Two stacks deliver every byte once and in order over a bad link", async (t) => {
  for (const row of ROWS) {
    await t.step(row.name, () => {
      for (let seed = 1; seed <= 4; seed++) {
        withSeed(seed, () => transfer({ seed, link: row.link }, 400_000));
      }
    });
  }
});

Deno.test("Two stacks deliver small writes over a lossy link", () => {
  for (let seed = 1; seed <= 5; seed++) {
    withSeed(seed, () => {
      transfer({ seed, link: { lossRate: 0.05, jitterMs: 3 } }, 60_000, { chunkBytes: 97 });
    });
  }
});

Deno.test("Two stacks fill and reopen a small window (RFC 9293 §3.8.6)", () => {
  for (let seed = 1; seed <= 5; seed++) {
    withSeed(seed, () => {
      const small = { receiveBufferBytes: 8192 };
      transfer(
        { seed, left: small, right: small, link: { lossRate: 0.02 } },
        100_000,
        { readFrom: 3_000, readEveryMs: 50, readBytesPerTurn: 3_000 },
      );
    });
  }
});

Deno.test("A connection survives an outage of two minutes and goes on soon after", () => {
  const pair = new StackPair({ seed: 9, link: { delayMs: 20, bytesPerMs: 1000 } });
  pair.connect(...apps(3_000_000));
  pair.at(500, () => {
    pair.there.isDown = true;
    pair.back.isDown = true;
  });
  pair.at(120_500, () => {
    pair.there.isDown = false;
    pair.back.isDown = false;
  });
  pair.runApps(120_500 + 15_000 + 10_000);
});

Deno.test("resume() retries at once when the network is back", () => {
  const pair = new StackPair({ seed: 9, link: { delayMs: 20, bytesPerMs: 1000 } });
  pair.connect(...apps(3_000_000));
  pair.at(500, () => {
    pair.there.isDown = true;
    pair.back.isDown = true;
  });
  pair.at(120_500, () => {
    pair.there.isDown = false;
    pair.back.isDown = false;
    pair.left.resume(pair.now);
    pair.right.resume(pair.now);
  });
  pair.runApps(120_500 + 6_000);
});

Deno.test("A clock that jumps an hour does not end a connection with data in flight", () => {
  const pair = new StackPair({ seed: 4, link: { delayMs: 20, bytesPerMs: 1000 } });
  pair.connect(...apps(2_000_000));
  pair.at(300, () => {
    pair.there.isDown = true;
    pair.back.isDown = true;
  });
  pair.runUntil(() => pair.now >= 1_000, 20_000);
  pair.now += HOUR_MS;
  pair.there.isDown = false;
  pair.back.isDown = false;
  pair.runApps(pair.now + 60_000);
});

Deno.test("Sequence numbers wrap in both directions", () => {
  const almostZero = { fill: (bytes: Uint8Array): void => void bytes.fill(0xff) };
  const pair = new StackPair({
    seed: 1,
    link: { lossRate: 0.03, reorderRate: 0.05 },
    left: { random: almostZero },
    right: { random: almostZero },
  });
  pair.connect(...apps(300_000));
  pair.runApps(HOUR_MS);
});

Deno.test("A slow start fills a relay's queue of 512 packets with few losses", () => {
  const pair = new StackPair({
    seed: 3,
    link: { delayMs: 20, bytesPerMs: 2_500, queuePackets: 512 },
  });
  pair.connect(
    new App({ totalBytes: 10_000_000, key: 1, peerKey: 7 }),
    new App({ totalBytes: 0, key: 7, peerKey: 1 }),
  );
  const [, reader] = pair.apps;
  pair.runUntil(() => reader?.received === 10_000_000, 60_000);
  assert.ok(pair.there.droppedPackets < pair.there.sentPackets * 0.05);
  assert.ok(pair.now < 10_000_000 / 2_500 / 0.8, `took ${pair.now} ms`);
});
