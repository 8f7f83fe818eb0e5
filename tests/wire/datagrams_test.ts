/** IPv6, UDP and ICMPv6 headers. */
import assert from "node:assert/strict";
import { fromHex, toHex } from "../../lib/base/bytes.ts";
import { Icmpv6Header, Icmpv6Type, parseIcmpv6, writeIcmpv6 } from "../../lib/wire/icmpv6.ts";
import {
  addressAt,
  IPV6_HEADER_BYTES,
  IPV6_SOURCE_OFFSET,
  Ipv6Header,
  isAddressAt,
  NextHeader,
  parseIpv6,
  writeIpv6,
} from "../../lib/wire/ipv6.ts";
import { parseUdp, UDP_HEADER_BYTES, UdpHeader, writeUdp } from "../../lib/wire/udp.ts";
import { SeededRandom } from "../support/seeded_random.ts";

const SOURCE = fromHex("fd7a115ca1e000000000000000000001");
const DESTINATION = fromHex("fd7a115ca1e000000000000000000002");

function packetWith(
  nextHeader: number,
  payload: Uint8Array,
): { bytes: Uint8Array; view: DataView } {
  const bytes = new Uint8Array(IPV6_HEADER_BYTES + payload.length);
  const view = new DataView(bytes.buffer);
  const header = new Ipv6Header();
  header.payloadBytes = payload.length;
  header.nextHeader = nextHeader;
  header.hopLimit = 64;
  writeIpv6(view, 0, header, SOURCE, DESTINATION);
  bytes.set(payload, IPV6_HEADER_BYTES);
  return { bytes, view };
}

Deno.test("writeIpv6() lays out the header (RFC 8200 §3), parseIpv6() reads it", () => {
  const { bytes, view } = packetWith(NextHeader.tcp, new Uint8Array(3));
  assert.equal(
    toHex(bytes.subarray(0, IPV6_HEADER_BYTES)),
    "6000000000030640" + toHex(SOURCE) + toHex(DESTINATION),
  );
  const header = new Ipv6Header();
  assert.equal(parseIpv6(view, 0, bytes.length, header), undefined);
  assert.deepEqual({ ...header }, { payloadBytes: 3, nextHeader: 6, hopLimit: 64 });
  assert.deepEqual(addressAt(view, IPV6_SOURCE_OFFSET), SOURCE);
  assert.ok(isAddressAt(view, IPV6_SOURCE_OFFSET, SOURCE));
  assert.ok(!isAddressAt(view, IPV6_SOURCE_OFFSET, DESTINATION));
});

Deno.test("parseIpv6() says why it refuses, and takes padding", async (t) => {
  const { bytes } = packetWith(NextHeader.tcp, new Uint8Array(8));
  const v4 = bytes.slice();
  v4[0] = 0x45;
  const rows = [
    { name: "cut header", in: bytes.subarray(0, 39), out: "ipv6-truncated" },
    { name: "version 4", in: v4, out: "ipv6-version" },
    { name: "cut payload", in: bytes.subarray(0, 47), out: "ipv6-length" },
    {
      name: "padded to 16",
      in: Uint8Array.from([...bytes, ...new Uint8Array(16)]),
      out: undefined,
    },
  ];
  for (const row of rows) {
    await t.step(row.name, () => {
      const view = new DataView(row.in.buffer, row.in.byteOffset, row.in.byteLength);
      assert.equal(parseIpv6(view, 0, row.in.length, new Ipv6Header()), row.out);
    });
  }
});

Deno.test("parseUdp() reads what writeUdp() wrote and notices any changed bit", () => {
  const random = new SeededRandom(8);
  const payload = new Uint8Array(UDP_HEADER_BYTES + 33);
  random.fill(payload);
  const { bytes, view } = packetWith(NextHeader.udp, payload);
  const header = new UdpHeader();
  header.sourcePort = 5353;
  header.destinationPort = 53;
  header.payloadBytes = 33;
  writeUdp(view, IPV6_HEADER_BYTES, IPV6_SOURCE_OFFSET, header);
  const parsed = new UdpHeader();
  const length = payload.length;
  assert.equal(parseUdp(view, IPV6_HEADER_BYTES, length, IPV6_SOURCE_OFFSET, parsed), undefined);
  assert.deepEqual(parsed, header);
  for (let i = IPV6_SOURCE_OFFSET; i < bytes.length; i++) {
    bytes[i] = (bytes[i] ?? 0) ^ 4;
    assert.notEqual(
      parseUdp(view, IPV6_HEADER_BYTES, length, IPV6_SOURCE_OFFSET, parsed),
      undefined,
    );
    bytes[i] = (bytes[i] ?? 0) ^ 4;
  }
});

Deno.test("parseUdp() refuses a datagram without checksum (RFC 8200 §8.1)", () => {
  const { view } = packetWith(NextHeader.udp, fromHex("0001000200080000"));
  const reason = parseUdp(view, IPV6_HEADER_BYTES, 8, IPV6_SOURCE_OFFSET, new UdpHeader());
  assert.equal(reason, "udp-no-checksum");
});

Deno.test("parseIcmpv6() reads what writeIcmpv6() wrote and notices any changed bit", () => {
  const { bytes, view } = packetWith(NextHeader.icmpv6, fromHex("00000000123400017061796c6f6164"));
  const length = bytes.length - IPV6_HEADER_BYTES;
  const header = new Icmpv6Header();
  header.type = Icmpv6Type.echoRequest;
  writeIcmpv6(view, IPV6_HEADER_BYTES, length, IPV6_SOURCE_OFFSET, header);
  const parsed = new Icmpv6Header();
  const parse = () => parseIcmpv6(view, IPV6_HEADER_BYTES, length, IPV6_SOURCE_OFFSET, parsed);
  assert.equal(parse(), undefined);
  assert.equal(parsed.type, Icmpv6Type.echoRequest);
  for (let i = IPV6_SOURCE_OFFSET; i < bytes.length; i++) {
    bytes[i] = (bytes[i] ?? 0) ^ 1;
    assert.equal(parse(), "icmpv6-checksum");
    bytes[i] = (bytes[i] ?? 0) ^ 1;
  }
  assert.equal(
    parseIcmpv6(view, IPV6_HEADER_BYTES, 3, IPV6_SOURCE_OFFSET, parsed),
    "icmpv6-truncated",
  );
});

Deno.test("No decoder of datagrams throws, whatever the bytes", () => {
  const random = new SeededRandom(12);
  for (let i = 0; i < 5_000; i++) {
    const bytes = new Uint8Array(40 + random.below(60));
    random.fill(bytes);
    const view = new DataView(bytes.buffer);
    parseIpv6(view, 0, random.below(bytes.length), new Ipv6Header());
    const length = random.below(bytes.length - 40 + 1);
    parseUdp(view, 40, length, 8, new UdpHeader());
    parseIcmpv6(view, 40, length, 8, new Icmpv6Header());
  }
});
