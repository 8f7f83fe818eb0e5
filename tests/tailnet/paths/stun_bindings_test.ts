/** Asking STUN servers: retransmission, two families, look-ups, what is believed, and when it rests. */
import assert from "node:assert/strict";
import { decodeStunRequest, encodeStunResponse } from "../../../lib/disco/mod.ts";
import { formatEndpoint, parseAddress } from "../../../lib/tailnet/endpoint_text.ts";
import { StunBindings, type StunOutput } from "../../../lib/tailnet/paths/stun_bindings.ts";
import type { StunServer } from "../../../lib/tailnet/paths/stun_servers.ts";
import type { AddressFamily } from "../../../lib/wire/endpoint.ts";
import { SeededRandom } from "../../support/seeded_random.ts";
import { endpointOf } from "./sim_udp.ts";

const address = (text: string) => parseAddress(text) ?? new Uint8Array(16);
const server = (n: number): StunServer => ({
  host: `stun${n}.example`,
  port: 3_478,
  ipv4: address(`203.0.113.${n}`),
  ipv6: "none",
});

interface Options {
  readonly servers?: readonly StunServer[];
  readonly families?: readonly AddressFamily[];
  readonly isSameHost?: boolean;
}

function make(options: Options = {}): StunBindings {
  const { isSameHost = false, families = ["ipv4"], servers = [server(1), server(2)] } = options;
  const stun = new StunBindings({ random: new SeededRandom(1), isSameHost });
  stun.setFamilies(new Set(families), 0);
  stun.setServers(servers, 0);
  stun.want(60_000);
  stun.handleTimeout(0);
  return stun;
}

function drain(stun: StunBindings): StunOutput[] {
  const outputs: StunOutput[] = [];
  for (let out = stun.pollOutput(); out !== undefined; out = stun.pollOutput()) outputs.push(out);
  return outputs;
}

function sends(stun: StunBindings): { readonly to: string; readonly id: Uint8Array }[] {
  return drain(stun).flatMap((output) => {
    if (output.kind !== "send") return [];
    const request = decodeStunRequest(output.datagram);
    assert(request.kind === "request");
    return { to: formatEndpoint(output.endpoint), id: request.transactionId };
  });
}

/** Runs timers in order until `until`; when each batch of requests left. */
function sendTimes(stun: StunBindings, until: number): number[] {
  const times: number[] = [];
  for (let at = stun.pollTimeout(); at !== undefined && at <= until; at = stun.pollTimeout()) {
    stun.handleTimeout(at);
    if (sends(stun).length > 0) times.push(at);
  }
  return times;
}

Deno.test("StunBindings asks two servers, again while nobody answers, and others the next time", () => {
  const stun = make({ servers: [server(1), server(2), server(3)] });
  assert.deepEqual(sends(stun).map(({ to }) => to), ["203.0.113.1:3478", "203.0.113.2:3478"]);
  assert.deepEqual(sendTimes(stun, 2_900), [200, 600, 1_500]);
  stun.handleTimeout(3_000);
  assert.deepEqual(sends(stun), []);
  stun.handleTimeout(5_000);
  assert.deepEqual(sends(stun).map(({ to }) => to), ["203.0.113.3:3478", "203.0.113.1:3478"]);
});

Deno.test("StunBindings takes the first answer, and asks anew after 20 to 26 s while somebody wants it", () => {
  const stun = make();
  const [first, second] = sends(stun);
  assert(first && second);
  const mapped = endpointOf("198.51.100.7:40000");
  const answer = (id: Uint8Array) => encodeStunResponse(id, mapped);
  assert(stun.handleDatagram(answer(second.id), endpointOf(second.to), 30));
  assert.deepEqual(drain(stun), [{ kind: "mapped", family: "ipv4", endpoint: mapped }]);
  // The slower one is an answer, but no news.
  assert(stun.handleDatagram(answer(first.id), endpointOf(first.to), 40));
  assert.deepEqual(drain(stun), []);
  const next = stun.pollTimeout() ?? 0;
  assert(next >= 20_030 && next <= 26_030, `${next}`);
  assert(stun.isFresh(27_000, 27_030));
  assert(!stun.isFresh(27_000, 27_031));
  const [again] = (stun.handleTimeout(next), sends(stun));
  assert(again);
  assert(stun.handleDatagram(answer(again.id), endpointOf(again.to), next + 10));
  assert.deepEqual(drain(stun), []);
});

Deno.test("StunBindings rests when nobody wants it, and a forgotten address is told", () => {
  const stun = make();
  const [first] = sends(stun);
  assert(first);
  const mapped = endpointOf("198.51.100.7:40000");
  stun.handleDatagram(encodeStunResponse(first.id, mapped), endpointOf(first.to), 30);
  drain(stun);
  const times = sendTimes(stun, 400_000);
  assert.deepEqual(times.filter((at) => at > 62_000), []);
  // The servers fell silent at the second round: what they said holds for 310 s.
  assert.equal(stun.pollTimeout(), undefined);
  stun.want(500_000);
  stun.handleTimeout(400_000);
  assert.equal(sends(stun).length, 2);
});

