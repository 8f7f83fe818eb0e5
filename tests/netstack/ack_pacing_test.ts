/** What came in one burst is acknowledged in parts where queues on the way are short, so that it is not answered by a burst. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { AckPacing, type Arrivals } from "../../lib/netstack/ack_pacing.ts";
import type { ReceiveWay } from "../../lib/netstack/receive_tuning.ts";
import { TcpSocket } from "../../lib/netstack/socket.ts";
import { GvisorWorld } from "./gvisor_world.ts";
import { TcpScript } from "./tcp_script.ts";

const MSS = 1_000;
const CAPACITY = 12 * MSS;
const WAIT_MS = 2.5;
const QUEUE_PACKETS = 32;
const QUEUE_BYTES = QUEUE_PACKETS * 1_280;
/** As the node says it of a relay. */
const relayWay = (rttMs: number): ReceiveWay => ({
  burstBytes: 1_048_576,
  rttMs,
  queueBytes: QUEUE_BYTES,
  losesNothingElse: true,
});

interface Ack {
  readonly at: number;
  readonly bytes: number;
}

/** Acknowledges all of what comes at these instants, whenever that is allowed. */
function acknowledge(bursts: readonly Ack[], arrivals: Arrivals): Ack[] {
  const pacing = new AckPacing(MSS);
  const acks: Ack[] = [];
  let [waiting, now] = [0, 0];
  const coming = [...bursts];
  for (;;) {
    for (let next = coming[0]; next !== undefined && next.at <= now; next = coming[0]) {
      waiting += next.bytes;
      coming.shift();
    }
    const bytes = waiting === 0 ? 0 : pacing.allowedBytes(waiting, arrivals, now);
    if (bytes > 0) {
      acks.push({ at: now, bytes });
      waiting -= bytes;
      pacing.take(bytes, waiting, now);
    }
    const again = waiting > 0 ? pacing.retryAt(waiting, now) : Infinity;
    const next = Math.min(again, coming[0]?.at ?? Infinity);
    if (next === Infinity) return acks;
    assert.ok(next > now, `asked again at ${next}, which is not after ${now}`);
    now = next;
  }
}

Deno.test("AckPacing spreads a burst of any size over half a round trip, in parts of half a relay's queue or of a short time", () => {
  fc.assert(fc.property(
    fc.record({
      rttMs: fc.integer({ min: 5, max: 500 }),
      segments: fc.integer({ min: 1, max: 2_000 }),
    }),
    ({ rttMs, segments }) => {
      const bytes = segments * MSS;
      const acks = acknowledge([{ at: 0, bytes }], { rttMs, roundTripBytes: 0 });
      const most = Math.max(CAPACITY, 2 * bytes / rttMs * WAIT_MS);
      for (const [i, ack] of acks.entries()) {
        assert.ok(ack.bytes <= most, `${ack.bytes} of ${most}`);
        assert.ok(i === 0 || ack.at - (acks[i - 1]?.at ?? 0) >= 1);
      }
      assert.equal(acks.reduce((sum, ack) => sum + ack.bytes, 0), bytes);
      const lastAt = acks.at(-1)?.at ?? 0;
      // Each wait is rounded up to what timers can do.
      assert.ok(lastAt <= rttMs / 2 + 2 * WAIT_MS, `the last at ${lastAt} of ${rttMs} ms`);
    },
  ));
});

Deno.test("AckPacing: what comes evenly is not held up, at any rate", () => {
  fc.assert(fc.property(
    fc.record({
      rttMs: fc.integer({ min: 5, max: 500 }),
      bytesPerMs: fc.integer({ min: 1, max: 60_000 }),
    }),
    ({ rttMs, bytesPerMs }) => {
      const bursts = Array.from({ length: 200 }, (_, i) => ({ at: i, bytes: bytesPerMs }));
      const acks = acknowledge(bursts, { rttMs, roundTripBytes: bytesPerMs * rttMs });
      let [arrived, acknowledged, next] = [0, 0, 0];
      for (const ack of acks) {
        for (; next < bursts.length && next <= ack.at; next++) arrived += bytesPerMs;
        acknowledged += ack.bytes;
        const behind = arrived - acknowledged;
        assert.ok(behind <= Math.max(CAPACITY, 3 * WAIT_MS * bytesPerMs), `${behind} behind`);
      }
    },
  ));
});

Deno.test("AckPacing holds nothing back on a way whose queues hold all, nor a keystroke on any", () => {
  const pacing = new AckPacing(MSS);
  assert.equal(pacing.allowedBytes(1e6, { rttMs: Infinity, roundTripBytes: 0 }, 0), 1e6);
  const [ack] = acknowledge([{ at: 0, bytes: 1 }], { rttMs: 50, roundTripBytes: 0 });
  assert.deepEqual(ack, { at: 0, bytes: 1 });
});

/** A connection over a relay 50 ms away, by which 40 segments have just come in one turn. */
function burst(): TcpScript {
  const t = new TcpScript().establish({ windowScale: 7 });
  const { destination } = TcpSocket.connectionOf(t.socket);
  assert(destination !== undefined);
  t.stack.resume(1); // the round trip of the handshake took no time
  t.skip();
  destination.way = relayWay(50);
  for (let i = 0; i < 40; i++) {
    t.deliver(10, { seq: 1 + i * MSS, ack: 1, payload: new Uint8Array(MSS) });
  }
  return t;
}

