/** Endpoints as disco writes them. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { ByteReader, ByteWriter, toHex } from "../../lib/base/bytes.ts";
import {
  ENDPOINT_BYTES,
  readEndpoint,
  relayEndpoint,
  writeEndpoint,
} from "../../lib/disco/endpoint.ts";
import { equalEndpoints } from "../../lib/wire/endpoint.ts";

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
