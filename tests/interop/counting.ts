/** A workspace that goes on writing while somebody takes the network, the server or an end of the session away. */
import { strictEqual } from "node:assert/strict";
import { isInstalled, testWith } from "../live/check.ts";
import { Desk } from "../live/desk.ts";
import type { Process } from "../live/process.ts";
import { CutProxy } from "./cut_proxy.ts";
import { Peer } from "./peer.ts";
import { PEER_NEEDS } from "./site.ts";

const NUMBERS = 75;
const LIMIT_MS = 120_000;
/** Fifteen seconds of output. */
const COUNTER = `i=0; while [ $i -lt ${NUMBERS} ]; do echo $i; i=$((i+1)); sleep 0.2; done`;
export const COUNTED = Array.from({ length: NUMBERS }, (_, i) => `${i}\n`).join("");

/** A peer that is reached through a proxy, over relays alone, and a desk before it. */
export interface Away {
  readonly peer: Peer;
  readonly proxy: CutProxy;
  readonly desk: Desk;
}

/** A test that takes things away. */
export function awayTest(name: string, run: (away: Away) => Promise<void>): void {
  const missing = PEER_NEEDS.filter((program) => !isInstalled(program));
  testWith(name, missing, async () => {
    await using peer = await Peer.start(["--relay-only"]);
    await using proxy = new CutProxy(new URL(peer.info.url));
    await using desk = await Desk.open({ ...peer.deployment, url: proxy.url });
    await run({ peer, proxy, desk });
  });
}

/** A session whose program counts; it has begun. */
export async function startCounting({ desk }: Away): Promise<Process> {
  const session = desk.startProgram([desk.workspace, COUNTER], { limitMs: LIMIT_MS });
  await session.stdout.until(/^9$/m);
  return session;
}

/** A test with a counter at work: whatever `disturb` does, each number arrives, once and in order. */
export function countingTest(
  name: string,
  disturb: (counting: Away & { readonly session: Process }) => Promise<void>,
): void {
  awayTest(name, async (away) => {
    await using session = await startCounting(away);
    await disturb({ ...away, session });
    const exit = await session.exit();
    strictEqual(exit.code, 0, exit.stderr);
    strictEqual(exit.stdout, COUNTED);
  });
}

/** Real time: the peer's stacks have no other. */
export function pass(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
