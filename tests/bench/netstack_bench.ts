/**
 * Megabytes per second from one stack to another in memory, on one core, without crypto.
 * Run: deno run tests/bench/netstack_bench.ts [megabytes]
 */
import { Netstack } from "../../lib/netstack/mod.ts";
import type { TcpSocket } from "../../lib/netstack/mod.ts";
import { SeededRandom } from "../support/seeded_random.ts";

const MEGABYTE = 1_000_000;
const PACKET_ROOM_BYTES = 1536;
const BATCH_PACKETS = 48;
const PORT = 1;

function address(last: number): Uint8Array {
  const bytes = new Uint8Array(16);
  bytes[0] = 0xfd;
  bytes[15] = last;
  return bytes;
}

/** Moves up to a batch of packets; returns how many. */
function move(from: Netstack, to: Netstack, buffer: Uint8Array, now: number): number {
  let packets = 0;
  const views: Uint8Array[] = [];
  while (packets < BATCH_PACKETS) {
    const at = packets * PACKET_ROOM_BYTES;
    const length = from.pollTransmit(buffer, at, now);
    if (length === 0) break;
    views.push(buffer.subarray(at, at + length));
    packets++;
  }
  for (const view of views) to.handlePacket(view, now);
  return packets;
}

interface Side {
  readonly socket: TcpSocket;
  readonly toSend: number;
  sent: number;
  received: number;
}

function pump(side: Side, chunk: Uint8Array, sink: Uint8Array, now: number): void {
  while (side.sent < side.toSend) {
    const taken = side.socket.write(chunk, now);
    side.sent += taken;
    if (taken < chunk.length) break;
  }
  for (let count = side.socket.read(sink, now); count > 0; count = side.socket.read(sink, now)) {
    side.received += count;
  }
}

function run(
  megabytes: number,
  directions: 1 | 2,
): { megabytesPerSecond: number; packets: number } {
  const left = new Netstack({ addresses: [address(1)], random: new SeededRandom(1) });
  const right = new Netstack({ addresses: [address(2)], random: new SeededRandom(2) });
  const buffer = new Uint8Array(BATCH_PACKETS * PACKET_ROOM_BYTES);
  const chunk = new Uint8Array(65_536).map((_, i) => i * 31);
  const sink = new Uint8Array(65_536);
  right.listen(PORT);
  const start = performance.now();
  const now = (): number => performance.now() - start;
  const client = left.connect({ remote: address(2), port: PORT }, now());
  let server: TcpSocket | undefined;
  while (server === undefined) {
    move(left, right, buffer, now());
    move(right, left, buffer, now());
    for (let e = right.pollEvent(); e !== undefined; e = right.pollEvent()) {
      if (e.kind === "accepted") server = e.socket;
    }
  }
  const total = megabytes * MEGABYTE;
  const a: Side = { socket: client, toSend: total, sent: 0, received: 0 };
  const b: Side = { socket: server, toSend: directions === 2 ? total : 0, sent: 0, received: 0 };
  const begun = performance.now();
  while (b.received < a.sent || a.received < b.sent || a.sent < a.toSend || b.sent < b.toSend) {
    const at = now();
    pump(a, chunk, sink, at);
    pump(b, chunk, sink, at);
    const moved = move(left, right, buffer, at) + move(right, left, buffer, at);
    if (moved > 0) continue;
    const due = Math.min(left.pollTimeout() ?? Infinity, right.pollTimeout() ?? Infinity);
    if (due === Infinity) continue; // all done: the loop ends
    while (now() < due);
    left.handleTimeout(now());
    right.handleTimeout(now());
  }
  const seconds = (performance.now() - begun) / 1000;
  const packets = left.counters.packetsOut + right.counters.packetsOut;
  return { megabytesPerSecond: (megabytes * directions) / seconds, packets };
}

const megabytes = Number(Deno.args[0] ?? 300);
for (const directions of [1, 1, 2] as const) {
  const { megabytesPerSecond, packets } = run(megabytes, directions);
  // deno-lint-ignore no-console -- a benchmark's result
  console.log(
    `${directions} direction(s): ${megabytesPerSecond.toFixed(0)} MB/s, ${packets} packets`,
  );
}
