/** One peer's paths, by script: what is pinged, which address wins, what ends it. No network: pongs are given by hand. */
import assert from "node:assert/strict";
import { PADDED_PACKET_BYTES } from "../../../lib/disco/mod.ts";
import { formatEndpoint } from "../../../lib/tailnet/endpoint_text.ts";
import { PeerPaths } from "../../../lib/tailnet/paths/peer_paths.ts";
import { endpointOf } from "./sim_udp.ts";

class Script {
  readonly paths = new PeerPaths(0);
  now = 0;

  constructor(endpoints: readonly string[]) {
    this.paths.setFamilies(new Set(["ipv4", "ipv6"]), 0);
    this.paths.setAnnounced(endpoints.map(endpointOf), 0);
    this.paths.seek(0);
  }

  /** What must leave, as short texts. */
  out(): string[] {
    const texts: string[] = [];
    for (let out = this.paths.pollOutput(); out !== undefined; out = this.paths.pollOutput()) {
      if (out.kind === "ping") texts.push(`ping ${formatEndpoint(out.endpoint)}`);
      else if (out.kind === "call") texts.push(`call ${out.list}`);
      else texts.push(out.change.kind);
    }
    return texts;
  }

  pong(text: string, latencyMs: number): this {
    const packetBytes = PADDED_PACKET_BYTES;
    this.paths.handlePong(endpointOf(text), { packetBytes, latencyMs }, this.now);
    return this;
  }

  runTo(now: number): this {
    for (;;) {
      const next = this.paths.pollTimeout();
      if (next === undefined || next > now) break;
      this.now = Math.max(this.now, next);
      this.paths.handleTimeout(this.now);
    }
    this.now = now;
    return this;
  }

  route(): string {
    const route = this.paths.route(this.now);
    return route.kind === "relay" ? "relay" : `${route.kind} ${formatEndpoint(route.endpoint)}`;
  }
}

const A = "192.0.2.1:1";
const B = "192.0.2.2:2";
const LAN = "10.0.0.5:5";
const SIX = "[2001:db8::1]:6";

Deno.test("PeerPaths pings all that it knows, asks to be pinged, and takes the first that answers", () => {
  const script = new Script([A, B]);
  assert.deepEqual(script.out(), [`ping ${A}`, `ping ${B}`, "call all"]);
  assert.equal(script.route(), "relay");
  script.runTo(30).pong(B, 30);
  assert.equal(script.route(), `direct ${B}`);
  assert.deepEqual(script.out(), ["direct"]);
});

Deno.test("PeerPaths chooses by latency, with a bonus for what is near and for IPv6, and does not flap", async (t) => {
  const rows: readonly [
    name: string,
    first: [string, number],
    later: [string, number][],
    string,
  ][] = [
    ["a faster one wins", [A, 40], [[B, 20]], B],
    ["a little faster is not enough", [A, 40], [[B, 36]], A],
    ["nor a lot of nearly nothing", [A, 1.2], [[B, 0.4]], A],
    ["a slower one never", [A, 20], [[B, 21]], A],
    ["IPv6 at the same latency, no reason to move", [A, 40], [[SIX, 40]], A],
    ["IPv6 a little faster", [A, 40], [[SIX, 37]], SIX],
    ["the local network at the same latency", [A, 40], [[LAN, 40]], LAN],
    ["the local network is not left for as much", [LAN, 40], [[A, 35]], LAN],
    ["one slow pong changes nothing", [A, 40], [[A, 90], [B, 60]], A],
  ];
  for (const [name, first, later, winner] of rows) {
    await t.step(name, () => {
      const script = new Script([A, B, LAN, SIX]);
      script.pong(...first);
      // The first second is for the best of the first round.
      script.now = 1_500;
      for (const [endpoint, latencyMs] of later) script.pong(endpoint, latencyMs);
      assert.equal(script.route(), `direct ${winner}`);
    });
  }
});

Deno.test("PeerPaths takes the best of the first round, whoever was first", () => {
  const script = new Script([A, B]);
  script.pong(A, 40);
  script.now = 100;
  script.pong(B, 39);
  assert.equal(script.route(), `direct ${B}`);
});

Deno.test("PeerPaths trusts a pong for 6.5 s, then sends both ways and asks (magicsock trustUDPAddrDuration)", () => {
  const script = new Script([A]);
  script.pong(A, 10).out();
  script.now = 6_499;
  assert.equal(script.route(), `direct ${A}`);
  script.now = 6_500;
  assert.equal(script.route(), `both ${A}`);
  script.paths.handleSent(script.now);
  assert.deepEqual(script.out(), [`ping ${A}`]);
  script.now = 6_510;
  script.pong(A, 10);
  assert.equal(script.route(), `direct ${A}`);
});

Deno.test("PeerPaths pings the path in use every 3 s while something is sent, and stops 45 s later", () => {
  const script = new Script([A]);
  script.pong(A, 2).out();
  script.paths.handleSent(0);
  const pingedAt: number[] = [];
  for (let now = 0; now <= 120_000; now += 100) {
    script.runTo(now);
    for (const text of script.out()) {
      if (!text.startsWith("ping")) continue;
      pingedAt.push(now);
      script.now = now + 1;
      script.pong(A, 2);
    }
  }
  // One to see that what was sent arrived, then the heartbeat.
  assert.equal(pingedAt[0], 200);
  assert.deepEqual(pingedAt.slice(1), Array.from({ length: 14 }, (_, i) => 3_000 * (i + 1)));
});

