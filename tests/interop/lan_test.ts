/**
 * Client and agent behind one NAT, and on one machine, against the peer's own stack of paths; and what happens to such a network: the
 * machine's address is another, its cable is out, the router is switched off and on.
 */
import { doesNotMatch, match, ok, strictEqual } from "node:assert/strict";
import { Bulk, MEGABYTE } from "../live/data.ts";
import { lanTest } from "./lan.ts";
import { Mirror, relayedBytes, untilDirect } from "./mirror.ts";
import { pass } from "./counting.ts";

const BULK_BYTES = 24 * MEGABYTE;
/** More than pings alone are; on a machine with other things to do much of a transfer may leave the path for the relay again. */
const DATA_PACKETS = 500;
const CABLE_OUT_MS = 4_000;

/** A transfer there and back; `disturb` in its middle. */
async function transfer(mirror: Mirror, disturb = () => Promise.resolve()): Promise<void> {
  let sent = 0;
  for (const chunk of new Bulk(BULK_BYTES)) {
    const isMiddle = sent < BULK_BYTES / 2 && sent + chunk.length >= BULK_BYTES / 2;
    sent += chunk.length;
    await mirror.reflect(chunk);
    if (isMiddle) await disturb();
  }
  await mirror.end();
}

for (const hairpin of ["on", "off"]) {
  lanTest(
    `lan: two in one network go straight through it; hairpinning ${hairpin}`,
    { agent: "beside" },
    async ({ desk, lan, peer }) => {
      await lan.command(`hairpin ${hairpin}`);
      await using mirror = new Mirror(desk);
      await untilDirect(mirror, peer);
      await transfer(mirror);
      match(mirror.said, /direct connection {2}to=10\.77\.0\.3:/);
      ok((await lan.stats()).within > DATA_PACKETS);
    },
  );
}

lanTest(
  "lan: two on one machine meet at its address",
  { agent: "same" },
  async ({ desk, lan, peer }) => {
    await using mirror = new Mirror(desk);
    await untilDirect(mirror, peer);
    await transfer(mirror);
    match(mirror.said, /direct connection {2}to=10\.77\.0\.2:/);
    // Not one packet of it was on any wire.
    strictEqual((await lan.stats()).within, 0);
  },
);

lanTest(
  "lan: two that are kept apart inside meet at their router's outside, if it hairpins",
  { agent: "beside" },
  async ({ desk, lan, peer }) => {
    await lan.command("lan off");
    await lan.command("hairpin on");
    await using mirror = new Mirror(desk);
    await untilDirect(mirror, peer);
    await transfer(mirror);
    match(mirror.said, /direct connection {2}to=10\.99\.7\.1:/);
    ok((await lan.stats()).hairpinned > DATA_PACKETS);
  },
);

lanTest(
  "lan: two that are kept apart and whose router does not hairpin stay on the relay, and nothing is lost",
  { agent: "beside" },
  async ({ desk, lan, peer }) => {
    await lan.command("lan off");
    await using mirror = new Mirror(desk);
    await transfer(mirror);
    doesNotMatch(mirror.said, /direct connection {2}to=/);
    ok(await relayedBytes(peer) > BULK_BYTES);
  },
);

const FAULTS = [
  {
    name: "the machine has another address",
    disturb: async (say: (line: string) => Promise<void>) => {
      await say("client readdressed");
    },
  },
  {
    name: "its cable is out for four seconds",
    disturb: async (say: (line: string) => Promise<void>) => {
      await say("client down");
      await pass(CABLE_OUT_MS);
      await say("client up");
    },
  },
  {
    name: "the router was switched off and on",
    disturb: async (say: (line: string) => Promise<void>) => {
      await say("forget");
    },
  },
] as const;

for (const { name, disturb } of FAULTS) {
  for (const way of ["direct", "relay"] as const) {
    lanTest(
      `lan: a transfer ${way === "direct" ? "straight" : "over the relay"} goes on when ${name}`,
      { agent: "beside", peer: way === "relay" ? ["--relay-only"] : [] },
      async ({ desk, lan, peer }) => {
        await using mirror = new Mirror(desk);
        if (way === "direct") await untilDirect(mirror, peer);
        await transfer(mirror, () => disturb((line) => lan.command(line)));
      },
    );
  }
}
