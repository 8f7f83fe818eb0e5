import assert from "node:assert/strict";
import { decodeNode, encodeNode } from "../../lib/proto/tailnet_pb.ts";
import { parseEndpoint } from "../../lib/tailnet/endpoint_text.ts";
import { MAX_LIST_ENTRIES, nodeFromProto, nodeToProto } from "../../lib/tailnet/node_message.ts";
import { testNode } from "./support.ts";

Deno.test("a node survives the wire (tailnet/convert.go)", () => {
  const node = {
    ...testNode(1),
    asOfMs: 1_795_458_791_561.25,
    derpLatency: new Map([["999-v4", 0.012]]),
    derpForcedWebsocket: new Map([[999, "proxy"]]),
    endpoints: ["192.0.2.1:5", "[2001:db8::1]:65535"].flatMap((text) => parseEndpoint(text) ?? []),
  };
  const message = nodeToProto(node);
  assert.equal(message.key.length, 34);
  assert.deepEqual([...message.key.subarray(0, 2)], [0x6e, 0x70]);
  assert.match(message.disco, /^discokey:[0-9a-f]{64}$/);
  assert.match(message.addresses[0] ?? "", /^fd7a:115c:a1e0:.*\/128$/);
  assert.deepEqual(nodeFromProto(decodeNode(encodeNode(message))), node);
});

Deno.test("a node without usable keys is no node", () => {
  const message = () => nodeToProto(testNode(1));
  const rows = [
    { ...message(), key: new Uint8Array(34) },
    { ...message(), key: message().key.subarray(0, 33) },
    { ...message(), key: message().key.subarray(2) },
    { ...message(), disco: message().disco.replace("discokey", "nodekey") },
    { ...message(), disco: `${message().disco}0` },
    { ...message(), disco: "" },
  ];
  for (const row of rows) assert.equal(nodeFromProto(row), undefined);
});

Deno.test("a home that no region can be is none, and tables of a node are bounded", () => {
  const table = Array.from({ length: 5_000 }, (_, i) => [i, i] as const);
  const node = nodeFromProto({
    ...nodeToProto(testNode(1)),
    preferredDerp: -5,
    derpLatency: new Map(table.map(([i]) => [`${i}-v4`, i])),
    derpForcedWebsocket: new Map(table.map(([i]) => [i, "proxy"])),
    endpoints: [":".repeat(1_000_000), "1.2.3.4:7"],
    addresses: [`${"f:".repeat(500_000)}/128`],
  });
  assert.equal(node?.preferredDerp, 0);
  assert.equal(node?.derpLatency.size, MAX_LIST_ENTRIES);
  assert.equal(node?.derpForcedWebsocket.size, MAX_LIST_ENTRIES);
  assert.equal(node?.endpoints.length, 1);
  assert.equal(node?.addresses.length, 0);
});

Deno.test("addresses and endpoints that cannot be used are left out, and so is what is too much", () => {
  const node = nodeFromProto({
    ...nodeToProto(testNode(1)),
    addresses: ["fd7a::1/128", "fd7a::/48", "10.0.0.1/32", "nonsense"],
    endpoints: ["[fe80::1%eth0]:1", "1.2.3.4:0", "1.2.3.4:70000", "host:1", "1.2.3.4:7"],
    allowedIps: new Array<string>(1000).fill("fd7a::1/128"),
  });
  assert.equal(node?.addresses.length, 1);
  assert.deepEqual(node?.endpoints, [parseEndpoint("1.2.3.4:7")]);
  assert.equal(node?.allowedIps.length, MAX_LIST_ENTRIES);
});
