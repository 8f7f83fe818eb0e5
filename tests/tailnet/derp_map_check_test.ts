/** What of a map is kept: the relays that somebody could be sent to by it, and those that could end or slow the program. */
import { deepStrictEqual, doesNotThrow, ok, strictEqual } from "node:assert/strict";
import { formatRequestHead } from "../../lib/http1/mod.ts";
import {
  type DerpMap,
  derpMapOf,
  type DerpNode,
  relayEndpoints,
} from "../../lib/tailnet/derp_map.ts";
import { rewriteEmbeddedRelay } from "../../lib/tailnet/derp_map.ts";
import {
  MAX_DERP_NODES,
  MAX_DERP_NODES_IN_ALL,
  MAX_DERP_REGIONS,
} from "../../lib/tailnet/derp_map_check.ts";
import { derpMapFromJson } from "../../lib/tailnet/derp_map_json.ts";

const NODE: DerpNode = {
  name: "1a",
  regionId: 1,
  hostName: "relay.example",
  certName: "",
  ipv4: "",
  ipv6: "",
  stunPort: 0,
  stunOnly: false,
  derpPort: 0,
  insecureForTests: false,
  forceHttp: false,
  stunTestIp: "",
  canPort80: false,
};

/** The deployment's own relay, or another. */
type Whose = "own" | "other";

function mapOf(change: Partial<DerpNode>, whose: Whose = "other"): DerpMap {
  const base = { id: 1, code: "r", name: "R", avoid: false };
  return derpMapOf([{ ...base, embeddedRelay: whose === "own", nodes: [{ ...NODE, ...change }] }]);
}

function seenFrom(url: string, change: Partial<DerpNode>, whose: Whose = "other") {
  const map = rewriteEmbeddedRelay(mapOf(change, whose), new URL(url));
  return relayEndpoints(map, 1);
}

Deno.test("derpMapOf() leaves out a node whose name could break a line, a URL or a look-up", async (t) => {
  const bad = [
    "",
    "bad host",
    "a@b",
    "ünï☃",
    "evil\r\nX-Injected: 1",
    "evil\nx",
    "a\tb",
    "a/b",
    "a?b",
    "a#b",
    "a:80",
    "[::1]",
    "-a.example",
    "a-.example",
    "a..example",
    ".a",
    "a\0b",
    "a%b",
    "fe80::1%eth0",
    "127.1",
    "0x7f.1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "127.0.0.256",
    "1.2.3.4.",
    "a".repeat(64),
    "a.".repeat(127) + "a",
    "a".repeat(1_000_000),
    "::1::",
  ];
  for (const hostName of bad) {
    await t.step(JSON.stringify(hostName.slice(0, 40)), () => {
      const map = mapOf({ hostName, ipv4: "192.0.2.1" });
      deepStrictEqual(relayEndpoints(map, 1), []);
      strictEqual(map.leftOut, 1);
      strictEqual(derpMapOf(map.regions.values()).leftOut, 0);
      // The same name for the deployment's own relay does not matter: its host is the user's.
      const own = seenFrom("https://coder.example", { hostName }, "own");
      deepStrictEqual(own.map((e) => e.serverName), ["coder.example"]);
      deepStrictEqual(relayEndpoints(mapOf({ hostName }, "own"), 1), []);
    });
  }
});

Deno.test("derpMapOf() keeps names and literals that are in use, and each makes a request", () => {
  const good = [
    "relay.example",
    "relay.example.",
    "relay",
    "my_relay.corp",
    "xn--bcher-kva.example",
    "1a.example",
    "3com",
    "192.0.2.1",
    "2001:db8::1",
    "a".repeat(63) + ".example",
  ];
  for (const hostName of good) {
    const [endpoint] = relayEndpoints(mapOf({ hostName }), 1);
    ok(endpoint !== undefined, hostName);
    doesNotThrow(() =>
      formatRequestHead({ path: "/derp", host: endpoint.hostHeader, headers: [] })
    );
  }
});

Deno.test("derpMapOf() looks at ports, ids, literals, certificate names and scores", () => {
  for (const derpPort of [-1, 65_536, 1.5, NaN, Infinity, 1e9]) {
    deepStrictEqual(relayEndpoints(mapOf({ derpPort }), 1), [], String(derpPort));
  }
  for (const [derpPort, port] of [[0, 443], [1, 1], [65_535, 65_535]] as const) {
    strictEqual(relayEndpoints(mapOf({ derpPort }), 1)[0]?.port, port);
  }
  for (const certName of ["a b", "evil\r\nx", "*.example", "192.0.2.1"]) {
    deepStrictEqual(relayEndpoints(mapOf({ certName }), 1), [], certName);
  }
  const literals = mapOf({ ipv4: "999.1.1.1", ipv6: "x", stunPort: 70_000, stunTestIp: "a b" });
  const node = literals.regions.get(1)?.nodes[0];
  deepStrictEqual([node?.ipv4, node?.ipv6, node?.stunPort, node?.stunTestIp], [
    "none",
    "none",
    -1,
    "",
  ]);
  const region = { id: 1, code: "", name: "", embeddedRelay: false, avoid: false, nodes: [NODE] };
  const ids = [0, -1, 1.5, 2 ** 31, 3_000_000_000, NaN, Infinity, 2 ** 31 - 1, 1];
  const map = derpMapOf(
    ids.map((id) => ({ ...region, id })),
    new Map([[1, 0.5], [2, 0], [3, -1], [4, Infinity], [5, NaN], [6.5, 1], [2 ** 31, 1]]),
  );
  deepStrictEqual([...map.regions.keys()], [2 ** 31 - 1, 1]);
  strictEqual(map.leftOut, 7);
  deepStrictEqual([...map.regionScore], [[1, 0.5]]);
});

