/** Sealed disco packets and the telling apart of datagrams. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import fc from "fast-check";
import { concatBytes, fromHex, toHex } from "../../lib/base/bytes.ts";
import { precomputeBox } from "../../lib/crypto/box.ts";
import { publicKey } from "../../lib/crypto/x25519.ts";
import { mapIpv4 } from "../../lib/wire/endpoint.ts";
import { encodeCallMeMaybe, encodePing } from "../../lib/disco/message.ts";
import {
  classifyDatagram,
  DISCO_OVERHEAD_BYTES,
  discoSender,
  openDisco,
  sealDisco,
} from "../../lib/disco/packet.ts";
import { encodeStunRequest } from "../../lib/disco/stun.ts";

const A = new Uint8Array(32).fill(1);
const B = new Uint8Array(32).fill(2);
const NONCE = new Uint8Array(24).fill(4);
const ID = fromHex("0102030405060708090a0b0c");
const NODE_KEY = Uint8Array.from({ length: 32 }, (_, i) => 0x40 + i);
const HEADER = "5453f09f92ac" +
  "a4e09292b651c278b9772c569f5fa9bb13d906b46ab68c9df9dc2b4409f8a209" + "04".repeat(24);

function keyOf(ours: Uint8Array, theirs: Uint8Array) {
  const key = precomputeBox(ours, publicKey(theirs));
  assert(key);
  return key;
}

function sealAToB(message: Uint8Array): Uint8Array {
  return sealDisco(keyOf(A, B), { senderKey: publicKey(A), nonce: NONCE, message });
}

Deno.test("sealDisco() seals a bare ping (computed with an independent implementation)", () => {
  const packet = sealAToB(encodePing({ transactionId: ID, nodeKey: NODE_KEY }));
  assert.equal(
    toHex(packet),
    HEADER + "454b81508969f82877243de8df4a95bf245ffa6212539def8e3c6f2383b60c45" +
      "f6ca34ab524c4314249541da76f1b8d50457cd61be65833b3a967b4f39f8",
  );
});

Deno.test("sealDisco() seals a ping padded as agents pad (computed, 1310 bytes)", () => {
  const message = encodePing({ transactionId: ID, nodeKey: NODE_KEY }, {
    paddedBytes: 1_310 - DISCO_OVERHEAD_BYTES,
  });
  const packet = sealAToB(message);
  assert.equal(packet.length, 1_310);
  assert.equal(toHex(packet.subarray(62, 78)), "935143cce90fd5cfd4aa5d9878a54991");
  assert.equal(
    createHash("sha256").update(packet).digest("hex"),
    "a75f6f72c3a6a708ae24f76ee4c390d9095e22f4941fff2d9e6467d84a08a4f1",
  );
});

Deno.test("sealDisco() seals a call-me-maybe (computed with an independent implementation)", () => {
  const packet = sealAToB(encodeCallMeMaybe([
    { address: mapIpv4(new Uint8Array([1, 2, 3, 4])), port: 567 },
    { address: fromHex("20010000000000000000000000003456"), port: 789 },
  ]));
  assert.equal(
    toHex(packet),
    HEADER + "8009c6397eeee4e82ae0c2309cee8072265ffb60115798e98934662977454d06" +
      "b78d72d9340a0b5d6ede0d9738bee8845604ad62eb27",
  );
});

Deno.test("openDisco() opens at the receiver and nowhere else", () => {
  const message = encodePing({ transactionId: ID, nodeKey: NODE_KEY });
  const packet = sealAToB(message);
  assert.deepEqual(discoSender(packet), publicKey(A));
  assert.deepEqual(openDisco(keyOf(B, A), packet), message);
  assert.equal(openDisco(keyOf(B, B), packet), undefined);
});

Deno.test("openDisco() refuses a packet cut anywhere or with one bit flipped", () => {
  const packet = sealAToB(encodeCallMeMaybe([]));
  const key = keyOf(B, A);
  for (let length = 0; length < packet.length; length++) {
    assert.equal(openDisco(key, packet.subarray(0, length)), undefined);
  }
  const senderBits = { from: 6 * 8, to: 38 * 8 }; // authenticated by whose key is tried, not by the box
  for (let bit = 0; bit < packet.length * 8; bit++) {
    if (bit >= senderBits.from && bit < senderBits.to) continue;
    const flipped = new Uint8Array(packet);
    flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    assert.equal(openDisco(key, flipped), undefined);
  }
});

Deno.test("openDisco() and classifyDatagram() throw for no bytes at all", () => {
  const key = keyOf(A, B);
  const disco = fc.uint8Array({ maxLength: 120 })
    .map((rest) => concatBytes(fromHex("5453f09f92ac"), rest));
  fc.assert(fc.property(fc.oneof(fc.uint8Array({ maxLength: 120 }), disco), (bytes) => {
    assert.equal(openDisco(key, bytes), undefined);
    classifyDatagram(bytes);
  }));
});

Deno.test("classifyDatagram() asks in the order STUN, disco, WireGuard", async (t) => {
  const rows = [
    { name: "STUN", datagram: encodeStunRequest(ID), kind: "stun" },
    { name: "disco", datagram: sealAToB(encodeCallMeMaybe([])), kind: "disco" },
    { name: "disco, header only", datagram: fromHex(HEADER), kind: "disco" },
    { name: "disco, cut", datagram: fromHex(HEADER.slice(0, -2)), kind: "unknown" },
    { name: "initiation", datagram: wireguard(1, 148), kind: "wireguard" },
    { name: "response", datagram: wireguard(2, 92), kind: "wireguard" },
    { name: "cookie reply", datagram: wireguard(3, 64), kind: "wireguard" },
    { name: "keepalive", datagram: wireguard(4, 32), kind: "wireguard" },
    { name: "data, cut", datagram: wireguard(4, 31), kind: "unknown" },
    { name: "type 0", datagram: wireguard(0, 148), kind: "unknown" },
    { name: "type 5", datagram: wireguard(5, 148), kind: "unknown" },
    { name: "reserved byte set", datagram: wireguard(0x0104, 148), kind: "unknown" },
    { name: "nothing", datagram: new Uint8Array(), kind: "unknown" },
  ];
  for (const { name, datagram, kind } of rows) {
    await t.step(name, () => assert.equal(classifyDatagram(datagram), kind));
  }
});

function wireguard(firstWord: number, length: number): Uint8Array {
  const datagram = new Uint8Array(length);
  datagram[0] = firstWord & 0xff;
  datagram[1] = firstWord >> 8;
  return datagram;
}
