/** UDP flows of the stack: RFC 768 over IPv6, and the bounds. */
import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { fromHex, toHex } from "../../lib/base/bytes.ts";
import {
  MAX_DATAGRAM_EVENT_BYTES,
  MAX_FLOW_QUEUE_BYTES,
  MAX_UDP_FLOWS,
} from "../../lib/netstack/limits.ts";
import {
  type DropReason,
  Netstack,
  type NetstackEvent,
  type UdpFlow,
} from "../../lib/netstack/mod.ts";
import { Icmpv6Header, Icmpv6Type, writeIcmpv6 } from "../../lib/wire/icmpv6.ts";
import { IPV6_SOURCE_OFFSET, Ipv6Header, NextHeader, writeIpv6 } from "../../lib/wire/ipv6.ts";
import { UdpHeader, writeUdp } from "../../lib/wire/udp.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { addressEndingWith, LEFT, RIGHT } from "./stack_pair.ts";

const HELLO = new TextEncoder().encode("hello");
const MAX_PAYLOAD_BYTES = 1_280 - 40 - 8;

function stackAt(address: Uint8Array, seed = 1): Netstack {
  return new Netstack({ addresses: [address], random: new SeededRandom(seed) });
}

/** All that leaves, polled as by an owner of one way out. */
function takeAll(stack: Netstack): Uint8Array[] {
  const buffer = new Uint8Array(1_400);
  const packets: Uint8Array[] = [];
  for (let n = stack.pollTransmit(buffer, 8, 0); n > 0; n = stack.pollTransmit(buffer, 8, 0)) {
    packets.push(buffer.slice(8, 8 + n));
  }
  return packets;
}

function datagrams(stack: Netstack): Extract<NetstackEvent, { kind: "datagram" }>[] {
  const found = [];
  for (let event = stack.pollEvent(); event; event = stack.pollEvent()) {
    if (event.kind === "datagram") found.push(event);
  }
  return found;
}

interface Ports {
  readonly from: number;
  readonly to: number;
}

function packetOf(payload: Uint8Array, ports: Ports, source = RIGHT, to = LEFT): Uint8Array {
  const packet = new Uint8Array(48 + payload.length);
  const view = new DataView(packet.buffer);
  const ip = Object.assign(new Ipv6Header(), {
    payloadBytes: 8 + payload.length,
    nextHeader: NextHeader.udp,
    hopLimit: 64,
  });
  writeIpv6(view, 0, ip, source, to);
  packet.set(payload, 48);
  const header = Object.assign(new UdpHeader(), {
    sourcePort: ports.from,
    destinationPort: ports.to,
    payloadBytes: payload.length,
  });
  writeUdp(view, 40, IPV6_SOURCE_OFFSET, header);
  return packet;
}

