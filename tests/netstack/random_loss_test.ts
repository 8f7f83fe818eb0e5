/** Uploads to an agent over paths that lose at random, and over such as lose for want of room: only the latter say "slower". */
import assert from "node:assert/strict";
import { AckFacts, Congestion } from "../../lib/netstack/congestion.ts";
import { DeliveryRate } from "../../lib/netstack/delivery_rate.ts";
import { FlightPeak } from "../../lib/netstack/flight_peak.ts";
import { GvisorWorld } from "./gvisor_world.ts";
import { TcpScript } from "./tcp_script.ts";

const TOTAL = 6_000_000;
const SEEDS = [11, 12, 13];
const LIMIT_MS = 300_000;
const FAR = { delayMs: 25 };
const MBIT_20 = 2_500;

/** Upload rates in KB/s and the part of the packets that was sent again, over all seeds. */
function upload(link: ConstructorParameters<typeof GvisorWorld>[0]["link"]) {
  let [tookMs, again, sent] = [0, 0, 0];
  for (const seed of SEEDS) {
    const world = new GvisorWorld({
      seed,
      ours: TOTAL,
      its: 0,
      ...(link === undefined ? {} : { link }),
    });
    world.run(() => world.peer.received >= TOTAL, LIMIT_MS);
    tookMs += world.now;
    again += world.stack.counters.retransmittedSegments;
    sent += world.there.sentPackets;
  }
  return { bytesPerMs: SEEDS.length * TOTAL / tookMs, againRate: again / sent };
}

Deno.test("Random losses on a long path do not keep an upload at what CUBIC would make of them", async (t) => {
  // CUBIC alone (RFC 9438) comes to 370, 180 and 110 KB/s here.
  const rows = [
    { lossRate: 0.005, least: 4_000 },
    { lossRate: 0.02, least: 1_000 },
    { lossRate: 0.05, least: 300 },
  ];
  for (const { lossRate, least } of rows) {
    await t.step(`${lossRate * 100} % at 50 ms`, () => {
      const { bytesPerMs, againRate } = upload({ ...FAR, lossRate });
      assert.ok(bytesPerMs >= least, `${bytesPerMs} KB/s`);
      assert.ok(againRate <= 1.3 * lossRate, `${againRate * 100} % sent again`);
    });
  }
});

Deno.test("Losses for want of room are heeded as ever: the path is filled, and little sent in vain", async (t) => {
  for (
    const { queuePackets, most } of [{ queuePackets: 5, most: 0.01 }, {
      queuePackets: 20,
      most: 0.015,
    }]
  ) {
    await t.step(`a queue of ${queuePackets} packets at 20 Mbit/s`, () => {
      const { bytesPerMs, againRate } = upload({ ...FAR, bytesPerMs: MBIT_20, queuePackets });
      assert.ok(bytesPerMs >= 0.4 * MBIT_20, `${bytesPerMs} KB/s`);
      assert.ok(againRate <= most, `${againRate * 100} % sent again`);
    });
  }
});

Deno.test("A few losses do not end slow start, more of them do, and so does a queue", () => {
  const MSS = 1_000;
  const rows = [
    { flight: 20, lost: 2, isQueueing: false, isOver: false },
    { flight: 20, lost: 3, isQueueing: false, isOver: true },
    { flight: 200, lost: 10, isQueueing: false, isOver: false },
    { flight: 200, lost: 11, isQueueing: false, isOver: true },
    { flight: 200, lost: 1, isQueueing: true, isOver: true },
  ];
  for (const { flight, lost, isQueueing, isOver } of rows) {
    const congestion = new Congestion(MSS);
    const facts = Object.assign(new AckFacts(), { bytes: (flight - 10) * MSS, now: 1 });
    congestion.handleAck(facts);
    congestion.handleLoss(flight * MSS, { lostBytes: MSS, isQueueing });
    congestion.handleLoss(flight * MSS, { lostBytes: lost * MSS, isQueueing });
    assert.equal(congestion.isSlowStart, !isOver, `${flight}, ${lost}, ${isQueueing}`);
    const left = isOver ? 0.7 * flight : flight;
    if (!isQueueing) assert.equal(congestion.cwndBytes, left * MSS);
  }
});

