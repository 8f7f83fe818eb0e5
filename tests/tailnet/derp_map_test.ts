import assert from "node:assert/strict";
import { ProtocolError } from "../../lib/base/errors.ts";
import { decodeDERPMap, encodeDERPMap } from "../../lib/proto/tailnet_pb.ts";
import {
  defaultHomeRegion,
  derpMapOf,
  equalDerpMaps,
  relayEndpoints,
  relayRegions,
  rewriteEmbeddedRelay,
} from "../../lib/tailnet/derp_map.ts";
import type { DerpMap, DerpNode, DerpRegion } from "../../lib/tailnet/derp_map.ts";
import { derpMapFromJson, derpMapToJson } from "../../lib/tailnet/derp_map_json.ts";
import { derpMapFromProto, derpMapToProto } from "../../lib/tailnet/derp_map_proto.ts";
import { captureTest } from "../support/captures.ts";

const NODE: DerpNode = {
  name: "1a",
  regionId: 1,
  hostName: "relay.example",
  certName: "",
  ipv4: "",
  ipv6: "",
  stunPort: -1,
  stunOnly: false,
  derpPort: 443,
  insecureForTests: false,
  forceHttp: false,
  stunTestIp: "",
  canPort80: false,
};

function region(id: number, change: Partial<DerpRegion> = {}): DerpRegion {
  const base = { id, code: `r${id}`, name: `Region ${id}`, embeddedRelay: false, avoid: false };
  return { ...base, nodes: [{ ...NODE, regionId: id }], ...change };
}

function withNode(change: Partial<DerpNode>): DerpMap {
  return derpMapOf([region(1, { nodes: [{ ...NODE, ...change }] })]);
}

Deno.test("relayEndpoints() builds addresses and URLs (docs/protocol/relay.md#relay-maps)", async (t) => {
  const rows: { name: string; node: Partial<DerpNode>; hosts: string[]; url: string }[] = [
    { name: "plain", node: {}, hosts: ["relay.example"], url: "https://relay.example/derp" },
    {
      name: "port 0",
      node: { derpPort: 0 },
      hosts: ["relay.example"],
      url: "https://relay.example/derp",
    },
    {
      name: "a port",
      node: { derpPort: 8443 },
      hosts: ["relay.example"],
      url: "https://relay.example:8443/derp",
    },
    {
      name: "http",
      node: { forceHttp: true, derpPort: 3900, hostName: "127.0.0.1" },
      hosts: ["127.0.0.1"],
      url: "http://127.0.0.1:3900/derp",
    },
    {
      name: "http at 80",
      node: { forceHttp: true, derpPort: 80 },
      hosts: ["relay.example"],
      url: "http://relay.example/derp",
    },
    {
      name: "a literal",
      node: { ipv4: "192.0.2.1" },
      hosts: ["192.0.2.1", "relay.example"],
      url: "https://relay.example/derp",
    },
    {
      name: "both literals",
      node: { ipv4: "192.0.2.1", ipv6: "2001:db8::1" },
      hosts: ["192.0.2.1", "2001:db8::1"],
      url: "https://relay.example/derp",
    },
    {
      name: "IPv4 none",
      node: { ipv4: "none", ipv6: "2001:db8::1" },
      hosts: ["2001:db8::1"],
      url: "https://relay.example/derp",
    },
    {
      name: "IPv4 none and nothing else",
      node: { ipv4: "none" },
      hosts: ["relay.example"],
      url: "https://relay.example/derp",
    },
    {
      name: "an IPv6 host",
      node: { hostName: "2001:db8::1", derpPort: 8443 },
      hosts: ["2001:db8::1"],
      url: "https://[2001:db8::1]:8443/derp",
    },
    { name: "STUN only", node: { stunOnly: true }, hosts: [], url: "" },
  ];
  for (const { name, node, hosts, url } of rows) {
    await t.step(name, () => {
      const endpoints = relayEndpoints(withNode(node), 1);
      assert.deepEqual(endpoints.map((e) => e.host), hosts);
      for (const endpoint of endpoints) {
        assert.equal(
          `${endpoint.isTls ? "https" : "http"}://${endpoint.hostHeader}/derp`,
          url,
        );
        assert.equal(new URL(url).host, endpoint.hostHeader);
        assert.equal(endpoint.serverName, node.hostName ?? NODE.hostName);
      }
    });
  }
  assert.deepEqual(relayEndpoints(withNode({}), 2), []);
});

Deno.test("relayRegions() and defaultHomeRegion() pass over STUN, avoid what is to be avoided", () => {
  const stun = region(1, { nodes: [{ ...NODE, stunOnly: true }] });
  const map = derpMapOf([stun, region(2, { avoid: true }), region(5), region(4)]);
  assert.deepEqual(relayRegions(map).map((r) => r.id), [4, 5, 2]);
  assert.equal(defaultHomeRegion(map), 4);
  assert.equal(defaultHomeRegion(derpMapOf([region(3), region(9, { embeddedRelay: true })])), 9);
  assert.equal(defaultHomeRegion(derpMapOf([stun])), undefined);
});