Deno.test("StunBindings believes the asked server alone, once, in time, and only sane addresses", async (t) => {
  const rows: readonly {
    readonly name: string;
    readonly from?: string;
    readonly says?: string;
    readonly at?: number;
    readonly id?: Uint8Array;
    readonly taken?: boolean;
  }[] = [
    { name: "right", taken: true },
    { name: "another server", from: "203.0.113.2:3478" },
    { name: "another port", from: "203.0.113.1:3479" },
    { name: "another id", id: new Uint8Array(12) },
    { name: "too late", at: 5_000 },
    { name: "loopback", says: "127.0.0.1:5" },
    { name: "multicast", says: "224.0.0.1:5" },
    { name: "port 0", says: "198.51.100.7:0" },
    { name: "unspecified", says: "0.0.0.0:5" },
    { name: "a tunnel address", says: "[fd7a:115c:a1e0::1]:5" },
    { name: "another family", says: "[2001:db8::1]:5" },
    { name: "behind a carrier's NAT", says: "100.64.1.1:5", taken: true },
  ];
  for (const row of rows) {
    await t.step(row.name, () => {
      const stun = make();
      const [asked] = sends(stun);
      assert(asked);
      const says = row.says === "198.51.100.7:0"
        ? { address: address("198.51.100.7"), port: 0 }
        : endpointOf(row.says ?? "198.51.100.7:5");
      const answer = encodeStunResponse(row.id ?? asked.id, says);
      const from = endpointOf(row.from ?? asked.to);
      const taken = row.taken ?? false;
      assert.equal(stun.handleDatagram(answer, from, row.at ?? 10), taken);
      assert.equal(drain(stun).length, taken ? 1 : 0);
      if (taken) assert(!stun.handleDatagram(answer, from, 11), "a second time");
    });
  }
});

Deno.test("StunBindings looks hosts up once, asks when they are known, and again later when they are not", () => {
  const named: StunServer = { host: "stun.example", port: 19_302 };
  const stun = make({ servers: [named], families: ["ipv4", "ipv6"] });
  assert.deepEqual(drain(stun), [{ kind: "resolve", host: "stun.example" }]);
  stun.handleTimeout(10);
  assert.deepEqual(drain(stun), []);
  stun.handleResolved("elsewhere.example", [address("192.0.2.1")], 20);
  stun.handleResolved("stun.example", [address("192.0.2.1"), address("2001:db8::1")], 20);
  stun.handleTimeout(stun.pollTimeout() ?? Infinity);
  assert.deepEqual(sends(stun).map(({ to }) => to), ["192.0.2.1:19302", "[2001:db8::1]:19302"]);

  const failing = make({ servers: [named] });
  drain(failing);
  failing.handleResolved("stun.example", [], 20);
  const next = failing.pollTimeout() ?? 0;
  assert(next >= 20_000);
  failing.handleTimeout(next);
  assert.deepEqual(drain(failing), [{ kind: "resolve", host: "stun.example" }]);
});

Deno.test("StunBindings asks no server where none can be", () => {
  const bad = ["224.0.0.1", "255.255.255.255", "127.0.0.1", "169.254.1.1", "fd7a:115c:a1e0::1"];
  const servers = bad.map((text, i): StunServer => ({
    host: `${i}`,
    port: 3_478,
    ...(text.includes(":")
      ? { ipv6: address(text), ipv4: "none" }
      : { ipv4: address(text), ipv6: "none" }),
  }));
  const families = ["ipv4", "ipv6"] as const;
  assert.deepEqual(drain(make({ servers, families })), []);
  const here = sends(make({ servers, families, isSameHost: true }));
  assert.deepEqual(here.map(({ to }) => to), ["127.0.0.1:3478"]);
});

Deno.test("StunBindings.forget() drops what was seen and asks at once", () => {
  const stun = make();
  const [first] = sends(stun);
  assert(first);
  const mapped = endpointOf("198.51.100.7:40000");
  stun.handleDatagram(encodeStunResponse(first.id, mapped), endpointOf(first.to), 30);
  drain(stun);
  stun.forget(1_000);
  assert.deepEqual(drain(stun), [{ kind: "mapped", family: "ipv4", endpoint: undefined }]);
  stun.handleTimeout(stun.pollTimeout() ?? Infinity);
  assert.equal(sends(stun).length, 2);
  stun.setFamilies(new Set(), 1_001);
  assert.equal(stun.pollTimeout(), undefined);
});
