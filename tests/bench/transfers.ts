/** Bulk: through the tunnel and by OpenSSH on the loopback, through the tunnel on wires. */
import type { Contestant } from "./contestants.ts";
import { type Direction, DIRECTIONS, type Path, WIRES } from "./figures.ts";
import { transferByOpenSsh } from "./openssh.ts";
import type { Measurement } from "./path_client.ts";
import type { Place } from "./place.ts";
import { onWire, type Task } from "./task.ts";

const BYTES_PER_GB = 1e9;
const BYTES_PER_MB = 1e6;
const BYTES_PER_MIB = 1_048_576;
/** The same on every Linux that Deno runs on (time(7), USER_HZ). */
const TICKS_PER_SECOND = 100;

interface Transfer {
  readonly path: Path;
  readonly direction: Direction;
  readonly bytes: number;
}

/** `bytes`: of each transfer on the loopback. */
export function transferTasks(bytes: number): Task[] {
  return [...loopbackTasks(bytes), ...wireTasks()];
}

function loopbackTasks(bytes: number): Task[] {
  return (["relay", "direct"] as const).flatMap((path) =>
    DIRECTIONS.flatMap((direction) =>
      ([["tunnel", transferInTunnel], ["openssh", transferByOpenSsh]] as const).map((
        [how, transfer],
      ): Task => ({
        group: path,
        name: `${path}, ${how}, ${direction}`,
        isFar: false,
        run: async (place, contestant) => {
          const { pid } = place.peer.info;
          const before = await cpuSeconds(pid);
          const measured = await transfer(place, contestant, { path, direction, bytes });
          const peerSeconds = await cpuSeconds(pid) - before;
          const id = `${path}.${how}.${direction}`;
          return {
            [id]: measured.mb_per_s,
            [`${id}.cpu`]: measured.transfer_cpu_s * BYTES_PER_GB / bytes,
            [`${id}.peer`]: peerSeconds * BYTES_PER_GB / bytes,
            [`${id}.rss`]: measured.max_rss_mb * BYTES_PER_MB / BYTES_PER_MIB,
          };
        },
      }))
    )
  );
}

function wireTasks(): Task[] {
  return WIRES.flatMap((wire) =>
    (["relay", "direct"] as const).flatMap((path) =>
      DIRECTIONS.map((direction): Task => ({
        group: "wan",
        name: `${wire.name}, ${path}, ${direction}`,
        rounds: 2,
        isFar: true,
        run: (place, contestant) =>
          onWire(place, wire.shape, async () => {
            const transfer = { path, direction, bytes: wire.bytes[path] };
            const { mb_per_s } = await transferInTunnel(place, contestant, transfer);
            return { [`${wire.id}.${path}.${direction}`]: mb_per_s };
          }),
      }))
    )
  );
}

/** User and system time of a process so far (proc(5), fields 14 and 15 of `stat`). */
async function cpuSeconds(pid: number): Promise<number> {
  // The runtime reads nothing there unless it may do everything.
  const { stdout } = await new Deno.Command("sh", {
    args: ["-c", 'cat "/proc/$1/stat"', "sh", `${pid}`],
  }).output();
  const text = new TextDecoder().decode(stdout);
  // The program's name, which may hold anything, ends with the last parenthesis; the third field follows.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

async function transferInTunnel(
  { runs, desk }: Place,
  contestant: Contestant,
  { path, direction, bytes }: Transfer,
): Promise<Measurement> {
  await using process = runs.start(desk, contestant.transfer(path, direction, bytes), {
    stdin: "null",
  });
  const { code, stdout, stderr } = await process.exit();
  if (code !== 0) throw new Error(`Status ${code}: ${stderr.slice(-300)}`);
  const measured: Measurement = JSON.parse(stdout);
  return measured;
}
