/** UDP dies on the way, and nobody says so: how long nothing comes, for who types and for who downloads. */
import type { Process } from "../live/process.ts";
import type { Contestant } from "./contestants.ts";
import { FALLBACK_WIRE } from "./figures.ts";
import type { Place } from "./place.ts";
import { onWire, type Task } from "./task.ts";

const ECHO_PORT = 7003;
const SOURCE_PORT = 7001;
const KEYSTROKE_EVERY_MS = 20;
const BEFORE_MS = 1_000;
/** What comes so long after the cut comes over the relay. */
const AFTER_MS = 2_500;
const DEAD_UDP = `${FALLBACK_WIRE} udp=off`;
/** More than can come in the time. */
const ENDLESS_BYTES = 10_000_000_000n;

export function fallbackTasks(): Task[] {
  return (["keystrokes", "download"] as const).map((what): Task => ({
    group: "wan",
    name: `UDP dies under ${what}`,
    rounds: 2,
    isFar: true,
    run: (place, contestant) =>
      onWire(place, FALLBACK_WIRE, async (shape) => ({
        [`fallback.${what}`]: await longestStallMs(place, contestant, { what, shape }),
      })),
  }));
}

async function longestStallMs(
  { runs, desk }: Place,
  contestant: Contestant,
  { what, shape }: {
    readonly what: "keystrokes" | "download";
    readonly shape: (words: string) => Promise<void>;
  },
): Promise<number> {
  const port = what === "keystrokes" ? ECHO_PORT : SOURCE_PORT;
  await using pipe = runs.start(desk, contestant.pipe("direct", port), { isBulk: true });
  const stopTyping = what === "keystrokes" ? type(pipe) : await request(pipe);
  await pipe.stdout.untilBytes(1);
  await gapMs(pipe, BEFORE_MS);
  await shape(DEAD_UDP);
  const longest = await gapMs(pipe, AFTER_MS);
  stopTyping();
  pipe.kill("SIGTERM");
  return longest;
}

/** The longest time without a byte until the first that comes after `durationMs`. */
async function gapMs({ stdout }: Process, durationMs: number): Promise<number> {
  const began = performance.now();
  let last = began;
  let longest = 0;
  while (last - began < durationMs) {
    await stdout.untilBytes(stdout.bytes + 1);
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
  }
  return longest;
}

function type(pipe: Process): () => void {
  let failure: unknown;
  const timer = setInterval(() => {
    // Whoever reads hears of the end.
    pipe.write("x").catch((error) => failure ??= error);
    if (failure !== undefined) clearInterval(timer);
  }, KEYSTROKE_EVERY_MS);
  return () => clearInterval(timer);
}

async function request(pipe: Process): Promise<() => void> {
  const count = new Uint8Array(8);
  new DataView(count.buffer).setBigUint64(0, ENDLESS_BYTES);
  await pipe.write(count);
  return () => {};
}
