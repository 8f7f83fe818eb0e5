/** Endpoints: mapped and real IPv6 addresses. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { ByteReader, ByteWriter, fromHex, toHex } from "../../lib/base/bytes.ts";
import {
  ENDPOINT_BYTES,
  equalEndpoints,
  mapIpv4,
  readEndpoint,
  relayEndpoint,
  unmapIpv4,
  writeEndpoint,
} from "../../lib/disco/endpoint.ts";

Deno.test("mapIpv4() and unmapIpv4() undo each other (RFC 4291 §2.5.5.2)", () => {
  const mapped = mapIpv4(new Uint8Array([192, 0, 2, 1]));
  assert.equal(toHex(mapped), "00000000000000000000ffffc0000201");
  assert.deepEqual(unmapIpv4(mapped), new Uint8Array([192, 0, 2, 1]));
  assert.equal(unmapIpv4(fromHex("20010db8000000000000ffffc0000201")), undefined);
  assert.throws(() => mapIpv4(mapped), RangeError);
});

Deno.test("relayEndpoint() is the address that stands for a relay (tailcfg DerpMagicIP)", () => {
  const { address, port } = relayEndpoint(999);
  assert.deepEqual([toHex(address), port], ["00000000000000000000ffff7f030328", 999]);
});

Deno.test("readEndpoint() undoes writeEndpoint()", () => {
  const address16 = fc.uint8Array({ minLength: 16, maxLength: 16 });
  fc.assert(fc.property(address16, fc.nat(65_535), (address, port) => {
    const bytes = new Uint8Array(ENDPOINT_BYTES);
    writeEndpoint(new ByteWriter(bytes), { address, port });
    const read = readEndpoint(new ByteReader(bytes));
    assert(equalEndpoints(read, { address, port }));
    assert(!equalEndpoints(read, { address, port: port ^ 1 }));
  }));
});
