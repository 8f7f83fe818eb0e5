/** Disco messages: the bytes of the original's tests, round trips, and bytes that mean nothing. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { concatBytes, fromHex, toHex } from "../../lib/base/bytes.ts";
import { ENDPOINT_BYTES } from "../../lib/disco/endpoint.ts";
import { type Endpoint, mapIpv4 } from "../../lib/wire/endpoint.ts";
import {
  decodeDiscoMessage,
  encodeCallMeMaybe,
  encodePing,
  encodePong,
  MAX_CALL_ME_MAYBE_ENDPOINTS,
} from "../../lib/disco/message.ts";

const ID = fromHex("0102030405060708090a0b0c");
const NODE_KEY = fromHex("000102" + "00".repeat(27) + "1e1f");
const V4: Endpoint = { address: mapIpv4(new Uint8Array([2, 3, 4, 5])), port: 1234 };
const V6: Endpoint = { address: fromHex("fed00000000000000000000000000012"), port: 6666 };
const PADDED_BYTES = 1_232;

const MAPPED = "00000000000000000000ffff";
const PING = "0102030405060708090a0b0c" + toHex(NODE_KEY);
const PONG_V4 = "0102030405060708090a0b0c" + MAPPED + "0203040504d2";
const PONG_V6 = "0102030405060708090a0b0c" + "fed000000000000000000000000000121a0a";
const CALL = "0300" + MAPPED + "010203040237" + "200100000000000000000000000034560315";

Deno.test("disco messages encode to the original's bytes (coder/tailscale disco/disco_test.go)", async (t) => {
  const padded = { paddedBytes: PADDED_BYTES };
  const rows = [
    {
      name: "ping",
      bytes: encodePing({ transactionId: ID, nodeKey: NODE_KEY }),
      hex: "0100" + PING,
    },
    {
      name: "ping, padded",
      bytes: encodePing({ transactionId: ID, nodeKey: NODE_KEY }, padded),
      hex: "0101" + PING,
    },
    { name: "pong", bytes: encodePong({ transactionId: ID, source: V4 }), hex: "0200" + PONG_V4 },
    {
      name: "pong, padded",
      bytes: encodePong({ transactionId: ID, source: V4 }, padded),
      hex: "0201" + PONG_V4,
    },
    { name: "pongv6", bytes: encodePong({ transactionId: ID, source: V6 }), hex: "0200" + PONG_V6 },
    { name: "call me maybe, nobody", bytes: encodeCallMeMaybe([]), hex: "0300" },
    {
      name: "call me maybe",
      bytes: encodeCallMeMaybe([
        { address: mapIpv4(new Uint8Array([1, 2, 3, 4])), port: 567 },
        { address: fromHex("20010000000000000000000000003456"), port: 789 },
      ]),
      hex: CALL,
    },
  ];
  for (const { name, bytes, hex } of rows) {
    await t.step(name, () => {
      const isPadded = name.endsWith("padded");
      assert.equal(toHex(bytes), isPadded ? hex.padEnd(2 * PADDED_BYTES, "0") : hex);
    });
  }
});

Deno.test("decodeDiscoMessage() reads bare and padded forms alike (coder/tailscale disco/disco_test.go)", async (t) => {
  const ping = { kind: "ping", transactionId: ID, nodeKey: NODE_KEY };
  const rows = [
    { name: "ping, bare", hex: "0100" + PING, message: ping },
    { name: "ping, padded", hex: ("0101" + PING).padEnd(2464, "0"), message: ping },
    { name: "ping, version of the future", hex: "01ff" + PING + "99", message: ping },
    {
      name: "ping without node key",
      hex: "0100" + toHex(ID),
      message: { ...ping, nodeKey: undefined },
    },
    {
      name: "pong",
      hex: "0200" + PONG_V4,
      message: { kind: "pong", transactionId: ID, source: V4 },
    },
    {
      name: "pongv6, padded",
      hex: "0201" + PONG_V6 + "0000",
      message: { kind: "pong", transactionId: ID, source: V6 },
    },
    { name: "call, version 1", hex: "0301" + CALL.slice(4), message: emptyCall() },
    { name: "call, one byte more", hex: CALL + "00", message: emptyCall() },
    { name: "call, nobody", hex: "0300", message: emptyCall() },
    { name: "nothing", hex: "", message: { kind: "invalid", reason: "short" } },
    { name: "type only", hex: "01", message: { kind: "invalid", reason: "short" } },
    { name: "ping, short", hex: "010001", message: { kind: "invalid", reason: "short" } },
    {
      name: "pong, short by one",
      hex: ("0200" + PONG_V4).slice(0, -2),
      message: { kind: "invalid", reason: "short" },
    },
    { name: "type 4", hex: "0400" + PING, message: { kind: "invalid", reason: "type" } },
  ];
  for (const { name, hex, message } of rows) {
    await t.step(name, () => assert.deepEqual(decodeDiscoMessage(fromHex(hex)), message));
  }
});

function emptyCall() {
  return { kind: "callMeMaybe", endpoints: [] };
}

Deno.test("decodeDiscoMessage() undoes encodeCallMeMaybe() for any endpoints", () => {
  const endpoint = fc.record({
    address: fc.uint8Array({ minLength: 16, maxLength: 16 }),
    port: fc.nat(65_535),
  });
  fc.assert(
    fc.property(fc.array(endpoint, { maxLength: MAX_CALL_ME_MAYBE_ENDPOINTS }), (endpoints) => {
      const decoded = decodeDiscoMessage(encodeCallMeMaybe(endpoints));
      assert(decoded.kind === "callMeMaybe");
      assert.deepEqual(
        decoded.endpoints.map(({ address, port }) => [toHex(address), port]),
        endpoints.map(({ address, port }) => [toHex(address), port]),
      );
    }),
  );
});

Deno.test("decodeDiscoMessage() reads no more endpoints than the bound", () => {
  const many = concatBytes(fromHex("0300"), new Uint8Array(1_000 * ENDPOINT_BYTES));
  const decoded = decodeDiscoMessage(many);
  assert(decoded.kind === "callMeMaybe");
  assert.equal(decoded.endpoints.length, MAX_CALL_ME_MAYBE_ENDPOINTS);
  const tooMany = new Array<Endpoint>(MAX_CALL_ME_MAYBE_ENDPOINTS + 1).fill(V4);
  assert.throws(() => encodeCallMeMaybe(tooMany), RangeError);
});

Deno.test("decodeDiscoMessage() throws for no bytes at all", () => {
  const typed = fc.tuple(fc.integer({ min: 0, max: 4 }), fc.uint8Array({ maxLength: 80 }))
    .map(([type, rest]) => concatBytes(new Uint8Array([type]), rest));
  fc.assert(fc.property(fc.oneof(fc.uint8Array({ maxLength: 80 }), typed), (bytes) => {
    decodeDiscoMessage(bytes);
  }));
});
