/** Direct paths: found beside the relay, left when they die and taken again when they are back, with every byte once and in order. */
import { match } from "node:assert/strict";
import { Bulk, MEGABYTE, randomBytes } from "../live/data.ts";
import { PATH_CHECKS } from "../live/checks/paths.ts";
import { pass } from "./counting.ts";
import { Mirror, relayedBytes, untilDirect } from "./mirror.ts";
import { registerOnPeer, siteTest } from "./site.ts";

const GATED = { peer: ["--udp-gate"] };
const PIECE_BYTES = MEGABYTE;
const STRETCH_BYTES = 16 * MEGABYTE;
/** What may cross the relay besides the data: handshakes, keepalives, pings. */
const SMALL_TALK_BYTES = 200_000;
const KEYSTROKE_MS = 50;
const STOPPED_MS = 15_000;
/** Our own deadlines sum up to half a second. */
const FALL_BACK_LIMIT_MS = 1_000;

registerOnPeer("paths:", PATH_CHECKS);

siteTest("direct: the bytes leave the relay alone once there is a path", {}, async (site) => {
  await using mirror = new Mirror(site.desk);
  await untilDirect(mirror, site.peer);
  // A machine with other things to do may lose the path, and answer late: then another stretch is looked at, until the session's limit.
  for (;;) {
    const before = await relayedBytes(site.peer);
    for (const chunk of new Bulk(STRETCH_BYTES)) await mirror.reflect(chunk);
    if (await relayedBytes(site.peer) - before < SMALL_TALK_BYTES) break;
  }
});

siteTest(
  "direct: a path that closes under a transfer, in either direction or both, and opens again, loses nothing",
  GATED,
  async (site) => {
    const bulk = new Bulk(48 * MEGABYTE);
    const lines = [
      "udp closed",
      "udp open",
      "udp closed-in",
      "udp open",
      "udp closed-out",
      "udp open",
    ];
    const step = Math.floor(bulk.bytes / PIECE_BYTES / (lines.length + 1));
    await using mirror = new Mirror(site.desk);
    let count = 0;
    for (const chunk of bulk) {
      await mirror.reflect(chunk);
      const line = ++count % step === 0 ? lines[count / step - 1] : undefined;
      if (line !== undefined) await site.peer.command(line);
      // Each closing finds a path to close.
      if (line === "udp open") await site.peer.until("a path again", ({ direct }) => direct);
    }
    await mirror.end();
    match(mirror.said, /direct connection lost, using the relay/);
  },
);

siteTest("direct: who types hardly notices that the path died", GATED, async (site) => {
  await using mirror = new Mirror(site.desk);
  await untilDirect(mirror, site.peer);
  /** The longest time without an echo. */
  const type = async (keys: number) => {
    let worst = 0;
    for (let i = 0; i < keys; i++) {
      const began = performance.now();
      await mirror.reflect(randomBytes(1));
      worst = Math.max(worst, performance.now() - began);
      await pass(KEYSTROKE_MS);
    }
    return worst;
  };
  // A machine with other things to do stands still at times; it is looked at again, until the session's limit.
  for (;;) {
    await type(10);
    await site.peer.command("udp closed");
    const worst = await type(30);
    await mirror.until(/direct connection lost, using the relay/);
    await site.peer.command("udp open");
    await mirror.until(/direct connection {2}to=/);
    if (worst < FALL_BACK_LIMIT_MS) break;
    await site.peer.until("a path again", ({ direct }) => direct);
  }
});

for (const packets of [0, 1, 20, 3_000]) {
  siteTest(
    `direct: a firewall that lets ${packets} packets through and then nothing costs no byte`,
    GATED,
    async (site) => {
      await site.peer.command(`udp first-${packets}`);
      await using mirror = new Mirror(site.desk);
      for (const chunk of new Bulk(STRETCH_BYTES)) await mirror.reflect(chunk);
      // What it lets through once more is a path again.
      await site.peer.command("udp open");
      await mirror.until(/direct connection {2}to=/);
      await mirror.end();
    },
  );
}

siteTest("direct: output goes on after 15 s in which the program was stopped", {}, async (site) => {
  await using mirror = new Mirror(site.desk);
  await untilDirect(mirror, site.peer);
  for (const chunk of new Bulk(PIECE_BYTES)) await mirror.reflect(chunk);
  mirror.kill("SIGSTOP");
  await pass(STOPPED_MS);
  mirror.kill("SIGCONT");
  for (const chunk of new Bulk(PIECE_BYTES)) await mirror.reflect(chunk);
  await mirror.end();
});

siteTest(
  "direct: a bulk leaves a path that loses packets for the relay, and is back when it loses no more",
  GATED,
  async (site) => {
    await using mirror = new Mirror(site.desk);
    await untilDirect(mirror, site.peer);
    await site.peer.command("udp lossy-5");
    const before = await relayedBytes(site.peer);
    const relayed = async () => await relayedBytes(site.peer) - before;
    while (!/loses packets, trying the relay/.test(mirror.said)) {
      await mirror.reflect(randomBytes(MEGABYTE / 4));
    }
    while (await relayed() < 16 * MEGABYTE) await mirror.reflect(randomBytes(MEGABYTE));
    await site.peer.command("udp open");
    // It has to answer for half a minute; a bulk is not needed for that.
    while (!/trying the relay[^]*direct connection {2}to=/.test(mirror.said)) {
      await mirror.reflect(randomBytes(MEGABYTE / 4));
      await pass(KEYSTROKE_MS);
    }
    await site.peer.until("the agent sends by UDP", ({ direct }) => direct);
  },
);
