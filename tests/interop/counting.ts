/** A workspace that goes on writing while somebody takes the network, the server or an end of the session away. */
import { strictEqual } from "node:assert/strict";
import { isInstalled, testWith } from "../live/check.ts";
import { Desk } from "../live/desk.ts";
import type { Process } from "../live/process.ts";
import { CutProxy } from "./cut_proxy.ts";
import { Peer, type PeerStats } from "./peer.ts";
import { PEER_NEEDS } from "./site.ts";

const NUMBERS = 75;
const LIMIT_MS = 120_000;
/** At short round trips an agent sends again for so long; then it gives the connection up (`lib/netstack/outage.ts`). */
const PATIENCE_MS = 12_600;
/** For what we are on the relay again until the agent has heard of us. */
const HEARD_MS = 1_600;
const TRIES = 4;
export const COUNTED = countedTo(NUMBERS);

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

/** A session whose program counts, five numbers a second; it has begun. */
export async function startCounting({ desk }: Away, numbers = NUMBERS): Promise<Process> {
  const counter = `i=0; while [ $i -lt ${numbers} ]; do echo $i; i=$((i+1)); sleep 0.2; done`;
  const session = desk.startProgram([desk.workspace, counter], { limitMs: LIMIT_MS });
  await session.stdout.until(/^9$/m);
  return session;
}

function countedTo(numbers: number): string {
  return Array.from({ length: numbers }, (_, i) => `${i}\n`).join("");
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

export interface Outage {
  readonly awayMs: number;
  /** What is counted. @default 75, fifteen seconds */
  readonly numbers?: number;
  readonly begin: (away: Away) => Promise<void>;
  readonly end: (away: Away) => void;
}

/**
 * A test with a counter at work and an outage, after which each number arrives, once and in order. The outage that counts is the one
 * that the machine makes of it, until we are on the relay again: one that an agent need not have patience for says nothing of us, so
 * another is made.
 */
export function outageTest(name: string, outage: Outage): void {
  const { awayMs, numbers = NUMBERS, begin, end } = outage;
  awayTest(name, async (away) => {
    const outagesMs: number[] = [];
    while (outagesMs.length < TRIES) {
      await using session = await startCounting(away, numbers);
      const logins = relayLogins(await away.peer.stats());
      const began = performance.now();
      await begin(away);
      await pass(awayMs);
      end(away);
      await away.peer.until("on the relay again", (stats) => relayLogins(stats) > logins);
      const outageMs = performance.now() - began;
      if (outageMs + HEARD_MS > PATIENCE_MS) {
        outagesMs.push(outageMs);
        continue;
      }
      const exit = await session.exit();
      strictEqual(exit.code, 0, exit.stderr);
      strictEqual(exit.stdout, countedTo(numbers));
      return;
    }
    const seen = outagesMs.map((ms) => `${Math.round(ms)} ms`).join(", ");
    throw new Error(`Of ${awayMs} ms this machine made ${seen}: nothing can be said of them`);
  });
}

/** How often we came to the relay; the agent goes there on a way of its own. */
function relayLogins({ requests }: PeerStats): number {
  return requests["GET /derp"] ?? 0;
}

/** Real time: the peer's stacks have no other. */
export function pass(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