Deno.test("PeerPaths gives a silent path up in well under a second, and tells the peer to leave it", () => {
  const script = new Script([A]);
  script.pong(A, 10);
  script.runTo(1_000).out();
  script.paths.handleSent(1_000);
  const seen: string[] = [];
  for (let now = 1_000; now <= 2_000; now += 10) {
    script.runTo(now);
    for (const text of script.out()) seen.push(`${now} ${text}`);
    if (script.route() === "relay") break;
  }
  assert.deepEqual(seen, [
    `1150 ping ${A}`,
    `1250 ping ${A}`,
    "1350 relay",
    "1350 call nothing",
  ]);
});

Deno.test("PeerPaths sends both ways from the first unanswered question on", () => {
  const script = new Script([A]);
  script.pong(A, 10);
  script.paths.handleSent(1_000);
  script.runTo(1_249);
  assert.equal(script.route(), `direct ${A}`);
  script.runTo(1_250);
  assert.equal(script.route(), `both ${A}`);
  script.pong(A, 10);
  assert.equal(script.route(), `direct ${A}`);
});

Deno.test("PeerPaths asks nothing while data is heard, however slow pongs are", () => {
  const script = new Script([A]);
  script.pong(A, 2).out();
  const asked: string[] = [];
  for (let now = 10; now < 2_900; now += 10) {
    script.runTo(now);
    script.paths.handleHeard(now);
    script.paths.handleSent(now);
    asked.push(...script.out());
  }
  assert.deepEqual(asked, []);
  assert.equal(script.route(), `direct ${A}`);
});

Deno.test("PeerPaths is back as soon as the address answers, and tells the peer of ours again", () => {
  const script = new Script([A]);
  script.pong(A, 10);
  script.paths.handleSent(1_000);
  script.runTo(1_400).out();
  assert.equal(script.route(), "relay");
  script.runTo(4_000);
  const pings = script.out().filter((text) => text === `ping ${A}`).length;
  assert(pings >= 3 && pings <= 5, `${pings} pings`);
  script.pong(A, 10);
  assert.equal(script.route(), `direct ${A}`);
  assert.deepEqual(script.out(), ["direct", "call all"]);
});

Deno.test("PeerPaths tells the peer of ours when the network is another, though pongs still come, and again by the next relay", () => {
  const script = new Script([A]);
  script.pong(A, 10).out();
  script.now = 2_000; // A search's call would be too soon after the last.
  script.paths.handleNetworkChange(script.now);
  script.pong(A, 10);
  assert.deepEqual(script.out(), [`ping ${A}`, "call all"]);
  // The relay was as dead as the address.
  script.now = 5_000;
  script.paths.handleRelayReady(script.now);
  assert.deepEqual(script.out(), ["call all"]);
  assert.equal(script.route(), `direct ${A}`);
  // What was said long ago was heard, or does not matter.
  script.now = 20_000;
  script.paths.handleRelayReady(script.now);
  assert.deepEqual(script.out(), []);
});

Deno.test("PeerPaths repeats by the next relay what it said last: that nothing arrives", () => {
  const script = new Script([A]);
  script.pong(A, 10);
  script.paths.handleSent(1_000);
  script.runTo(1_400).out();
  assert.equal(script.route(), "relay");
  script.paths.handleRelayReady(script.now);
  script.runTo(1_800);
  assert.deepEqual(script.out().filter((text) => text.startsWith("call")), ["call nothing"]);
});

Deno.test("PeerPaths asks the path in use when the peer names no address any more", () => {
  const script = new Script([A]);
  script.pong(A, 10).out();
  script.now = 500;
  assert(script.paths.handleCall([], script.now));
  assert.equal(script.route(), `both ${A}`);
  assert.deepEqual(script.out(), [`ping ${A}`]);
});

Deno.test("PeerPaths leaves an address that the machine cannot send to at once", () => {
  const script = new Script([A, B]);
  script.pong(A, 10).out();
  script.now = 2_000;
  script.paths.handleUnsendable(endpointOf(B), script.now);
  assert.equal(script.route(), `direct ${A}`);
  script.paths.handleUnsendable(endpointOf(A), script.now);
  assert.equal(script.route(), `both ${A}`);
  assert(script.out().includes(`ping ${B}`));
});

Deno.test("PeerPaths looks for a better path now and then, not when the present one is good enough", () => {
  for (const [latencyMs, looks] of [[5, false], [6, true]] as const) {
    const script = new Script([A, B]);
    script.pong(A, latencyMs).out();
    let sawOther = false;
    for (let now = 0; now <= 130_000; now += 50) {
      script.runTo(now);
      script.paths.handleHeard(now);
      script.paths.handleSent(now);
      sawOther ||= script.out().includes(`ping ${B}`);
      script.pong(A, latencyMs);
    }
    assert.equal(sawOther, looks);
  }
});

Deno.test("PeerPaths pings nothing in a family that there is no socket for", () => {
  const script = new Script([A, SIX]);
  script.out();
  const paths = new PeerPaths(0);
  paths.setFamilies(new Set(["ipv6"]), 0);
  paths.setAnnounced([endpointOf(A), endpointOf(SIX)], 0);
  paths.seek(0);
  assert.equal(paths.pollOutput()?.kind, "ping");
  assert.equal(paths.pollOutput()?.kind, "call");
  assert.equal(paths.pollOutput(), undefined);
});
