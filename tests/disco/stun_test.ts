/** STUN: the RFC's examples, answers seen in the wild, our own requests, and bytes that mean nothing. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { concatBytes, fromHex, toHex } from "../../lib/base/bytes.ts";
import { mapIpv4 } from "../../lib/wire/endpoint.ts";
import {
  decodeStunRequest,
  decodeStunResponse,
  encodeStunRequest,
  encodeStunResponse,
  isStun,
} from "../../lib/disco/stun.ts";

const ID = fromHex("0102030405060708090a0b0c");
const REQUEST = "000100142112a4420102030405060708090a0b0c802200087461696c6e6f646580280004b32c370f";

Deno.test("encodeStunRequest() asks as Tailscale asks (computed)", () => {
  assert.equal(toHex(encodeStunRequest(ID)), REQUEST);
});

Deno.test("encodeStunResponse() answers for 192.0.2.1:32853 (computed)", () => {
  const endpoint = { address: mapIpv4(new Uint8Array([192, 0, 2, 1])), port: 32_853 };
  assert.equal(
    toHex(encodeStunResponse(ID, endpoint)),
    "0101000c2112a4420102030405060708090a0b0c002000080001a147e112a643",
  );
});

Deno.test("decodeStunResponse() reads what servers answer", async (t) => {
  const v4 = "00000000000000000000ffff";
  const rows = [
    {
      name: "RFC 5769 §2.2, IPv4",
      hex: "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000080001" +
        "a147e112a643000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96",
      id: "b7e7a701bc34d686fa87dfae",
      address: v4 + "c0000201",
      port: 32_853,
    },
    {
      name: "RFC 5769 §2.3, IPv6",
      hex: "010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000140002" +
        "a1470113a9faa5d3f179bc25f4b5bed2b9d900080014a382954e4be67bf11784c97c8292c275bfe3ed41" +
        "80280004c8fb0b4c",
      id: "b7e7a701bc34d686fa87dfae",
      address: "20010db8123456780011223344556677",
      port: 32_853,
    },
    {
      name: "google-1 (tailscale net/stun/stun_test.go)",
      hex: "0101000c2112a4422360b11e3ec68ffa93e08007002000080001c7866957856f",
      id: "2360b11e3ec68ffa93e08007",
      address: v4 + "4845212d",
      port: 59_028,
    },
    {
      name: "stun.sipgate.net, 0x8020 (tailscale net/stun/stun_test.go)",
      hex: "010100442112a442482eb64715e8b28eaead6444000100080001e4ab4845212d0004000800012710d90a" +
        "44980005000800012711d9747a8a802000080001c5b96957856f80220010566f766964612e6f72672030" +
        "2e393600",
      id: "482eb64715e8b28eaead6444",
      address: v4 + "4845212d",
      port: 58_539,
    },
    {
      name: "stun.powervoip.com, MAPPED-ADDRESS only (tailscale net/stun/stun_test.go)",
      hex: "010100242112a4427e57966829f444609d1deaa6000100080001e9d34845212d0004000800010d964d48" +
        "a9d40005000800010d974d48a9d5",
      id: "7e57966829f444609d1deaa6",
      address: v4 + "4845212d",
      port: 59_859,
    },
    {
      name: "in-process pion server, trailing bytes (tailscale net/stun/stun_test.go)",
      hex: "010100242112a442ebc2d36ef471217c4f3e308e8022000a656e64706f696e7465720000002000080001" +
        "ce665e12a44380280004b699bb02010100242112a442",
      id: "ebc2d36ef471217c4f3e308e",
      address: v4 + "7f000001",
      port: 61_300,
    },
    {
      name: "stuntman-server ipv6 (tailscale net/stun/stun_test.go)",
      hex: "010100482112a44206f56685d28af3e69ce341e200010014000290ce260200d1b4cfc10038b231fffeef" +
        "96f6802b001400020d962604a880000200d10000000000c57001002000140002b1dc0710a493b23aa785" +
        "ea38c219620cd714",
      id: "06f56685d28af3e69ce341e2",
      address: "260200d1b4cfc10038b231fffeef96f6",
      port: 37_070,
    },
    {
      name: "software-a, padding of three (tailscale net/stun/stun_test.go)",
      hex: "010100142112a442ebc2d36ef471217c4f3e308e8022000161000000002000080001ce665e12a443",
      id: "ebc2d36ef471217c4f3e308e",
      address: v4 + "7f000001",
      port: 61_300,
    },
  ];
  for (const { name, hex, id, address, port } of rows) {
    await t.step(name, () => {
      const response = decodeStunResponse(fromHex(hex));
      assert(response.kind === "response", JSON.stringify(response));
      assert.equal(toHex(response.transactionId), id);
      assert.equal(toHex(response.endpoint.address), address);
      assert.equal(response.endpoint.port, port);
    });
  }
});

Deno.test("decodeStunResponse() says why it reads nothing", async (t) => {
  const head = "2112a442" + toHex(ID);
  const rows = [
    { name: "a request", hex: REQUEST, reason: "type" },
    { name: "no cookie", hex: "0101000000000000" + toHex(ID), reason: "not-stun" },
    { name: "19 bytes", hex: ("01010000" + head).slice(0, -2), reason: "not-stun" },
    { name: "no attribute", hex: "01010000" + head, reason: "no-address" },
    { name: "longer than the datagram", hex: "01010004" + head, reason: "malformed" },
    { name: "half an attribute", hex: "01010002" + head + "0020", reason: "malformed" },
    { name: "value cut", hex: "01010008" + head + "0020000800010000", reason: "malformed" },
    { name: "family 3", hex: "0101000c" + head + "002000080003a147e112a643", reason: "malformed" },
    {
      name: "IPv6 in 4 bytes",
      hex: "0101000c" + head + "002000080002a147e112a643",
      reason: "malformed",
    },
  ];
  for (const { name, hex, reason } of rows) {
    await t.step(name, () => {
      assert.deepEqual(decodeStunResponse(fromHex(hex)), { kind: "invalid", reason });
    });
  }
});

Deno.test("decodeStunRequest() takes what a strict server takes (tailscale net/stun ParseBindingRequest)", async (t) => {
  assert.deepEqual(decodeStunRequest(fromHex(REQUEST)), { kind: "request", transactionId: ID });
  const rows = [
    { name: "other software", hex: REQUEST.replace("7461696c", "7461696d"), reason: "software" },
    { name: "wrong fingerprint", hex: REQUEST.slice(0, -2) + "10", reason: "fingerprint" },
    {
      name: "no fingerprint",
      hex: "0001000c" + REQUEST.slice(8, -16),
      reason: "fingerprint",
    },
    { name: "a response", hex: "0101" + REQUEST.slice(4), reason: "type" },
  ];
  for (const { name, hex, reason } of rows) {
    await t.step(name, () => {
      assert.deepEqual(decodeStunRequest(fromHex(hex)), { kind: "invalid", reason });
    });
  }
});

Deno.test("decodeStunResponse() undoes encodeStunResponse() for any address", () => {
  const id = fc.uint8Array({ minLength: 12, maxLength: 12 });
  const v4 = fc.uint8Array({ minLength: 4, maxLength: 4 }).map(mapIpv4);
  const v6 = fc.uint8Array({ minLength: 16, maxLength: 16 });
  fc.assert(fc.property(id, fc.oneof(v4, v6), fc.nat(65_535), (transactionId, address, port) => {
    const response = decodeStunResponse(encodeStunResponse(transactionId, { address, port }));
    assert(response.kind === "response");
    assert.equal(toHex(response.transactionId), toHex(transactionId));
    assert.equal(toHex(response.endpoint.address), toHex(address));
    assert.equal(response.endpoint.port, port);
  }));
});

Deno.test("decodeStunResponse() and decodeStunRequest() throw for no bytes at all", () => {
  const stunLike = fc.tuple(fc.constantFrom("0101", "0001"), fc.uint8Array({ maxLength: 60 }))
    .map(([type, rest]) => concatBytes(fromHex(type + "00002112a442"), ID, rest))
    .map((bytes) => {
      bytes[3] = bytes.length - 20;
      return bytes;
    });
  fc.assert(fc.property(fc.oneof(fc.uint8Array({ maxLength: 60 }), stunLike), (bytes) => {
    isStun(bytes);
    decodeStunResponse(bytes);
    decodeStunRequest(bytes);
  }));
});
