/** Uploads over a relay, which queues 32 packets for the agent, drops what finds no room there, and loses nothing else. */
import assert from "node:assert/strict";
import type { SendWay } from "../../lib/netstack/mod.ts";
import { Pacer } from "../../lib/netstack/pacer.ts";
import { TcpSocket } from "../../lib/netstack/socket.ts";
import { GvisorWorld } from "./gvisor_world.ts";
import { TcpScript } from "./tcp_script.ts";

const MSS = 1_220;
const QUEUE_PACKETS = 32;
/** As the node says it of a relay, and of anything else. */
const RELAY_WAY: SendWay = { queueBytes: QUEUE_PACKETS * 1_280 };
const OTHER_WAY: SendWay = {};
const TOTAL = 4_000_000;

/** What leaves at `now` at most, a segment at a time. */
function burst(pacer: Pacer, now: number, way: SendWay, srttMs: number): number {
  let segments = 0;
  pacer.handleWay(way, srttMs);
  for (; pacer.canSend(now, 1_000 * MSS, srttMs); segments++) pacer.take(MSS);
  return segments;
}

Deno.test("Pacer: a burst is a part of the relay's queue, and on other ways what it was", () => {
  const rows = [
    { name: "relay, 50 ms", way: RELAY_WAY, srttMs: 50, most: 13 },
    { name: "relay in the same room", way: RELAY_WAY, srttMs: 1, most: 128 },
    { name: "relay, no round trip known yet", way: RELAY_WAY, srttMs: -1, most: 128 },
    { name: "other, 50 ms", way: OTHER_WAY, srttMs: 50, most: 128 },
  ];
  for (const { name, way, srttMs, most } of rows) {
    const pacer = new Pacer(MSS);
    assert.equal(burst(pacer, 1_000, way, srttMs), most, name);
    assert.equal(burst(pacer, 60_000, way, srttMs), most, `${name}, after a pause`);
  }
  const pacer = new Pacer(MSS);
  burst(pacer, 1_000, RELAY_WAY, 50);
  assert.equal(burst(pacer, 60_000, OTHER_WAY, 50), 128, "moved off the relay");
  assert.equal(burst(pacer, 120_000, RELAY_WAY, 50), 13, "and back");
});

for (
  const { name, way, isSlowStart } of [
    { name: "over a relay one loss ends slow start", way: RELAY_WAY, isSlowStart: false },
    { name: "on other ways a loss of many does not", way: OTHER_WAY, isSlowStart: true },
  ]
) {
  Deno.test(name, () => {
    const t = new TcpScript().establish({ window: 65_535, windowScale: 7 });
    t.act(1, (socket) => socket.write(new Uint8Array(40 * MSS), 1));
    t.send(51, { seq: 1, ack: 1 + 10 * MSS });
    const { destination } = TcpSocket.connectionOf(t.socket);
    assert.ok(destination !== undefined);
    destination.sendWay = way;
    t.send(101, { seq: 1, ack: 1 + 20 * MSS });
    const flight = t.tcb.snd.flightSize;
    const sack = [[1 + 21 * MSS, 1 + 24 * MSS]] as const;
    t.send(151, { seq: 1, ack: 1 + 20 * MSS, sack });
    assert.equal(t.tcb.phase, "recovery");
    assert.equal(t.tcb.congestion.isSlowStart, isSlowStart);
    if (!isSlowStart) assert.ok(t.tcb.congestion.cwndBytes < flight);
  });
}

/** Over a relay that passes 60 MB/s on. */
function upload(rttMs: number, way: SendWay) {
  const world = new GvisorWorld({
    seed: 1,
    ours: TOTAL,
    its: 0,
    link: { delayMs: rttMs / 2, bytesPerMs: 60_000, queuePackets: QUEUE_PACKETS },
    turnMs: 2,
  });
  world.run(() => true); // what leaves first makes the destination
  world.sendWay = way;
  world.run(() => world.peer.received === TOTAL);
  return { bytesPerMs: TOTAL / world.now, dropped: world.there.droppedPackets };
}

Deno.test("an upload over a far relay goes on at the rate that its queue passes on, and nothing is dropped", async (t) => {
  const rows = [
    { rttMs: 20, least: 6_000, times: 3 },
    { rttMs: 50, least: 4_000, times: 4 },
    { rttMs: 150, least: 1_500, times: 5 },
  ];
  for (const { rttMs, least, times } of rows) {
    await t.step(`${rttMs} ms`, () => {
      const paced = upload(rttMs, RELAY_WAY);
      assert.ok(paced.bytesPerMs >= least, `${paced.bytesPerMs} KB/s`);
      assert.equal(paced.dropped, 0);
      const plain = upload(rttMs, OTHER_WAY);
      assert.ok(plain.bytesPerMs * times <= paced.bytesPerMs, `${plain.bytesPerMs} KB/s without`);
    });
  }
});
