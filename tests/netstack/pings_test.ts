/** TSMP, ICMPv6 echo, and packets that are not for us. */
import assert from "node:assert/strict";
import { toHex } from "../../lib/base/bytes.ts";
import { MAX_PONGS, MAX_REPLIES } from "../../lib/netstack/limits.ts";
import { Netstack } from "../../lib/netstack/mod.ts";
import { Icmpv6Header, Icmpv6Type, parseIcmpv6, writeIcmpv6 } from "../../lib/wire/icmpv6.ts";
import { IPV6_SOURCE_OFFSET, Ipv6Header, writeIpv6 } from "../../lib/wire/ipv6.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { addressEndingWith, LEFT, RIGHT } from "./stack_pair.ts";

const DATA = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);

function stackAt(address: Uint8Array): Netstack {
  return new Netstack({ addresses: [address], random: new SeededRandom(1) });
}

function take(stack: Netstack): Uint8Array | undefined {
  const buffer = new Uint8Array(1400);
  const length = stack.pollTransmit(buffer, 8, 0);
  return length === 0 ? undefined : buffer.slice(8, 8 + length);
}

function packetOf(nextHeader: number, payload: Uint8Array, to = LEFT): Uint8Array {
  const packet = new Uint8Array(40 + payload.length);
  const header = Object.assign(new Ipv6Header(), {
    payloadBytes: payload.length,
    nextHeader,
    hopLimit: 64,
  });
  writeIpv6(new DataView(packet.buffer), 0, header, RIGHT, to);
  packet.set(payload, 40);
  return packet;
}

Deno.test("ping() sends 49 bytes and the pong brings the data back", () => {
  const left = stackAt(LEFT);
  const right = stackAt(RIGHT);
  left.ping(RIGHT, DATA, 0);
  const ping = take(left);
  assert.ok(ping !== undefined);
  assert.equal(ping.length, 49);
  assert.equal(toHex(ping.subarray(40)), "70" + toHex(DATA));
  right.handlePacket(ping, 0);
  const pong = take(right);
  assert.ok(pong !== undefined);
  assert.equal(toHex(pong.subarray(40)), "6f" + toHex(DATA) + "0000");
  left.handlePacket(pong, 0);
  assert.deepEqual(left.pollEvent(), { kind: "pong", data: DATA, from: RIGHT });
});

Deno.test("An ICMPv6 echo request is answered with its data", () => {
  const message = new Uint8Array(20);
  message.set([0, 7, 0, 9], 4);
  message.fill(0xab, 8);
  const packet = packetOf(58, message);
  const view = new DataView(packet.buffer);
  const header = new Icmpv6Header();
  header.type = Icmpv6Type.echoRequest;
  writeIcmpv6(view, 40, 20, IPV6_SOURCE_OFFSET, header);
  const stack = stackAt(LEFT);
  stack.handlePacket(packet, 0);
  const reply = take(stack);
  assert.ok(reply !== undefined);
  const parsed = new Icmpv6Header();
  assert.equal(
    parseIcmpv6(new DataView(reply.buffer), 40, 20, IPV6_SOURCE_OFFSET, parsed),
    undefined,
  );
  assert.equal(parsed.type, Icmpv6Type.echoReply);
  assert.deepEqual(reply.subarray(44), packet.subarray(44));
  assert.deepEqual(reply.subarray(8, 40), Uint8Array.from([...LEFT, ...RIGHT]));
});

Deno.test("Packets of no use are counted and not answered", async (t) => {
  const rows = [
    {
      name: "another address",
      packet: packetOf(99, DATA, addressEndingWith(9)),
      reason: "not-for-us",
    },
    { name: "another protocol", packet: packetOf(41, DATA), reason: "unknown-protocol" },
    {
      name: "a short ping",
      packet: packetOf(99, Uint8Array.of(0x70, 1)),
      reason: "tsmp-malformed",
    },
    { name: "a wrong echo", packet: packetOf(58, new Uint8Array(8)), reason: "icmpv6-checksum" },
  ] as const;
  for (const row of rows) {
    await t.step(row.name, () => {
      const stack = stackAt(LEFT);
      stack.handlePacket(row.packet, 0);
      assert.equal(take(stack), undefined);
      assert.equal(stack.counters.dropsFor(row.reason), 1);
    });
  }
});

Deno.test("Replies and pongs that nobody takes are bounded", () => {
  const stack = stackAt(LEFT);
  for (let i = 0; i < 1_000; i++) {
    stack.handlePacket(packetOf(99, Uint8Array.of(0x70, ...DATA)), 0);
    stack.handlePacket(packetOf(99, Uint8Array.of(0x6f, ...DATA, 0, 0)), 0);
  }
  assert.equal(stack.counters.dropsFor("replies-full"), 1_000 - MAX_REPLIES);
  assert.equal(stack.counters.dropsFor("pongs-full"), 1_000 - MAX_PONGS);
});

Deno.test("Netstack refuses options out of range and buffers without room", () => {
  const random = new SeededRandom(1);
  assert.throws(() => new Netstack({ addresses: [], random }), RangeError);
  assert.throws(() => new Netstack({ addresses: [LEFT], random, mtuBytes: 1000 }), RangeError);
  assert.throws(() => stackAt(LEFT).pollTransmit(new Uint8Array(1300), 100, 0), RangeError);
  assert.throws(() => stackAt(LEFT).connect({ remote: RIGHT, port: 0 }, 0), RangeError);
  assert.throws(() => stackAt(LEFT).connect({ remote: DATA, port: 1 }, 0), RangeError);
});
