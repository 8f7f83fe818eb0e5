/**
 * Downloads from an agent that move from a relay, which queues megabytes and drops nothing, to a UDP socket, which holds 92
 * datagrams: with the windows that a node says on either, and without them, which shows that this test could fail.
 */
import assert from "node:assert/strict";
import { type ReceiveWay, UNKNOWN_WAY } from "../../lib/netstack/receive_tuning.ts";
import { Draining } from "../../lib/tailnet/draining.ts";
import { GvisorWorld } from "./gvisor_world.ts";

const SOCKET_PACKETS = 92;
const RELAY_QUEUE_PACKETS = 8_192;
/** As the node says it of a relay and of its sockets. */
const RELAY_WAY: ReceiveWay = {
  burstBytes: 1024 * 1024,
  rttMs: undefined,
  queueBytes: 32 * 1_280,
  losesNothingElse: true,
};
const udpWay = (rttMs: number): ReceiveWay => ({ burstBytes: 72 * 1024, rttMs });

const MOVES_AT = 10_000_000;
const TOTAL = 20_000_000;
const LIMIT_MS = 20_000;

const ROWS = [
  {
    name: "from a far relay to the same room",
    relay: { delayMs: 25, bytesPerMs: 10_000 },
    udp: { delayMs: 0.5, bytesPerMs: 50_000 },
    longestGapMs: 50,
    leastBytesPerMs: 20_000,
  },
  {
    name: "all on one machine",
    relay: { delayMs: 0.5, bytesPerMs: 100_000 },
    udp: { delayMs: 0.1, bytesPerMs: 100_000 },
    longestGapMs: 50,
    leastBytesPerMs: 60_000,
  },
  {
    name: "from a far relay to a far peer",
    relay: { delayMs: 25, bytesPerMs: 10_000 },
    udp: { delayMs: 15, bytesPerMs: 10_000 },
    longestGapMs: 50,
    leastBytesPerMs: 7_000,
  },
];

interface MoveOptions {
  readonly isLimited: boolean;
  /** What we say of data that the relay still brings goes over the relay. */
  readonly follows: boolean;
}

const AS_NODES_DO: MoveOptions = { isLimited: true, follows: true };

/** Longest time without progress after the move, and the rate from then on. */
function move(row: typeof ROWS[number], { isLimited, follows }: MoveOptions) {
  const world = new GvisorWorld({
    seed: 1,
    ours: 0,
    its: TOTAL,
    link: { ...row.relay, queuePackets: RELAY_QUEUE_PACKETS },
  });
  world.run(() => world.now > 2 * row.relay.delayMs);
  world.way = isLimited ? RELAY_WAY : UNKNOWN_WAY;
  world.run(() => world.app.received >= MOVES_AT);
  const movedAt = world.now;
  world.way = isLimited ? udpWay(2 * row.udp.delayMs) : UNKNOWN_WAY;
  const link = { ...row.udp, queuePackets: SOCKET_PACKETS };
  world.moveTo(link, follows ? new Draining() : undefined);
  let [longestGapMs, before, beforeAt] = [0, world.app.received, movedAt];
  world.run(() => {
    const { received } = world.app;
    if (received !== before) {
      longestGapMs = Math.max(longestGapMs, world.now - beforeAt);
      [before, beforeAt] = [received, world.now];
    }
    return received === TOTAL;
  }, movedAt + LIMIT_MS);
  return { longestGapMs, bytesPerMs: (TOTAL - MOVES_AT) / (world.now - movedAt) };
}

for (const row of ROWS) {
  Deno.test(`A download that moves from a relay to UDP does not stand still: ${row.name}`, () => {
    const { longestGapMs, bytesPerMs } = move(row, AS_NODES_DO);
    assert.ok(longestGapMs <= row.longestGapMs, `nothing for ${longestGapMs} ms`);
    assert.ok(bytesPerMs >= row.leastBytesPerMs, `${bytesPerMs} KB/s`);
    const without = move(row, { ...AS_NODES_DO, isLimited: false });
    assert.ok(without.longestGapMs > row.longestGapMs, `only ${without.longestGapMs} ms without`);
  });
}

Deno.test("Acknowledgements that overtake what they are about cost a timeout, which those that go its way do not", () => {
  const [far] = ROWS;
  assert.ok(far !== undefined);
  assert.ok(move(far, { ...AS_NODES_DO, follows: false }).longestGapMs >= 200);
  assert.ok(move(far, AS_NODES_DO).longestGapMs <= far.longestGapMs);
});

Deno.test("What may be under way by UDP holds no download up, whatever the path's delay and rate", async (t) => {
  const paths = [
    { delayMs: 5, bytesPerMs: 50_000 },
    { delayMs: 25, bytesPerMs: 5_000 },
    { delayMs: 25, bytesPerMs: 20_000 },
    { delayMs: 75, bytesPerMs: 10_000 },
    { delayMs: 75, bytesPerMs: 40_000 },
  ];
  for (const { delayMs, bytesPerMs } of paths) {
    await t.step(`${2 * delayMs} ms, ${bytesPerMs / 1_000} MB/s`, () => {
      const queuePackets = Math.ceil(2 * delayMs * bytesPerMs / 1_280);
      const tookMs = (way: ReceiveWay) => {
        const link = { delayMs, bytesPerMs, queuePackets };
        const world = new GvisorWorld({ seed: 1, ours: 0, its: MOVES_AT, link });
        world.run(() => world.now > 2 * delayMs);
        world.way = way;
        world.run(() => world.app.received >= MOVES_AT, LIMIT_MS);
        return world.now;
      };
      const [limitedMs, unlimitedMs] = [tookMs(udpWay(2 * delayMs)), tookMs(UNKNOWN_WAY)];
      assert.ok(limitedMs <= 1.1 * unlimitedMs, `${limitedMs} ms instead of ${unlimitedMs}`);
    });
  }
});
