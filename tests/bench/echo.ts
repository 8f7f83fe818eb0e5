/** Keystrokes and their echoes: alone, and while bulk runs on the same connection or on another. */
import type { Process } from "../live/process.ts";
import { type Contestant, line } from "./contestants.ts";
import { type Direction, DIRECTIONS, ECHO_WIRE, type Path } from "./figures.ts";
import { OpenSsh } from "./openssh.ts";
import type { Place } from "./place.ts";
import { median } from "./median.ts";
import { onWire, type Task } from "./task.ts";

const KEYSTROKES = 25;
const KEYSTROKE_EVERY_MS = 40;
/** Until bulk has filled what it fills. */
const WARM_UP_MS = 700;
const BULK: Readonly<Record<Direction, string>> = {
  down: "cat /dev/zero",
  up: "cat >/dev/null",
};

export function echoTasks(): Task[] {
  return [
    {
      group: "echo",
      name: "echo on the loopback",
      rounds: 2,
      isFar: false,
      run: (place, contestant) => echoes(place, contestant, { id: "loopback", path: "relay" }),
    },
    {
      group: "echo",
      name: "echo at 20 Mbit/s",
      rounds: 2,
      isFar: true,
      run: (place, contestant) =>
        onWire(
          place,
          ECHO_WIRE,
          () => echoes(place, contestant, { id: "20mbit", path: "direct" }),
        ),
    },
  ];
}

async function echoes(
  place: Place,
  contestant: Contestant,
  { id, path }: { readonly id: string; readonly path: Path },
): Promise<Record<string, number>> {
  const socket = place.desk.local("s");
  const own = new OpenSsh(place, contestant, {
    path,
    options: ["-o", "ControlMaster=yes", "-o", `ControlPath=${socket}`],
  });
  const shared = new OpenSsh(place, contestant, {
    path,
    options: ["-o", "ControlMaster=no", "-o", `ControlPath=${socket}`],
  });
  await using session = own.start("cat");
  const typist = new Typist(session);
  await typist.type();
  await own.ready();
  const found: Record<string, number> = { [`echo.${id}.idle`]: await typist.medianMs() };
  for (const direction of DIRECTIONS) {
    for (const company of ["same", "other"] as const) {
      const openssh = company === "same" ? shared : new OpenSsh(place, contestant, { path });
      await using _bulk = startBulk(place, openssh, direction);
      await delay(WARM_UP_MS);
      found[`echo.${id}.${company}.${direction}`] = await typist.medianMs();
    }
    await typist.type(); // what bulk has left under way is through
  }
  return found;
}

/** Goes on until it is ended; its bytes stay off this process. */
function startBulk({ runs, desk }: Place, openssh: OpenSsh, direction: Direction): Process {
  const redirect = direction === "down" ? ">/dev/null" : "</dev/zero";
  const command = `exec ${line(openssh.argv(BULK[direction]))} ${redirect}`;
  return runs.start(desk, ["sh", "-c", command], { isBulk: true });
}

class Typist {
  readonly #session: Process;
  #typed = 0;

  constructor(session: Process) {
    this.#session = session;
  }

  async medianMs(): Promise<number> {
    const times: number[] = [];
    for (let i = 0; i < KEYSTROKES; i++) {
      times.push(await this.type());
      await delay(KEYSTROKE_EVERY_MS);
    }
    return median(times) ?? NaN;
  }

  async type(): Promise<number> {
    const began = performance.now();
    await this.#session.write("x");
    await this.#session.stdout.untilBytes(++this.#typed);
    return performance.now() - began;
  }
}

async function delay(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}
