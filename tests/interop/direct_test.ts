/** Direct paths: found beside the relay, left when they die and taken again when they are back, with every byte once and in order. */
import { match, ok, strictEqual } from "node:assert/strict";
import { Bulk, MEGABYTE, randomBytes } from "../live/data.ts";
import type { Process } from "../live/process.ts";
import { PATH_CHECKS } from "../live/checks/paths.ts";
import type { Peer } from "./peer.ts";
import { registerOnPeer, type Site, siteTest } from "./site.ts";

const GATED = { peer: ["--udp-gate"] };
const LIMIT_MS = 120_000;
const PIECE_BYTES = MEGABYTE;
/** What may cross the relay besides the data: handshakes, keepalives, pings. */
const SMALL_TALK_BYTES = 200_000;
const KEYSTROKE_MS = 50;
/** Our own deadlines sum up to half a second; the rest is for a machine with other things to do. */
const FALL_BACK_LIMIT_MS = 3_000;

/** A session of the program's own whose words come back. */
class Mirror implements AsyncDisposable {
  readonly #process: Process;
  #bytes = 0;

  constructor(site: Site, args: readonly string[] = []) {
    this.#process = site.desk.startProgram(["-v", ...args, site.desk.workspace, "cat"], {
      isBulk: true,
      limitMs: LIMIT_MS,
    });
  }

  get said(): string {
    return this.#process.stderr.text();
  }

  async until(pattern: RegExp): Promise<void> {
    await this.#process.stderr.until(pattern);
  }

  /** Sends, and waits until all of it is back. */
  async reflect(bytes: Uint8Array): Promise<void> {
    this.#bytes += bytes.length;
    await this.#process.write(bytes);
    await this.#process.stdout.untilBytes(this.#bytes);
  }

  /** Ends the session; what came back must be what was sent. */
  async end(sha256: string): Promise<void> {
    const exit = await this.#process.feed([]);
    strictEqual(exit.code, 0, exit.stderr);
    strictEqual(exit.bytes, this.#bytes);
    strictEqual(exit.sha256, sha256);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
  }
}

async function relayedBytes(peer: Peer): Promise<number> {
  const { relay } = await peer.stats();
  return relay.bytes_received + relay.bytes_sent;
}

async function untilDirect(mirror: Mirror, peer: Peer): Promise<void> {
  await mirror.reflect(new Uint8Array([0x0a]));
  await mirror.until(/direct connection {2}to=/);
  await peer.until("the agent sends by UDP", ({ direct }) => direct);
}

registerOnPeer("paths:", PATH_CHECKS);

siteTest("direct: the bytes leave the relay alone once there is a path", {}, async (site) => {
  await using mirror = new Mirror(site);
  await untilDirect(mirror, site.peer);
  const before = await relayedBytes(site.peer);
  for (const chunk of new Bulk(32 * MEGABYTE)) await mirror.reflect(chunk);
  const relayed = await relayedBytes(site.peer) - before;
  ok(relayed < SMALL_TALK_BYTES, `${relayed} bytes crossed the relay`);
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
    await using mirror = new Mirror(site);
    let count = 0;
    for (const chunk of bulk) {
      await mirror.reflect(chunk);
      const line = ++count % step === 0 ? lines[count / step - 1] : undefined;
      if (line !== undefined) await site.peer.command(line);
      // Each closing finds a path to close.
      if (line === "udp open") await site.peer.until("a path again", ({ direct }) => direct);
    }
    await mirror.end(bulk.sha256);
    match(mirror.said, /direct connection lost, using the relay/);
  },
);

siteTest("direct: who types hardly notices that the path died", GATED, async (site) => {
  await using mirror = new Mirror(site);
  await untilDirect(mirror, site.peer);
  const gaps: number[] = [];
  const type = async () => {
    const began = performance.now();
    await mirror.reflect(randomBytes(1));
    gaps.push(performance.now() - began);
    await new Promise((resolve) => setTimeout(resolve, KEYSTROKE_MS));
  };
  for (let i = 0; i < 10; i++) await type();
  await site.peer.command("udp closed");
  for (let i = 0; i < 30; i++) await type();
  const worst = Math.max(...gaps);
  ok(worst < FALL_BACK_LIMIT_MS, `${worst} ms without an echo`);
  match(mirror.said, /direct connection lost, using the relay/);
  await site.peer.command("udp open");
  await mirror.until(/using the relay[^]*direct connection {2}to=/);
});

siteTest(
  "direct: a bulk leaves a path that loses packets for the relay, and is back when it loses no more",
  GATED,
  async (site) => {
    await using mirror = new Mirror(site);
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
      await new Promise((resolve) => setTimeout(resolve, KEYSTROKE_MS));
    }
    await site.peer.until("the agent sends by UDP", ({ direct }) => direct);
  },
);
