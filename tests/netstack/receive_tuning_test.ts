/** How much a peer may have under way to us, by the way that it takes and the rate that comes. */
import assert from "node:assert/strict";
import { seqAdd, seqDiff } from "../../lib/base/seq.ts";
import { ReceiveTuning, type ReceiveWay, UNKNOWN_WAY } from "../../lib/netstack/receive_tuning.ts";
import { TcpSocket } from "../../lib/netstack/socket.ts";
import { TcpScript } from "./tcp_script.ts";

const BURST = 50_000;
const WAY: ReceiveWay = { burstBytes: BURST, rttMs: 20 };
/** Wraps within each test. */
const START = 0xffff_ff00;

/** Limits after acknowledgments each `stepMs`, of `bytes` more each time. */
function limits(
  steps: readonly number[],
  { way = WAY, minRttMs = Infinity, stepMs = 20 } = {},
): number[] {
  const tuning = new ReceiveTuning(1_000);
  let rcvNxt = START;
  tuning.limitBytes(rcvNxt, way, minRttMs, 0);
  return steps.map((bytes, i) => {
    rcvNxt = seqAdd(rcvNxt, bytes);
    return tuning.limitBytes(rcvNxt, way, minRttMs, (i + 1) * stepMs);
  });
}

Deno.test("ReceiveTuning allows what the way holds, and twice what a round trip carries", async (t) => {
  const rows = [
    { name: "little comes", steps: [1_000], limit: BURST },
    { name: "much comes", steps: [100_000], limit: 200_000 },
    { name: "a pause is no slower network", steps: [100_000, 0], limit: 200_000 },
    { name: "two are", steps: [100_000, 0, 0], limit: BURST },
    { name: "turns, not round trips", steps: [40_000], way: { ...WAY, rttMs: 1 }, limit: BURST },
    { name: "the connection knows better", steps: [500_000], minRttMs: 10, limit: 500_000 },
    {
      name: "no round trip is known",
      steps: [1],
      way: { ...WAY, rttMs: undefined },
      limit: Infinity,
    },
    { name: "nothing is known", steps: [1], way: UNKNOWN_WAY, minRttMs: 1, limit: Infinity },
  ];
  for (const { name, steps, limit, ...options } of rows) {
    await t.step(name, () => assert.equal(limits(steps, options).at(-1), limit));
  }
});

Deno.test("ReceiveTuning never holds up who doubles with each round trip", () => {
  let windowBytes = BURST;
  const tuning = new ReceiveTuning(1_000);
  let rcvNxt = START;
  tuning.limitBytes(rcvNxt, WAY, Infinity, 0);
  for (let round = 1; round <= 6; round++) {
    // All that was allowed came within a round trip.
    rcvNxt = seqAdd(rcvNxt, windowBytes);
    const limit = tuning.limitBytes(rcvNxt, WAY, Infinity, round * 20);
    assert.equal(limit, 2 * windowBytes);
    windowBytes = limit;
  }
});

Deno.test("ReceiveTuning measures no rate from acknowledgments close together", () => {
  // 100 ACKs in 10 ms, then nothing: what came is spread over the round trip.
  const limit = limits(Array.from({ length: 200 }, () => 500), { stepMs: 0.1 }).at(-1);
  assert.equal(limit, 200_000);
});

Deno.test("the advertised edge waits where the way holds less than was promised, and never moves back (RFC 9293 §3.8.6)", () => {
  const segmentBytes = 1_000;
  const t = new TcpScript().establish({ windowScale: 7 });
  const { destination } = TcpSocket.connectionOf(t.socket);
  assert(destination !== undefined);
  const into = new Uint8Array(segmentBytes);
  let seq = 1;
  const edgeAfterOne = () => {
    t.send(10, { seq, ack: 1, payload: new Uint8Array(segmentBytes) });
    t.socket.read(into, 10);
    t.poll(10);
    t.skip();
    seq += segmentBytes;
    return seqDiff(t.tcb.receive.rcvAdv, t.tcb.receive.rcvNxt) + seq;
  };
  const wide = edgeAfterOne();
  assert(wide > 4_000_000, `${wide}`);
  destination.way = { burstBytes: BURST, rttMs: 1 };
  // A full promise is kept, and not renewed.
  assert.equal(edgeAfterOne(), wide);
  while (t.tcb.receive.windowBytes > BURST) assert(edgeAfterOne() <= wide + BURST);
  for (let i = 0; i < 20; i++) {
    edgeAfterOne();
    const { windowBytes } = t.tcb.receive;
    assert(windowBytes > BURST - 3 * segmentBytes && windowBytes <= BURST, `${windowBytes}`);
  }
  destination.way = UNKNOWN_WAY;
  edgeAfterOne();
  assert(t.tcb.receive.windowBytes > 4_000_000);
});

Deno.test("with another network the least round trip is forgotten: it would keep the window small", () => {
  const t = new TcpScript().establish();
  assert.equal(t.tcb.rtt.minMs, 0);
  t.stack.resume(1_000);
  assert.equal(t.tcb.rtt.minMs, Infinity);
});
