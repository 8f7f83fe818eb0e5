/** Endpoints: mapped and real IPv6 addresses, and what kind of address one is. */
import assert from "node:assert/strict";
import { fromHex, toHex } from "../../lib/base/bytes.ts";
import { parseAddress } from "../../lib/tailnet/endpoint_text.ts";
import { endpointKey, familyOf, mapIpv4, scopeOf, unmapIpv4 } from "../../lib/wire/endpoint.ts";

Deno.test("mapIpv4() and unmapIpv4() undo each other (RFC 4291 §2.5.5.2)", () => {
  const mapped = mapIpv4(new Uint8Array([192, 0, 2, 1]));
  assert.equal(toHex(mapped), "00000000000000000000ffffc0000201");
  assert.deepEqual(unmapIpv4(mapped), new Uint8Array([192, 0, 2, 1]));
  assert.equal(unmapIpv4(fromHex("20010db8000000000000ffffc0000201")), undefined);
  assert.throws(() => mapIpv4(mapped), RangeError);
});

Deno.test("endpointKey() tells endpoints apart by address and port", () => {
  const address = mapIpv4(new Uint8Array([192, 0, 2, 1]));
  const key = endpointKey({ address, port: 1 });
  assert.equal(key, endpointKey({ address: new Uint8Array(address), port: 1 }));
  assert.notEqual(key, endpointKey({ address, port: 11 }));
  assert.notEqual(key, endpointKey({ address: mapIpv4(new Uint8Array([192, 0, 2, 2])), port: 1 }));
});

const SCOPES: readonly (readonly [string, string])[] = [
  ["0.0.0.0", "unspecified"],
  ["0.1.2.3", "reserved"],
  ["9.255.255.255", "global"],
  ["10.0.0.1", "private"],
  ["100.63.255.255", "global"],
  ["100.64.0.1", "private"],
  ["100.127.255.255", "private"],
  ["100.128.0.0", "global"],
  ["126.255.255.255", "global"],
  ["127.0.0.1", "loopback"],
  ["127.3.3.40", "loopback"],
  ["169.253.255.255", "global"],
  ["169.254.169.254", "link-local"],
  ["172.15.255.255", "global"],
  ["172.16.0.1", "private"],
  ["172.31.255.255", "private"],
  ["172.32.0.0", "global"],
  ["192.168.1.1", "private"],
  ["223.255.255.255", "global"],
  ["224.0.0.1", "multicast"],
  ["239.255.255.250", "multicast"],
  ["240.0.0.1", "reserved"],
  ["255.255.255.255", "reserved"],
  ["::", "unspecified"],
  ["::1", "loopback"],
  ["::2", "reserved"],
  ["::102:304", "reserved"],
  ["fbff::1", "global"],
  ["fc00::1", "private"],
  ["fdff::1", "private"],
  ["fe80::1", "link-local"],
  ["febf::1", "link-local"],
  ["fec0::1", "global"],
  ["ff02::1", "multicast"],
  ["2001:db8::1", "global"],
];

Deno.test("scopeOf() names what kind of address it is (RFC 6890)", async (t) => {
  for (const [text, scope] of SCOPES) {
    await t.step(`${text} is ${scope}`, () => {
      const address = parseAddress(text);
      assert(address);
      assert.equal(scopeOf(address), scope);
      assert.equal(familyOf(address), text.includes(":") ? "ipv6" : "ipv4");
    });
  }
});