Deno.test("rewriteEmbeddedRelay() moves embedded relays to the user's URL (docs/protocol/relay.md#the-embedded-relay)", () => {
  const stun = { ...NODE, name: "stun", stunOnly: true };
  const map = derpMapOf([
    region(1, { embeddedRelay: true, nodes: [NODE, stun] }),
    region(2),
  ]);
  const rows: [string, string, number, boolean][] = [
    ["https://coder.example", "coder.example", 443, false],
    ["http://coder.example/path", "coder.example", 80, true],
    ["http://[::1]:3000", "::1", 3000, true],
  ];
  for (const [url, hostName, derpPort, forceHttp] of rows) {
    const rewritten = rewriteEmbeddedRelay(map, new URL(url));
    const nodes = rewritten.regions.get(1)?.nodes;
    assert.deepEqual(nodes, [{ ...NODE, hostName, derpPort, forceHttp }, stun]);
    assert.deepEqual(rewritten.regions.get(2), map.regions.get(2));
  }
});

Deno.test("equalDerpMaps() sees what matters and no order (docs/protocol/relay.md#equal-maps)", () => {
  const other = { ...NODE, name: "1b" };
  const a = derpMapOf([region(1, { nodes: [NODE, other] }), region(2)]);
  assert.ok(equalDerpMaps(a, derpMapOf([region(2), region(1, { nodes: [other, NODE] })])));
  const flagged = region(1, { nodes: [NODE, { ...other, canPort80: true }] });
  assert.ok(equalDerpMaps(a, derpMapOf([flagged, region(2)])));
  const different = [
    [region(1, { nodes: [NODE, other] })],
    [region(1, { nodes: [NODE] }), region(2)],
    [region(1, { nodes: [NODE, { ...other, derpPort: 1 }] }), region(2)],
    [region(1, { nodes: [NODE, other] }), region(2, { avoid: true })],
    [region(1, { nodes: [NODE, other] }), region(3)],
  ];
  for (const regions of different) assert.ok(!equalDerpMaps(a, derpMapOf(regions)));
});

Deno.test("JSON: unknown fields pass, absent ones are zero, null regions are none", () => {
  const map = derpMapFromJson({
    HomeParams: { RegionScore: { "7": 0.5 } },
    Regions: { "7": { RegionID: 7, RegionCode: "x", Nodes: null, Later: 1 }, "8": null },
    omitDefaultRegions: true,
  });
  assert.deepEqual([...map.regions.keys()], [7]);
  assert.deepEqual([...map.regionScore], [[7, 0.5]]);
  assert.equal(derpMapFromJson({}).regions.size, 0);
  assert.equal(derpMapFromJson({ Regions: null, HomeParams: null }).regions.size, 0);
});

Deno.test("JSON that is no map is refused with its path; regions and nodes of another shape are left out", () => {
  for (const json of [null, undefined, "x", 1, { Regions: 5 }]) {
    assert.throws(() => derpMapFromJson(json), ProtocolError);
  }
  assert.throws(() => derpMapFromJson({ Regions: "x" }), /Regions/);
  const good = { Name: "a", HostName: "relay.example" };
  const map = derpMapFromJson({
    HomeParams: { RegionScore: { "1": "x", "2": 0.5, "3": -1, "4": 0, "5": 1e999, x: 1 } },
    Regions: {
      "1": { RegionID: "1" },
      "2": { RegionID: 2, Nodes: [good, { Name: 5 }, null, [], { ...good, DERPPort: "443" }] },
      "3": 7,
      "4": { RegionID: 4, Nodes: {} },
    },
  });
  assert.deepEqual([...map.regions.keys()], [2]);
  assert.equal(map.regions.get(2)?.nodes.length, 1);
  assert.equal(map.leftOut, 7);
  assert.deepEqual([...map.regionScore], [[2, 0.5]]);
  assert.equal(derpMapFromJson({ HomeParams: 5, Regions: {} }).leftOut, 0);
});

Deno.test("maps survive JSON and protobuf", () => {
  const map = derpMapOf(
    [
      region(1, {
        embeddedRelay: true,
        nodes: [{ ...NODE, ipv4: "none", stunTestIp: "192.0.2.9" }],
      }),
      region(2),
    ],
    new Map([[1, 0.25]]),
  );
  assert.deepEqual(derpMapFromJson(JSON.parse(JSON.stringify(derpMapToJson(map)))), map);
  const bytes = encodeDERPMap(derpMapToProto(map));
  assert.deepEqual(derpMapFromProto(decodeDERPMap(bytes)), map);
});

captureTest(
  "the captured answer of /connection is the captured map of the stream",
  "coder-v2.36.0/http/agent-connection.json",
  (text) => {
    const map = derpMapFromJson(JSON.parse(text).response.body.derp_map);
    assert.equal(defaultHomeRegion(map), 999);
    assert.equal(relayEndpoints(map, 999)[0]?.hostHeader, "127.0.0.1:3900");
  },
);