Deno.test("A second slow start, after a timeout, ends with any loss", () => {
  const MSS = 1_000;
  const congestion = new Congestion(MSS);
  congestion.handleTimeout(100 * MSS, 1);
  congestion.handleLoss(20 * MSS, { lostBytes: MSS });
  assert.equal(congestion.ssthreshBytes, 14 * MSS);
});

Deno.test("What the window was that lost something is not told by what an ACK of most of it left under way", () => {
  const MSS = 1_220;
  const t = new TcpScript().establish({ window: 65_535, windowScale: 4 });
  t.send(1, { seq: 1, ack: 1 }); // the window, scaled
  const { tcb } = t;
  tcb.congestion.handleTimeout(100 * MSS, 1); // no first slow start
  t.act(1, (socket) => socket.write(new Uint8Array(400 * MSS), 1));
  let acked = 0;
  for (let now = 41; tcb.congestion.isSlowStart; now += 40) {
    acked = tcb.snd.nxt - tcb.snd.una + acked;
    t.send(now, { seq: 1, ack: 1 + acked });
  }
  const flight = tcb.snd.flightSize;
  assert.ok(flight >= 70 * MSS, `${flight / MSS}`);
  t.skip();
  // In one batch: all but the last ten, then that the first of those is missing.
  const at = t.now + 40;
  const end = acked + flight;
  t.deliver(at, { seq: 1, ack: 1 + end - 10 * MSS });
  for (let i = 1; i <= 3; i++) {
    const sack = [[1 + end - 9 * MSS, 1 + end - (9 - i) * MSS]] as const;
    t.deliver(at, { seq: 1, ack: 1 + end - 10 * MSS, sack });
  }
  t.poll(at);
  assert.equal(tcb.phase, "recovery");
  assert.ok(tcb.congestion.cwndBytes >= 0.69 * flight, `${tcb.congestion.cwndBytes / MSS} left`);
});

Deno.test("FlightPeak says the most of this round trip and the one before", () => {
  const peak = new FlightPeak();
  assert.equal(peak.bytes, 0);
  peak.handleSent(10, 0, 10);
  peak.handleSent(30, 0, 30);
  peak.handleSent(25, 9, 34); // within the round trip that began at 10
  assert.equal(peak.bytes, 30);
  peak.handleSent(5, 34, 39);
  assert.equal(peak.bytes, 30);
  peak.handleSent(5, 39, 44);
  assert.equal(peak.bytes, 5);
});

Deno.test("Congestion.handleLoss() leaves what the path holds, 0.7 of the flight at least, and no more than the flight", () => {
  const MSS = 1_000;
  const rows = [
    { flight: 100, path: 0, left: 70 },
    { flight: 100, path: 60, left: 70 },
    { flight: 100, path: 80, left: 80 },
    { flight: 100, path: 95, left: 95 },
    { flight: 100, path: 500, left: 100 },
    { flight: 2, path: 1, left: 2 },
    { flight: 1, path: 500, left: 2 },
  ];
  for (const { flight, path, left } of rows) {
    const congestion = new Congestion(MSS);
    congestion.handleLoss(200 * MSS); // the end of slow start
    congestion.handleLoss(flight * MSS, { pathBytes: path * MSS });
    assert.equal(congestion.cwndBytes, left * MSS, `${flight}, ${path}`);
  }
});

Deno.test("DeliveryRate knows nothing at first, measures whole round trips, and outlives one that brought nothing", () => {
  const rate = new DeliveryRate();
  assert.equal(rate.pathBytes(20), 0);
  rate.handleDelivered(9_999, 20, 0); // the time that it took is not known
  for (let now = 1; now <= 20; now++) rate.handleDelivered(1_000, 20, now);
  assert.equal(rate.pathBytes(20), 20_000);
  assert.equal(rate.pathBytes(Infinity), 0);
  rate.handleDelivered(100, 20, 40);
  assert.equal(rate.pathBytes(20), 20_000);
  rate.handleDelivered(100, 20, 60);
  assert.equal(rate.pathBytes(20), 100);
});
