/** Texts of endpoints, both ways. */
import assert from "node:assert/strict";
import { formatEndpoint, parseAddress, parseEndpoint } from "../../lib/tailnet/endpoint_text.ts";

Deno.test("endpoints are written as Go writes them", () => {
  for (const text of ["1.2.3.4:5", "[2001:db8::1]:41641", "[::1]:1", "255.255.255.255:65535"]) {
    const endpoint = parseEndpoint(text);
    assert.ok(endpoint !== undefined);
    assert.equal(formatEndpoint(endpoint), text);
  }
});

Deno.test("what is no endpoint is none", () => {
  const rows = [
    "",
    ":1",
    "1.2.3.4",
    "1.2.3.4:0",
    "1.2.3.4:65536",
    "1.2.3:4",
    "1.2.3.4:-1",
    "1.2.3.4:1 ",
  ];
  rows.push("::1:1", "[::1]", "[::1]:", "[1.2.3.4]:1", "[fe80::1%eth0]:1", "host:1", "01.2.3.4:1");
  for (const text of rows) assert.equal(parseEndpoint(text), undefined, text);
});

Deno.test("parseAddress() maps IPv4", () => {
  assert.equal(parseAddress("1.2.3.4")?.join(), "0,0,0,0,0,0,0,0,0,0,255,255,1,2,3,4");
  assert.equal(parseAddress("::ffff:102:304")?.join(), parseAddress("1.2.3.4")?.join());
  assert.equal(parseAddress("localhost"), undefined);
});