Deno.test("derpMapOf() bounds regions, nodes and the texts that people see", () => {
  const nodes = Array.from({ length: MAX_DERP_NODES + 9 }, (_, i) => ({ ...NODE, name: `n${i}` }));
  const region = {
    code: "c".repeat(9_999),
    name: "n".repeat(9_999),
    embeddedRelay: false,
    avoid: false,
  };
  const count = MAX_DERP_REGIONS + 5;
  const map = derpMapOf(Array.from({ length: count }, (_, i) => ({ ...region, id: i + 1, nodes })));
  const kept = [...map.regions.values()];
  strictEqual(kept.length, MAX_DERP_REGIONS);
  strictEqual(kept[0]?.nodes.length, MAX_DERP_NODES);
  strictEqual(kept[0]?.name.length, 256);
  strictEqual(kept.flatMap((r) => r.nodes).length, MAX_DERP_NODES_IN_ALL);
  strictEqual(map.leftOut, MAX_DERP_REGIONS * nodes.length - MAX_DERP_NODES_IN_ALL + 5);
});

Deno.test("derpMapFromJson() does no more for a megabyte of rubbish than for a map", () => {
  // 350,000 empty nodes, in one region and in one each; 100,000 regions; nesting.
  const rubbish = [
    `{"Regions":{"1":{"RegionID":1,"Nodes":[${"{},".repeat(349_000)}{}]}}}`,
    `{"Regions":{${
      Array.from({ length: 60_000 }, (_, i) => `"${i}":{"RegionID":${i}}`).join(",")
    }}}`,
    `{"Regions":{"1":{"RegionID":1,"Nodes":[${"[".repeat(2_000)}${"]".repeat(2_000)}]}}}`,
  ];
  for (const text of rubbish) {
    for (let i = 0; i < 5; i++) {
      const map = derpMapFromJson(JSON.parse(text));
      ok(map.regions.size <= MAX_DERP_REGIONS);
      for (const { nodes } of map.regions.values()) strictEqual(nodes.length, 0);
      ok(map.leftOut > 0);
    }
  }
});

Deno.test("a relay on this machine or its link counts only where the deployment is there too", async (t) => {
  const machine = [
    "127.0.0.1",
    "127.9.9.9",
    "::1",
    "0.0.0.0",
    "::",
    "localhost",
    "LOCALHOST.",
    "a.localhost",
  ];
  const mapped = ["::ffff:7f00:1", "::ffff:a9fe:1"];
  const link = ["169.254.169.254", "fe80::1", "febf::9"];
  const remote = ["https://coder.example", "http://192.168.1.5:3000", "https://[2001:db8::1]"];
  for (const hostName of [...machine, ...mapped, ...link]) {
    await t.step(hostName, () => {
      for (const url of remote) deepStrictEqual(seenFrom(url, { hostName }), [], url);
    });
  }
  for (const literal of [{ ipv4: "127.0.0.1" }, { ipv4: "169.254.169.254" }, { ipv6: "::1" }]) {
    for (const whose of ["own", "other"] as const) {
      deepStrictEqual(seenFrom("https://coder.example", literal, whose), []);
    }
  }
  for (const hostName of machine) {
    strictEqual(seenFrom("http://127.0.0.1:3000", { hostName }).length, 1, hostName);
    strictEqual(seenFrom("http://localhost:3000", { hostName }).length, 1, hostName);
    strictEqual(seenFrom("http://169.254.1.1", { hostName }).length, 0, hostName);
  }
  for (const hostName of link) {
    strictEqual(seenFrom("http://169.254.1.1", { hostName }).length, 1, hostName);
    strictEqual(seenFrom("http://[::1]:3000", { hostName }).length, 0, hostName);
  }
  // Private networks are where deployments and their relays are.
  strictEqual(seenFrom("https://coder.example", { hostName: "10.0.0.1" }).length, 1);
  strictEqual(rewriteEmbeddedRelay(mapOf({ hostName: "::1" }), new URL("https://a.b")).leftOut, 1);
});

Deno.test("a name that leads to this machine is refused by whoever dials, but for the deployment's own", () => {
  const refuses = (url: string, whose: Whose) =>
    seenFrom(url, {}, whose).map((endpoint) => endpoint.refusesLocal);
  deepStrictEqual(refuses("https://coder.example", "other"), [true]);
  deepStrictEqual(refuses("https://coder.example", "own"), [false]);
  deepStrictEqual(refuses("http://127.0.0.1:3000", "other"), [false]);
});

Deno.test("the user's headers go in the clear only where the deployment is spoken to so", () => {
  const takes = (url: string, change: Partial<DerpNode>, whose: Whose) =>
    seenFrom(url, change, whose).map((endpoint) => endpoint.takesHeaders);
  deepStrictEqual(takes("https://coder.example", {}, "other"), [true]);
  deepStrictEqual(takes("https://coder.example", { forceHttp: true }, "other"), [
    false,
  ]);
  deepStrictEqual(takes("https://coder.example", { forceHttp: true }, "own"), [
    true,
  ]);
  deepStrictEqual(takes("http://coder.example", { forceHttp: true }, "other"), [
    true,
  ]);
});
