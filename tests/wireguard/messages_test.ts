import { deepStrictEqual, ok, strictEqual } from "node:assert";
import fc from "fast-check";
import { AllowedAddresses } from "../../lib/wireguard/allowed_addresses.ts";
import {
  DataHeaderReader,
  DataHeaderWriter,
  paddedLength,
} from "../../lib/wireguard/data_message.ts";
import { COUNTER_LIMIT } from "../../lib/wireguard/limits.ts";
import {
  decodeCookieReply,
  decodeInitiation,
  decodeResponse,
  encodeCookieReply,
  encodeInitiation,
  encodeResponse,
  MessageType,
  messageTypeOf,
} from "../../lib/wireguard/messages.ts";
import { address, ipv6Packet } from "./support.ts";

const LITTLE_ENDIAN = true;
const index = fc.nat(0xffff_ffff);

function bytes(length: number) {
  return fc.uint8Array({ minLength: length, maxLength: length });
}

Deno.test("messageTypeOf() judges type, reserved bytes and length (whitepaper §5.4)", async (t) => {
  const rows: { name: string; head: number[]; length: number; out: MessageType | undefined }[] = [
    { name: "nothing", head: [], length: 0, out: undefined },
    { name: "initiation", head: [1], length: 148, out: MessageType.initiation },
    { name: "initiation, short", head: [1], length: 147, out: undefined },
    { name: "initiation, long", head: [1], length: 149, out: undefined },
    { name: "response", head: [2], length: 92, out: MessageType.response },
    { name: "response, long", head: [2], length: 148, out: undefined },
    { name: "cookie reply", head: [3], length: 64, out: MessageType.cookieReply },
    { name: "cookie reply, short", head: [3], length: 63, out: undefined },
    { name: "keepalive", head: [4], length: 32, out: MessageType.data },
    { name: "data, short", head: [4], length: 31, out: undefined },
    { name: "data, long", head: [4], length: 1312, out: MessageType.data },
    { name: "reserved byte 1", head: [4, 1], length: 32, out: undefined },
    { name: "reserved byte 3", head: [4, 0, 0, 1], length: 32, out: undefined },
    { name: "type 0", head: [0], length: 148, out: undefined },
    { name: "type 5", head: [5], length: 148, out: undefined },
    { name: "three bytes", head: [4], length: 3, out: undefined },
  ];
  for (const { name, head, length, out } of rows) {
    await t.step(name, () => {
      const datagram = new Uint8Array(length);
      datagram.set(head);
      strictEqual(messageTypeOf(datagram), out);
    });
  }
});

Deno.test("decode of a handshake message undoes its encode", () => {
  fc.assert(fc.property(index, bytes(108), (senderIndex, noiseMessage) => {
    const encoded = encodeInitiation({ senderIndex, noiseMessage });
    strictEqual(messageTypeOf(encoded), MessageType.initiation);
    deepStrictEqual(decodeInitiation(encoded), { senderIndex, noiseMessage });
  }));
  fc.assert(fc.property(index, index, bytes(48), (senderIndex, receiverIndex, noiseMessage) => {
    const encoded = encodeResponse({ senderIndex, receiverIndex, noiseMessage });
    strictEqual(messageTypeOf(encoded), MessageType.response);
    deepStrictEqual(decodeResponse(encoded), { senderIndex, receiverIndex, noiseMessage });
  }));
  fc.assert(fc.property(index, bytes(24), bytes(32), (receiverIndex, nonce, sealedCookie) => {
    const encoded = encodeCookieReply({ receiverIndex, nonce, sealedCookie });
    strictEqual(messageTypeOf(encoded), MessageType.cookieReply);
    deepStrictEqual(decodeCookieReply(encoded), { receiverIndex, nonce, sealedCookie });
  }));
});

Deno.test("DataHeaderReader reads what DataHeaderWriter wrote, beyond 2^32 too", () => {
  const reader = new DataHeaderReader();
  const counter = fc.oneof(
    fc.maxSafeNat().map((n) => n % COUNTER_LIMIT),
    fc.constantFrom(0, 2 ** 32 - 1, 2 ** 32, COUNTER_LIMIT - 1),
  );
  fc.assert(fc.property(index, counter, fc.nat(20), (receiverIndex, value, offset) => {
    const buffer = new Uint8Array(60);
    new DataHeaderWriter(receiverIndex).write(buffer, offset, value);
    ok(reader.read(buffer.subarray(offset)));
    strictEqual(reader.receiverIndex, receiverIndex);
    strictEqual(reader.counter, value);
  }));
});

Deno.test("DataHeaderReader.read() refuses counters from the limit on", async (t) => {
  const limit = BigInt(COUNTER_LIMIT);
  const rows = [
    { counter: limit - 1n, isRead: true },
    { counter: limit, isRead: false },
    { counter: 2n ** 53n, isRead: false },
    { counter: 2n ** 64n - 2n ** 13n - 1n, isRead: false },
    { counter: 2n ** 64n - 1n, isRead: false },
  ];
  for (const { counter, isRead } of rows) {
    await t.step(`${counter}`, () => {
      const datagram = new Uint8Array(32);
      new DataView(datagram.buffer).setBigUint64(8, counter, LITTLE_ENDIAN);
      strictEqual(new DataHeaderReader().read(datagram), isRead);
    });
  }
});

Deno.test("paddedLength() pads to 16, but not beyond the MTU of 1280", async (t) => {
  const rows = [[0, 0], [1, 16], [16, 16], [17, 32], [1265, 1280], [1279, 1280], [1280, 1280], [
    1281,
    1281,
  ], [1300, 1300]] as const;
  for (const [length, padded] of rows) {
    await t.step(`${length}`, () => strictEqual(paddedLength(length), padded));
  }
});

Deno.test("DataHeaderReader.ipv6PacketBytes() cuts padding and refuses lies (RFC 8200 §3)", async (t) => {
  const packet = ipv6Packet({ payloadBytes: 10 });
  const lying = new Uint8Array(packet);
  lying[4] = 1; // payload length 266
  const ipv4 = new Uint8Array(packet);
  ipv4[0] = 0x45;
  const rows = [
    { name: "exact", bytes: packet, length: 50, out: 50 },
    { name: "padded", bytes: packet, length: 64, out: 50 },
    { name: "cut", bytes: packet, length: 49, out: 0 },
    { name: "less than a header", bytes: packet, length: 39, out: 0 },
    { name: "claims too much", bytes: lying, length: 64, out: 0 },
    { name: "IPv4", bytes: ipv4, length: 64, out: 0 },
  ];
  for (const row of rows) {
    await t.step(row.name, () => {
      const plaintext = new Uint8Array(100);
      plaintext.set(row.bytes, 16);
      strictEqual(new DataHeaderReader().ipv6PacketBytes(plaintext, 16, row.length), row.out);
    });
  }
});

Deno.test("AllowedAddresses looks at the source address alone (whitepaper §2)", () => {
  const allowed = new AllowedAddresses([address(7), address(9)]);
  ok(allowed.includeSourceOf(ipv6Packet({ source: address(9) }), 0));
  ok(!allowed.includeSourceOf(ipv6Packet({ source: address(8) }), 0));
  ok(!new AllowedAddresses([]).includeSourceOf(ipv6Packet(), 0));
});
