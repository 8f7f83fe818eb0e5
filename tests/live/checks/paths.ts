/** Which way the bytes go: straight to the agent where that is possible, over the relay where it is wanted, and what is said of it. */
import { doesNotMatch, match, ok, strictEqual } from "node:assert/strict";
import type { Check } from "../check.ts";
import { Bulk, MEGABYTE } from "../data.ts";
import type { Desk } from "../desk.ts";

const BULK_BYTES = 32 * MEGABYTE;
const LIMIT_MS = 120_000;
const STRAIGHT = /direct connection {2}to=/;
/** Where the deployment, or a proxy before it, wants none. */
const UNWANTED = /no direct connection/;

interface NetworkInfo {
  readonly p2p: boolean;
  readonly latency: number;
  readonly preferred_derp: string;
  readonly derp_latency: Readonly<Record<string, number>>;
}

/** The file that editors read, of the one session that wrote into `dir`. */
async function networkInfo(dir: string): Promise<NetworkInfo> {
  for await (const { name } of Deno.readDir(dir)) {
    if (name.endsWith(".json")) return JSON.parse(await Deno.readTextFile(`${dir}/${name}`));
  }
  throw new Error(`${dir} has no file`);
}

/** A session with a transfer both ways, long enough for a path to be found under it; what it said, and what it wrote for editors. */
async function transfer(
  desk: Desk,
  flags: readonly string[],
): Promise<{ readonly said: string; readonly info: NetworkInfo }> {
  const dir = desk.local("network");
  const bulk = new Bulk(BULK_BYTES);
  await using session = desk.startProgram(
    ["-v", ...flags, "--network-info-dir", dir, "--network-info-interval", "100ms"]
      .concat(desk.workspace, "cat"),
    { isBulk: true, limitMs: LIMIT_MS },
  );
  let sent = 0;
  for (const chunk of bulk) {
    sent += chunk.length;
    await session.write(chunk);
    await session.stdout.untilBytes(sent);
    // The change from the relay to the path happens under the transfer, not after it.
    if (sent === 8 * MEGABYTE && !flags.includes("--disable-direct-connections")) {
      await session.stderr.until(new RegExp(`${STRAIGHT.source}|${UNWANTED.source}`));
    }
  }
  const isStraight = STRAIGHT.test(session.stderr.text());
  const began = performance.now();
  const isTold = ({ p2p, preferred_derp, derp_latency }: NetworkInfo) =>
    p2p === isStraight && (derp_latency[preferred_derp] ?? 0) > 0;
  let info = await networkInfo(dir);
  while (!isTold(info)) {
    ok(performance.now() - began < LIMIT_MS, `does not tell the way: ${JSON.stringify(info)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
    info = await networkInfo(dir);
  }
  const exit = await session.feed([]);
  strictEqual(exit.code, 0, exit.stderr);
  strictEqual(exit.sha256, bulk.sha256);
  return { said: exit.stderr, info };
}

export const PATH_CHECKS: readonly Check[] = [
  {
    name: "goes over from the relay to a direct path under a transfer, unless that is unwanted",
    run: async (desk) => {
      const { said, info } = await transfer(desk, []);
      strictEqual(info.p2p, !UNWANTED.test(said));
      ok(info.latency > 0);
    },
  },
  {
    name: "stays on the relay when told so, in one line",
    run: async (desk) => {
      const { said, info } = await transfer(desk, ["--disable-direct-connections"]);
      match(said, /^Direct connections disabled\.$/m);
      doesNotMatch(said, STRAIGHT);
      ok(!info.p2p);
    },
  },
];
