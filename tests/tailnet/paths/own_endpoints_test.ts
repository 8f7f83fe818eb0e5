/** Which of our addresses peers are told, and when: tables. */
import assert from "node:assert/strict";
import { formatEndpoint, parseAddress } from "../../../lib/tailnet/endpoint_text.ts";
import {
  type InterfaceAddress,
  MAX_OWN_ENDPOINTS,
  OwnEndpoints,
} from "../../../lib/tailnet/paths/own_endpoints.ts";
import { Whereabouts } from "../../../lib/tailnet/paths/whereabouts.ts";
import { SeededRandom } from "../../support/seeded_random.ts";
import { endpointOf } from "./sim_udp.ts";

const at = (text: string, name = "eth0"): InterfaceAddress => ({
  name,
  address: parseAddress(text) ?? new Uint8Array(16),
});

const ROWS: readonly {
  readonly name: string;
  readonly interfaces: readonly InterfaceAddress[];
  readonly mapped?: readonly string[];
  readonly expected: readonly string[];
}[] = [
  { name: "nothing", interfaces: [], expected: [] },
  {
    name: "what STUN saw comes first",
    interfaces: [at("10.0.0.2"), at("2001:db8::2")],
    mapped: ["198.51.100.1:7", "[2001:db8::2]:6"],
    expected: ["198.51.100.1:7", "[2001:db8::2]:6", "10.0.0.2:4"],
  },
  {
    name: "loopback and link-local are left out",
    interfaces: [at("127.0.0.1", "lo"), at("::1", "lo"), at("fe80::1"), at("192.168.1.2")],
    expected: ["192.168.1.2:4"],
  },
  {
    name: "loopback when there is nothing else",
    interfaces: [at("127.0.0.1", "lo"), at("::1", "lo"), at("fe80::1")],
    expected: ["127.0.0.1:4", "[::1]:6"],
  },
  {
    name: "no loopback when STUN saw something",
    interfaces: [at("127.0.0.1", "lo")],
    mapped: ["198.51.100.1:7"],
    expected: ["198.51.100.1:7"],
  },
  {
    name: "IPv4 link-local only without a regular address of the family",
    interfaces: [at("169.254.3.4"), at("2001:db8::2")],
    expected: ["[2001:db8::2]:6", "169.254.3.4:4"],
  },
  {
    name: "the same with one",
    interfaces: [at("169.254.3.4"), at("10.0.0.2"), at("fd00::2"), at("2001:db8::2")],
    expected: ["10.0.0.2:4", "[2001:db8::2]:6"],
  },
  {
    name: "tunnels are left out",
    interfaces: [
      at("fd60:627a:a42b::5"),
      at("fd7a:115c:a1e0::5"),
      at("10.147.17.1", "zt7nnig34o"),
      at("10.0.0.2"),
    ],
    expected: ["10.0.0.2:4"],
  },
];

Deno.test("OwnEndpoints.list() is what peers are told (magicsock determineEndpoints)", async (t) => {
  for (const { name, interfaces, mapped = [], expected } of ROWS) {
    await t.step(name, () => {
      const own = new OwnEndpoints();
      own.setPorts({ ipv4: 4, ipv6: 6 });
      own.setInterfaces(interfaces);
      for (const text of mapped) {
        own.setMapped(text.startsWith("[") ? "ipv6" : "ipv4", endpointOf(text));
      }
      assert.deepEqual(own.list().map(formatEndpoint), expected);
    });
  }
});

Deno.test("OwnEndpoints lists no family without a socket, and no more than the bound", () => {
  const own = new OwnEndpoints();
  own.setPorts({ ipv6: 6 });
  own.setInterfaces([at("10.0.0.2"), at("2001:db8::2")]);
  assert.deepEqual(own.list().map(formatEndpoint), ["[2001:db8::2]:6"]);
  assert.deepEqual([...own.families], ["ipv6"]);
  own.setInterfaces(Array.from({ length: 100 }, (_, i) => at(`2001:db8::${i + 1}`)));
  assert.equal(own.list().length, MAX_OWN_ENDPOINTS);
});

Deno.test("Whereabouts tells the coordinator once of addresses that come one after another", () => {
  const own = new Whereabouts({ random: new SeededRandom(1), isSameHost: false });
  const outputs = (now: number) => {
    own.handleTimeout(now);
    const texts: string[] = [];
    for (let out = own.pollOutput(now); out !== undefined; out = own.pollOutput(now)) {
      if (out.kind === "endpoints") texts.push(out.endpoints.map(formatEndpoint).join(" "));
    }
    return texts;
  };
  const local = (...texts: string[]) => ({
    ports: { ipv4: 4 },
    interfaces: texts.map((text) => at(text)),
  });
  assert(!own.setLocal(local("10.0.0.2"), 0));
  assert(own.takeNews());
  assert.deepEqual(outputs(50), []);
  assert(own.setLocal(local("10.0.0.2", "10.0.0.3"), 60));
  assert(own.takeNews());
  assert.deepEqual(outputs(99), []);
  assert.equal(own.pollTimeout(), 100);
  assert.deepEqual(outputs(100), ["10.0.0.2:4 10.0.0.3:4"]);
  assert.deepEqual(outputs(200), []);
  // There and back within the delay is no news for the coordinator.
  own.setLocal(local("10.0.0.9"), 300);
  own.setLocal(local("10.0.0.3", "10.0.0.2"), 310);
  assert.deepEqual(outputs(500), []);
  assert(!own.setLocal(local("10.0.0.2", "10.0.0.3"), 600));
});