Deno.test("a burst over a relay is acknowledged in parts, and the window with them", () => {
  const t = burst();
  const MOST = 12 * t.tcb.ownMssBytes;
  t.recv(10, { payloadBytes: 0 });
  assert.equal(t.tcb.receive.pacedBytes, 40 * MSS - MOST);
  const edges = [t.tcb.receive.rcvAdv];
  while (t.tcb.receive.pacedBytes > 0) {
    const before = t.tcb.receive.pacedBytes;
    const due = t.stack.pollTimeout();
    assert.ok(due !== undefined && due - t.now >= 1 && due <= 10 + 25 + 5, `next at ${due}`);
    t.poll(due);
    if (t.skip() === 0) continue;
    const acknowledged = before - t.tcb.receive.pacedBytes;
    assert.ok(acknowledged > 0 && acknowledged <= MOST, `${acknowledged} at once`);
    edges.push(t.tcb.receive.rcvAdv);
    const opened = ((edges.at(-1) ?? 0) - (edges.at(-2) ?? 0)) | 0;
    assert.ok(opened >= 0 && opened <= 1.5 * acknowledged + MSS, `${opened} for ${acknowledged}`);
  }
  t.recvNothing(1_000);
});

Deno.test("what is sent meanwhile acknowledges no more than is due, and the rest follows", () => {
  const t = burst();
  t.poll(10);
  const left = t.tcb.receive.pacedBytes;
  t.skip();
  t.act(10.1, (socket) => socket.write(new Uint8Array(9), 10.1));
  t.recv(10.1, { payloadBytes: 9, ack: 1 + 40 * MSS - left });
  t.advance(60);
  assert.equal(t.tcb.receive.pacedBytes, 0);
});

Deno.test("a hole is told of at once, and with it all that came before it: what is not acknowledged then counts as lost", () => {
  const t = burst();
  t.poll(10);
  t.skip();
  assert.ok(t.tcb.receive.pacedBytes > 0);
  t.send(10.5, { seq: 1 + 41 * MSS, ack: 1, payload: new Uint8Array(MSS) });
  t.recv(10.5, { ack: 1 + 40 * MSS, sack: [[1 + 41 * MSS, 1 + 42 * MSS]] });
  // What fills it waits for no other part.
  t.send(11, { seq: 1 + 40 * MSS, ack: 1, payload: new Uint8Array(MSS) });
  t.advance(40);
  assert.equal(t.tcb.receive.pacedBytes, 0);
});

Deno.test("what fills one hole of two is acknowledged at once, with the other", () => {
  const t = burst();
  t.advance(60);
  t.skip();
  const segment = (index: number) => ({
    seq: 1 + index * MSS,
    ack: 1,
    payload: new Uint8Array(MSS),
  });
  t.send(61, segment(60));
  t.send(61, segment(62));
  t.skip();
  for (let i = 40; i < 60; i++) t.deliver(62, segment(i));
  t.recv(62, { ack: 1 + 61 * MSS, sack: [[1 + 62 * MSS, 1 + 63 * MSS]] });
  t.recvNothing(150);
});

Deno.test("an end is acknowledged at once, with all before it", () => {
  const t = burst();
  t.poll(10);
  t.skip();
  t.send(10.5, { flags: "FA", seq: 1 + 40 * MSS, ack: 1 });
  t.recv(10.5, { ack: 2 + 40 * MSS });
  t.recvNothing(60);
});

const TOTAL = 4_000_000;

/** A download from an agent behind a relay that passes 100 MB/s on and queues 32 packets. */
function download(rttMs: number, way: ReceiveWay) {
  const world = new GvisorWorld({
    seed: 1,
    ours: 0,
    its: TOTAL,
    link: { delayMs: rttMs / 2, bytesPerMs: 100_000, queuePackets: QUEUE_PACKETS },
    turnMs: 2,
  });
  world.run(() => true); // what leaves first makes the destination
  world.way = way;
  world.run(() => world.app.received === TOTAL);
  return { bytesPerMs: TOTAL / world.now, dropped: world.back.droppedPackets };
}

Deno.test("a download over a far relay goes on at the rate that its queue passes on, and nothing is dropped", async (t) => {
  const rows = [
    { rttMs: 20, least: 4_000, times: 2 },
    { rttMs: 50, least: 2_000, times: 3 },
    { rttMs: 150, least: 1_000, times: 4 },
  ];
  for (const { rttMs, least, times } of rows) {
    await t.step(`${rttMs} ms`, () => {
      const paced = download(rttMs, relayWay(rttMs));
      assert.ok(paced.bytesPerMs >= least, `${paced.bytesPerMs} KB/s`);
      assert.equal(paced.dropped, 0);
      const plain = download(rttMs, { burstBytes: 1_048_576, rttMs });
      assert.ok(plain.bytesPerMs * times <= paced.bytesPerMs, `${plain.bytesPerMs} KB/s without`);
    });
  }
});
