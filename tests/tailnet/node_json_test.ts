import assert from "node:assert/strict";
import { nodeFromJson, nodeToJson, parseNodeJson } from "../../lib/tailnet/node_json.ts";
import { MAX_LIST_ENTRIES } from "../../lib/tailnet/node_message.ts";
import { binaryPayloads, captureTest, parseWire } from "../support/captures.ts";
import { testNode } from "./support.ts";

const KEY = "1a".repeat(32);
const MINIMAL = `"key":"nodekey:${KEY}","disco":"discokey:${KEY}"`;

function read(text: string) {
  return nodeFromJson(parseNodeJson(text));
}

Deno.test("a node survives the way through JSON, its id exactly", () => {
  for (const id of [1n, 2n ** 53n + 1n, 6827514518607318887n, 2n ** 63n - 1n]) {
    const node = { ...testNode(3), id };
    assert.deepEqual(read(nodeToJson(node)), node);
  }
});

Deno.test("null and absent fields are empty ones", () => {
  const nulls = ["as_of", "derp_latency", "derp_forced_websockets", "addresses", "allowed_ips"]
    .concat("endpoints", "preferred_derp").map((name) => `"${name}":null`).join(",");
  const absent = read(`{"id":5,${MINIMAL}}`);
  assert.deepEqual(read(`{"id":5,${MINIMAL},${nulls}}`), absent);
  assert.equal(absent?.preferredDerp, 0);
  assert.deepEqual(absent?.endpoints, []);
});

Deno.test("what is no node is none", () => {
  const values = [
    "null",
    "5",
    "[]",
    "{}",
    `{${MINIMAL}}`,
    `{"id":"5",${MINIMAL}}`,
    `{"id":1.5,${MINIMAL}}`,
    `{"id":1e3,${MINIMAL}}`,
    `{"id":9223372036854775808,${MINIMAL}}`,
    `{"id":5,"key":"nodekey:${KEY}","disco":"nodekey:${KEY}"}`,
    `{"id":5,"key":"nodekey:${KEY}00","disco":"discokey:${KEY}"}`,
    `{"id":5,"key":"${KEY}","disco":"discokey:${KEY}"}`,
    `{"id":5,${MINIMAL},"preferred_derp":-1}`,
    `{"id":5,${MINIMAL},"preferred_derp":1e300}`,
    `{"id":5,${MINIMAL},"addresses":"fd7a::1/128"}`,
  ];
  for (const value of values) assert.equal(read(value), undefined, value);
});

Deno.test("entries that we cannot use are left out, and there is a bound", () => {
  const node = read(
    `{"id":5,${MINIMAL},"addresses":["fd7a::1/128","fd7a::/48","x",7,null],` +
      `"endpoints":["192.0.2.2:1","[fe80::1%eth0]:2","host:3"],` +
      `"derp_latency":{"999-v4":0.5,"1-v4":"fast"},"derp_forced_websockets":{"7":"old","x":"y"}}`,
  );
  assert.equal(node?.addresses.length, 1);
  assert.equal(node?.endpoints.length, 1);
  assert.deepEqual([...node?.derpLatency ?? []], [["999-v4", 0.5]]);
  assert.deepEqual([...node?.derpForcedWebsocket ?? []], [[7, "old"]]);
  const many = JSON.stringify(new Array(1000).fill("192.0.2.2:1"));
  assert.equal(read(`{"id":5,${MINIMAL},"endpoints":${many}}`)?.endpoints.length, MAX_LIST_ENTRIES);
});

Deno.test("a time that no calendar has does not matter", () => {
  for (const asOfMs of [Infinity, NaN, -1e18, 8.64e15]) {
    assert.ok(read(nodeToJson({ ...testNode(3), asOfMs })) !== undefined);
  }
});

for (const version of ["coder-v0.24.0", "coder-v2.5.1"]) {
  const capture = `${version}/wire/coordinate-v1.jsonl`;
  captureTest(`a client's node as ${version} had it is written the same again`, capture, (text) => {
    for (const payload of binaryPayloads(parseWire(text), ">")) {
      const theirs = new TextDecoder().decode(payload);
      const node = read(theirs);
      assert.ok(node !== undefined);
      // Go's time has microseconds, and a list that was never made is null.
      const plain = (json: string) => {
        const { as_of: at, endpoints, ...rest } = JSON.parse(
          json.replace(/"id":(\d+)/, '"id":"$1"'),
        );
        return { ...rest, at: Date.parse(at), endpoints: endpoints ?? [] };
      };
      assert.deepEqual(plain(nodeToJson(node)), plain(theirs));
    }
  });
  captureTest(`what we send has the form of what clients of ${version} sent`, capture, (text) => {
    const forms = new Map<string, Set<string>>();
    for (const payload of binaryPayloads(parseWire(text), ">")) {
      for (const [key, value] of Object.entries(JSON.parse(new TextDecoder().decode(payload)))) {
        forms.set(key, (forms.get(key) ?? new Set()).add(formOf(value)));
      }
    }
    // The official client leaves the list out where direct connections are switched off.
    forms.get("endpoints")?.add("list of nothing");
    for (const seed of [1, 2, 3]) {
      const ours = JSON.parse(nodeToJson({ ...testNode(seed), preferredDerp: 999 }));
      assert.deepEqual(Object.keys(ours), [...forms.keys()], "the same keys in the same order");
      for (const [key, value] of Object.entries(ours)) {
        const known = forms.get(key);
        assert.ok(
          known?.has(formOf(value)),
          `${key}: ${JSON.stringify(value)} is not ${[...known ?? []]}`,
        );
      }
    }
  });
}

/** The kind of a value, and of what is in it. */
function formOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) {
    return `list of ${[...new Set(value.map(formOf))].sort().join() || "nothing"}`;
  }
  if (typeof value === "object") return "map";
  if (typeof value !== "string") return typeof value;
  if (/^(nodekey|discokey):[0-9a-f]{64}$/.test(value)) return value.split(":")[0] ?? "";
  if (/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(value)) return "time";
  if (/^[0-9a-f:]+\/128$/.test(value)) return "address";
  return /^(\d+\.){3}\d+:\d+$|^\[[0-9a-f:]+\]:\d+$/.test(value) ? "endpoint" : "text";
}
