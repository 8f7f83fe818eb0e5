/** How long it takes to be there: to the first byte, and for a command as a whole. */
import type { Contestant } from "./contestants.ts";
import { START_WIRE } from "./figures.ts";
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
      group: "wan",
      name: "starts at 50 ms",
      isFar: true,
      run: (place, contestant) =>
        onWire(place, START_WIRE, async () => {
          const first: number[] = [];
          const whole: number[] = [];
          for (let i = 0; i < TIMES_FAR; i++) {
            first.push(await firstByteMs(place, contestant.stdio("direct")));
            whole.push(await commandMs(place, contestant));
          }
          return { "50ms.first-byte": Math.min(...first), "50ms.command": Math.min(...whole) };
        }),
    },
  ];
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
