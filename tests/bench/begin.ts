/** How long it takes to be there: to the first byte, and for a command as a whole. */
import type { Contestant } from "./contestants.ts";
import { FAR_START_RTT_MS, START_RTT_MS } from "./figures.ts";
import type { Place } from "./place.ts";
import { onWire, type Task } from "./task.ts";

const TIMES_FAR = 3;

export function beginTasks(): Task[] {
  return [
    ...(["relay", "direct"] as const).map((path): Task => ({
      group: path,
      name: `${path}, first byte`,
      isFar: false,
      run: async (place, contestant) => ({
        [`${path}.first-byte`]: await firstByteMs(place, contestant.stdio(path)),
      }),
    })),
    {
      group: "starts",
      name: `starts at ${START_RTT_MS} and ${FAR_START_RTT_MS} ms`,
      rounds: 2,
      isFar: true,
      run: async (place, contestant) => {
        const near = await startsAt(place, contestant, START_RTT_MS);
        const far = await startsAt(place, contestant, FAR_START_RTT_MS);
        const apartMs = FAR_START_RTT_MS - START_RTT_MS;
        return {
          "50ms.first-byte": near.firstMs,
          "50ms.command": near.wholeMs,
          "round-trips.first-byte": (far.firstMs - near.firstMs) / apartMs,
          "round-trips.command": (far.wholeMs - near.wholeMs) / apartMs,
        };
      },
    },
  ];
}

/** The best of a few, with what the one before remembered. */
async function startsAt(place: Place, contestant: Contestant, roundTripMs: number) {
  return await onWire(place, `delay=${roundTripMs / 2}ms`, async () => {
    const first: number[] = [];
    const whole: number[] = [];
    for (let i = 0; i < TIMES_FAR; i++) {
      first.push(await firstByteMs(place, contestant.stdio("direct")));
      whole.push(await commandMs(place, contestant));
    }
    return { firstMs: Math.min(...first), wholeMs: Math.min(...whole) };
  });
}

async function firstByteMs({ runs, desk }: Place, argv: readonly string[]): Promise<number> {
  const began = performance.now();
  await using pipe = runs.start(desk, argv);
  await pipe.stdout.untilBytes(1);
  const ms = performance.now() - began;
  // Politely, so that what it remembers is written.
  await pipe.closeInput();
  await pipe.exit();
  return ms;
}

async function commandMs({ runs, desk }: Place, contestant: Contestant): Promise<number> {
  const began = performance.now();
  await using process = runs.start(desk, contestant.command(), { stdin: "null" });
  const { code, stderr } = await process.exit();
  if (code !== 0) throw new Error(`Status ${code}: ${stderr.slice(-300)}`);
  return performance.now() - began;
}