Deno.test("Datagrams.open() sends datagrams with the checksum of the definition (RFC 768, RFC 8200 §8.1)", () => {
  const stack = stackAt(LEFT);
  const flow = stack.datagrams.open({ remote: RIGHT, port: 53 });
  strictEqual(flow.send(HELLO), "queued");
  const [packet = new Uint8Array()] = takeAll(stack);
  const { localPort } = flow.endpoints;
  ok(localPort >= 16_384 && localPort <= 65_535);
  strictEqual(toHex(packet.subarray(0, 8)), "60000000000d1140");
  strictEqual(toHex(packet.subarray(8, 40)), toHex(LEFT) + toHex(RIGHT));
  // The checksum by the definition alone: the one's complement of the one's complement sum (RFC 1071).
  const words = [...pairs(packet.subarray(8, 40)), 13, 17, ...pairs(withoutChecksum(packet))];
  let sum = words.reduce((a, b) => a + b, 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  const expected = (~sum & 0xffff) || 0xffff;
  strictEqual(
    toHex(packet.subarray(40)),
    `${hex16(localPort)}0035000d${hex16(expected)}${toHex(HELLO)}`,
  );
});

function withoutChecksum(packet: Uint8Array): Uint8Array {
  const datagram = packet.slice(40);
  datagram.fill(0, 6, 8);
  return datagram;
}

function pairs(bytes: Uint8Array): number[] {
  return Array.from(
    { length: Math.ceil(bytes.length / 2) },
    (_, i) => (bytes[2 * i] ?? 0) * 256 + (bytes[2 * i + 1] ?? 0),
  );
}

function hex16(value: number): string {
  return value.toString(16).padStart(4, "0");
}

Deno.test("A stored packet arrives, its checksum from another implementation", () => {
  // fd00::2:7 -> fd00::1:9, "hi"; checksum fd00+0002+fd00+0001+000a+0011+0007+0009+000a+6869 -> 9d5c
  const packet = fromHex(
    "60000000000a1140" + toHex(RIGHT) + toHex(LEFT) + "00070009000a9d5c" + "6869",
  );
  const stack = stackAt(LEFT);
  stack.datagrams.accept();
  stack.handlePacket(packet, 0);
  const [event] = datagrams(stack);
  strictEqual(new TextDecoder().decode(event?.data), "hi");
  deepStrictEqual([event?.flow.endpoints.localPort, event?.flow.endpoints.remotePort], [9, 7]);
});

Deno.test("two stacks: a flow that a peer begins is answered, both keep their own", () => {
  const [left, right] = [stackAt(LEFT), stackAt(RIGHT, 2)];
  right.datagrams.accept();
  const flows = [
    left.datagrams.open({ remote: RIGHT, port: 7 }),
    left.datagrams.open({ remote: RIGHT, port: 7 }),
  ];
  for (const payload of [HELLO, new Uint8Array(0), new Uint8Array(MAX_PAYLOAD_BYTES).fill(9)]) {
    for (const flow of flows) strictEqual(flow.send(payload), "queued");
    for (const packet of takeAll(left)) right.handlePacket(packet, 0);
    for (const { flow, data } of datagrams(right)) flow.send(data);
    for (const packet of takeAll(right)) left.handlePacket(packet, 0);
    const back = datagrams(left);
    deepStrictEqual(back.map(({ flow }) => flow), flows);
    for (const { data } of back) deepStrictEqual(data, payload);
  }
});

Deno.test("what is longer than a packet, and what a closed flow is given, is refused", () => {
  const stack = stackAt(LEFT);
  const flow = stack.datagrams.open({ remote: RIGHT, port: 7 });
  strictEqual(flow.send(new Uint8Array(MAX_PAYLOAD_BYTES + 1)), "too-long");
  flow.send(HELLO);
  flow.close();
  flow.close();
  strictEqual(flow.send(HELLO), "closed");
  deepStrictEqual(takeAll(stack), []);
  stack.handlePacket(packetOf(HELLO, { from: 7, to: flow.endpoints.localPort }), 0);
  deepStrictEqual(datagrams(stack), []);
  strictEqual(stack.counters.dropsFor("udp-unmatched"), 1);
});

Deno.test("a datagram is of a flow by both addresses and both ports, and else of nobody", () => {
  const stack = stackAt(LEFT);
  const flow = stack.datagrams.open({ remote: RIGHT, port: 7 });
  const to = flow.endpoints.localPort;
  stack.handlePacket(packetOf(HELLO, { from: 8, to }), 0);
  stack.handlePacket(packetOf(HELLO, { from: 7, to: to ^ 1 }), 0);
  stack.handlePacket(packetOf(HELLO, { from: 7, to }, addressEndingWith(3)), 0);
  deepStrictEqual(datagrams(stack), []);
  strictEqual(stack.counters.dropsFor("udp-unmatched"), 3);
  stack.handlePacket(packetOf(HELLO, { from: 7, to }), 0);
  deepStrictEqual(datagrams(stack).map((one) => one.flow), [flow]);
});

Deno.test("damaged datagrams are dropped by their reason", () => {
  const stack = stackAt(LEFT);
  stack.datagrams.accept();
  const good = packetOf(HELLO, { from: 7, to: 9 });
  const rows: readonly [DropReason, (packet: Uint8Array) => void][] = [
    ["udp-checksum", (packet) => packet[50] = (packet[50] ?? 0) ^ 1],
    ["udp-no-checksum", (packet) => packet.fill(0, 46, 48)],
    ["udp-length", (packet) => packet[45] = 200],
    ["udp-length", (packet) => packet[45] = 7],
  ];
  for (const [reason, damage] of rows) {
    const packet = good.slice();
    damage(packet);
    const before = stack.counters.dropsFor(reason);
    stack.handlePacket(packet, 0);
    strictEqual(stack.counters.dropsFor(reason), before + 1);
  }
  deepStrictEqual(datagrams(stack), []);
});

Deno.test("an ICMPv6 error about a datagram ends no flow (RFC 4443 §3.1)", () => {
  const stack = stackAt(LEFT);
  const flow = stack.datagrams.open({ remote: RIGHT, port: 7 });
  flow.send(HELLO);
  const [sent = new Uint8Array()] = takeAll(stack);
  const packet = new Uint8Array(40 + 8 + sent.length);
  const view = new DataView(packet.buffer);
  const ip = Object.assign(new Ipv6Header(), {
    payloadBytes: 8 + sent.length,
    nextHeader: NextHeader.icmpv6,
    hopLimit: 64,
  });
  writeIpv6(view, 0, ip, RIGHT, LEFT);
  packet.set(sent, 48);
  const header = Object.assign(new Icmpv6Header(), {
    type: Icmpv6Type.destinationUnreachable,
    code: 4, // port unreachable
  });
  writeIcmpv6(view, 40, 8 + sent.length, IPV6_SOURCE_OFFSET, header);
  stack.handlePacket(packet, 0);
  strictEqual(flow.send(HELLO), "queued");
  strictEqual(takeAll(stack).length, 1);
});

Deno.test("what waits to leave is bounded for each flow, and flows take turns", () => {
  const stack = stackAt(LEFT);
  const flow = stack.datagrams.open({ remote: RIGHT, port: 7 });
  let queued = 0;
  while (flow.send(new Uint8Array(1_000)) === "queued") queued++;
  strictEqual(flow.send(new Uint8Array(1_000)), "full");
  strictEqual(queued, Math.floor(MAX_FLOW_QUEUE_BYTES / 1_008));
  const other = stack.datagrams.open({ remote: RIGHT, port: 8 });
  strictEqual(other.send(HELLO), "queued");
  strictEqual(takeAll(stack).length, queued + 1);
  // Empty ones are bounded too.
  queued = 0;
  while (flow.send(new Uint8Array(0)) === "queued") queued++;
  strictEqual(queued, MAX_FLOW_QUEUE_BYTES / 8);
});

Deno.test("flows are bounded, whoever begins them, and make room when they end", () => {
  const stack = stackAt(LEFT);
  stack.datagrams.accept();
  const flows: UdpFlow[] = [];
  for (let i = 0; i < MAX_UDP_FLOWS; i++) {
    stack.handlePacket(packetOf(HELLO, { from: 1_000 + i, to: 9 }), 0);
  }
  flows.push(...datagrams(stack).map(({ flow }) => flow));
  strictEqual(new Set(flows).size, MAX_UDP_FLOWS);
  stack.handlePacket(packetOf(HELLO, { from: 9_999, to: 9 }), 0);
  strictEqual(stack.counters.dropsFor("flows-full"), 1);
  throws(() => stack.datagrams.open({ remote: RIGHT, port: 7 }), /1024 flows are in use/);
  flows[0]?.close();
  stack.handlePacket(packetOf(HELLO, { from: 9_999, to: 9 }), 0);
  strictEqual(datagrams(stack).length, 1);
});

Deno.test("datagrams that nobody polls are bounded, and begin no flow that nobody hears of", () => {
  const stack = stackAt(LEFT);
  stack.datagrams.accept();
  const payload = new Uint8Array(1_000);
  const packet = packetOf(payload, { from: 7, to: 9 });
  for (let i = 0; i < 2_000; i++) stack.handlePacket(packet, 0);
  stack.handlePacket(packetOf(payload, { from: 8, to: 9 }), 0);
  const waiting = datagrams(stack);
  strictEqual(waiting.length, Math.floor(MAX_DATAGRAM_EVENT_BYTES / 1_008));
  strictEqual(stack.counters.dropsFor("datagrams-full"), 2_001 - waiting.length);
  stack.handlePacket(packetOf(payload, { from: 8, to: 9 }), 0);
  strictEqual(datagrams(stack).length, 1);
});

Deno.test("Datagrams.open() gives each flow to one port a port of its own, and throws for a bad address", () => {
  const stack = stackAt(LEFT);
  const ports = new Set<number>();
  for (let i = 0; i < 500; i++) {
    ports.add(stack.datagrams.open({ remote: RIGHT, port: 7 }).endpoints.localPort);
  }
  strictEqual(ports.size, 500);
  throws(() => stack.datagrams.open({ remote: new Uint8Array(4), port: 7 }), RangeError);
});

Deno.test("random UDP packets never throw, and every flow they begin is told", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = new SeededRandom(seed);
    const stack = stackAt(LEFT, seed);
    stack.datagrams.accept();
    const told = new Set<UdpFlow>();
    for (let i = 0; i < 2_000; i++) {
      const packet = packetOf(new Uint8Array(random.below(60)), {
        from: random.below(40),
        to: random.below(4),
      });
      if (random.chance(0.5)) packet[random.below(packet.length)] = random.below(256);
      stack.handlePacket(
        random.chance(0.1) ? packet.subarray(0, random.below(packet.length)) : packet,
        0,
      );
      if (i % 20 === 0) {
        for (const { flow, data } of datagrams(stack)) {
          told.add(flow);
          flow.send(data);
          if (random.chance(0.05)) flow.close();
        }
        takeAll(stack);
      }
    }
    for (const { flow } of datagrams(stack)) told.add(flow);
    ok(told.size > 10, `seed ${seed}`);
    for (const flow of told) flow.close();
    strictEqual(stack.datagrams.waiting().size, 0);
  }
});
