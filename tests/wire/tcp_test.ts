import assert from "node:assert/strict";
import { fromHex, toHex } from "../../lib/base/bytes.ts";
import { parseTcp, TcpFlag, TcpHeader, writeTcp } from "../../lib/wire/tcp.ts";
import { SeededRandom } from "../support/seeded_random.ts";

function parse(bytes: Uint8Array): { header: TcpHeader; reason: string | undefined } {
  const header = new TcpHeader();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { header, reason: parseTcp(view, 0, bytes.length, header) };
}

/** A header with these options, data offset to match. */
function withOptions(options: string): Uint8Array {
  const bytes = fromHex("d43100160000000100000002000200ffabcd0000" + options);
  bytes[12] = (bytes.length / 4) << 4;
  return bytes;
}

Deno.test("writeTcp() lays out a SYN's options (RFC 9293 §3.2, RFC 7323 §2.2, RFC 2018 §2)", () => {
  const header = new TcpHeader();
  header.sourcePort = 0xd431;
  header.destinationPort = 22;
  header.seq = 0x01020304;
  header.flags = TcpFlag.syn;
  header.window = 0xffff;
  header.maxSegmentBytes = 1220;
  header.windowScale = 7;
  header.isSackPermitted = true;
  const bytes = new Uint8Array(60);
  const length = writeTcp(new DataView(bytes.buffer), 0, header);
  assert.equal(
    toHex(bytes.subarray(0, length)),
    "d431001601020304000000008002ffff00000000" + "020404c4" + "01010402" + "01030307",
  );
});

Deno.test("parseTcp() reads what writeTcp() wrote", () => {
  for (let seed = 1; seed <= 500; seed++) {
    const random = new SeededRandom(seed);
    const header = new TcpHeader();
    header.sourcePort = random.below(65_536);
    header.destinationPort = random.below(65_536);
    header.seq = random.uint32();
    header.ack = random.uint32();
    header.flags = random.below(64);
    header.window = random.below(65_536);
    if (random.chance(0.5)) {
      header.maxSegmentBytes = 1 + random.below(65_535);
      header.windowScale = random.below(15);
      header.isSackPermitted = random.chance(0.5);
    } else {
      header.sackCount = random.below(5);
      for (let i = 0; i < header.sackCount; i++) {
        header.sackLeft[i] = random.uint32();
        header.sackRight[i] = random.uint32();
      }
    }
    const bytes = new Uint8Array(60);
    const length = writeTcp(new DataView(bytes.buffer), 0, header);
    const { header: parsed, reason } = parse(bytes.subarray(0, length));
    assert.equal(reason, undefined, `seed ${seed}`);
    assert.deepEqual(parsed, header, `seed ${seed}`);
  }
});

Deno.test("parseTcp() reads options in any order, and timestamps", () => {
  const { header, reason } = parse(
    withOptions("01080a0000000a0000000b" + "0402" + "030309" + "020405b4" + "00000000"),
  );
  assert.equal(reason, undefined);
  assert.ok(header.hasTimestamps);
  assert.equal(header.timestampValue, 10);
  assert.equal(header.timestampEcho, 11);
  assert.ok(header.isSackPermitted);
  assert.equal(header.windowScale, 9);
  assert.equal(header.maxSegmentBytes, 1460);
});

Deno.test("parseTcp() says why it refuses, or ignores what it may", async (t) => {
  const rows: { name: string; in: Uint8Array; out: string | undefined }[] = [
    { name: "empty", in: new Uint8Array(0), out: "tcp-truncated" },
    { name: "19 bytes", in: new Uint8Array(19), out: "tcp-truncated" },
    {
      name: "data offset 4",
      in: fromHex("00".repeat(12) + "40" + "00".repeat(7)),
      out: "tcp-data-offset",
    },
    {
      name: "data offset past the end",
      in: fromHex("00".repeat(12) + "60" + "00".repeat(7)),
      out: "tcp-data-offset",
    },
    { name: "option without length", in: withOptions("01010102"), out: "tcp-option" },
    { name: "option of length 0", in: withOptions("02000000"), out: "tcp-option" },
    { name: "option of length 1", in: withOptions("fd010000"), out: "tcp-option" },
    { name: "option past the end", in: withOptions("05220000"), out: "tcp-option" },
    { name: "unknown option", in: withOptions("fd04aaaa"), out: undefined },
    { name: "MSS of a wrong size", in: withOptions("02030501"), out: undefined },
    { name: "bytes behind the end of options", in: withOptions("00ffffff"), out: undefined },
  ];
  for (const row of rows) {
    await t.step(row.name, () => {
      const { header, reason } = parse(row.in);
      assert.equal(reason, row.out);
      assert.equal(header.maxSegmentBytes, 0);
    });
  }
});

Deno.test("parseTcp() limits the window scale to 14 (RFC 7323 §2.3)", () => {
  assert.equal(parse(withOptions("0303ff00")).header.windowScale, 14);
});

Deno.test("parseTcp() never throws, whatever the bytes", () => {
  const random = new SeededRandom(3);
  for (let i = 0; i < 20_000; i++) {
    const bytes = new Uint8Array(random.below(80));
    random.fill(bytes);
    if (bytes.length > 12 && random.chance(0.7)) bytes[12] = (bytes.length >> 2) << 4;
    parse(bytes);
  }
});
