import assert from "node:assert/strict";
import { fromHex, toHex } from "../../lib/base/bytes.ts";
import {
  addressOfUuid,
  CODER_PREFIX,
  formatIpv6,
  formatUuid,
  nodeIdOfUuid,
  parseIpv4,
  parseIpv6Text,
  parseUuid,
  randomAddress,
  randomNodeId,
  randomUuid,
} from "../../lib/tailnet/address.ts";
import { SeededRandom } from "../support/seeded_random.ts";

const AGENT = "3a5b2a46-b6af-4365-8859-479cedf5c885";

function uuid(text: string): Uint8Array {
  const bytes = parseUuid(text);
  assert.ok(bytes !== undefined);
  return bytes;
}

Deno.test("addressOfUuid() replaces six bytes (docs/protocol/coordinator.md#addresses-and-ids)", () => {
  assert.equal(formatIpv6(addressOfUuid(uuid(AGENT))), "fd7a:115c:a1e0:4365:8859:479c:edf5:c885");
  assert.equal(
    formatIpv6(addressOfUuid(uuid(AGENT), CODER_PREFIX)),
    "fd60:627a:a42b:4365:8859:479c:edf5:c885",
  );
});

Deno.test("nodeIdOfUuid() is the last eight bytes without their sign (docs/protocol/coordinator.md#addresses-and-ids)", () => {
  // From the capture: agent 2f53a9b3-… announced this id.
  assert.equal(nodeIdOfUuid(uuid("2f53a9b3-05b9-4a5b-80a6-64dd44560209")), 9176536289223769591n);
  assert.equal(nodeIdOfUuid(uuid("00000000-0000-0000-0000-000000000005")), 5n);
});

Deno.test("random ids, addresses and UUIDs have their shape", () => {
  for (let seed = 0; seed < 50; seed++) {
    const random = new SeededRandom(seed);
    const id = randomNodeId(random);
    assert.ok(id > 0n && id < 1n << 63n);
    assert.ok(toHex(randomAddress(random)).startsWith("fd7a115ca1e0"));
    assert.match(formatUuid(randomUuid(random)), /^.{14}4.{4}[89ab]/);
  }
});

Deno.test("parseUuid() and formatUuid() are inverse, other texts are none", () => {
  assert.equal(formatUuid(uuid(AGENT.toUpperCase())), AGENT);
  for (const text of ["", AGENT.slice(1), AGENT.replaceAll("-", ""), `${AGENT} `, `{${AGENT}}`]) {
    assert.equal(parseUuid(text), undefined);
  }
});

Deno.test("IPv6 texts (RFC 4291 §2.2, RFC 5952 §4)", async (t) => {
  const rows: { text: string; out: string | undefined }[] = [
    { text: "::", out: "::" },
    { text: "::1", out: "::1" },
    { text: "1::", out: "1::" },
    { text: "FD7A:115C:A1E0::0:1", out: "fd7a:115c:a1e0::1" },
    { text: "2001:db8:0:0:1:0:0:1", out: "2001:db8::1:0:0:1" },
    { text: "2001:db8:0:1:1:1:1:1", out: "2001:db8:0:1:1:1:1:1" },
    { text: "1:2:3:4:5:6:7:8", out: "1:2:3:4:5:6:7:8" },
    { text: "1:2:3:4:5:6:7::", out: "1:2:3:4:5:6:7:0" },
    { text: "1:2:3:4:5:6:7::8", out: undefined },
    { text: "1::2::3", out: undefined },
    { text: "1:2:3", out: undefined },
    { text: "12345::", out: undefined },
    { text: "fe80::1%eth0", out: undefined },
    { text: ":1::", out: undefined },
    { text: "", out: undefined },
  ];
  for (const { text, out } of rows) {
    await t.step(text === "" ? "empty" : text, () => {
      const bytes = parseIpv6Text(text);
      assert.equal(bytes === undefined ? undefined : formatIpv6(bytes), out);
    });
  }
});

Deno.test("formatIpv6() and parseIpv6Text() are inverse", () => {
  const random = new SeededRandom(5);
  for (let i = 0; i < 500; i++) {
    const address = new Uint8Array(16);
    random.fill(address);
    for (let at = 0; at < 16; at += 2) if (random.chance(0.5)) address.fill(0, at, at + 2);
    assert.deepEqual(parseIpv6Text(formatIpv6(address)), address);
  }
});

Deno.test("parseIpv4() takes dotted quads only", () => {
  assert.deepEqual(parseIpv4("192.0.2.255"), fromHex("c00002ff"));
  for (const text of ["none", "1.2.3", "1.2.3.256", "01.2.3.4", "1.2.3.4.5", ""]) {
    assert.equal(parseIpv4(text), undefined);
  }
});
