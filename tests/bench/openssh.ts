/** OpenSSH over a contestant's pipe: the whole of it is measured, CPU time and memory of the pipe alone. */
import { shellQuote } from "../live/names.ts";
import type { Process, StartOptions } from "../live/process.ts";
import { type Contestant, line } from "./contestants.ts";
import type { Direction, Path } from "./figures.ts";
import type { Measurement } from "./path_client.ts";
import type { Place } from "./place.ts";

const BYTES_PER_MB = 1e6;
const CLOCK_TICKS_PER_SECOND = 100;
const CHUNK = new Uint8Array(1_048_576);

export class OpenSsh {
  readonly #place: Place;
  readonly #path: Path;
  readonly #pidFile: string;
  readonly #options: readonly string[];

  /** `options`: of OpenSSH, besides. */
  constructor(
    place: Place,
    contestant: Contestant,
    { path, options = [] }: { readonly path: Path; readonly options?: readonly string[] },
  ) {
    this.#place = place;
    this.#path = path;
    this.#pidFile = place.desk.local("pid");
    const proxy = `sh -c ${
      shellQuote(`echo $$ >${this.#pidFile}; exec ${line(contestant.stdio(path))}`)
    }`;
    this.#options = [
      ...["-F", place.desk.configPath, "-o", `ProxyCommand=${proxy.replaceAll("%", "%%")}`],
      ...options,
    ];
  }

  start(command: string, options: Partial<StartOptions> = {}): Process {
    const { runs, desk } = this.#place;
    return runs.start(desk, this.argv(command), { isBulk: true, ...options });
  }

  argv(command: string): readonly string[] {
    return ["ssh", ...this.#options, "workspace", command];
  }

  /** Waits until the path is in use; something must have been said over it. */
  async ready(): Promise<void> {
    if (this.#path === "relay") return;
    await this.#place.peer.until("a direct path", ({ direct }) => direct);
  }

  /** User and system time of the pipe so far. */
  async cpuSeconds(): Promise<number> {
    // proc_pid_stat(5): fields 14 and 15, counted behind the name, which may hold spaces.
    const text = await this.#proc("stat");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS_PER_SECOND;
  }

  /** Of the pipe: what it has now, or its largest resident size. */
  async rssMib(which: "VmRSS" | "VmHWM"): Promise<number> {
    const text = await this.#proc("status");
    return Number(new RegExp(`${which}:\\s+(\\d+) kB`).exec(text)?.[1]) / 1024;
  }

  async #proc(file: string): Promise<string> {
    const pid = (await Deno.readTextFile(this.#pidFile)).trim();
    return (await this.#place.desk.must(["cat", `/proc/${pid}/${file}`])).stdout;
  }
}

export async function transferByOpenSsh(
  place: Place,
  contestant: Contestant,
  { path, direction, bytes }: {
    readonly path: Path;
    readonly direction: Direction;
    readonly bytes: number;
  },
): Promise<Measurement> {
  const command = direction === "down"
    ? `echo up; head -c 1 >/dev/null; head -c ${bytes} /dev/zero; cat >/dev/null`
    : `echo up; head -c ${bytes} >/dev/null; echo done; cat >/dev/null`;
  const openssh = new OpenSsh(place, contestant, { path });
  await using ssh = openssh.start(command);
  await ssh.stdout.untilBytes("up\n".length);
  await openssh.ready();
  const cpuBefore = await openssh.cpuSeconds();
  const began = performance.now();
  if (direction === "down") {
    await ssh.write("x");
    await ssh.stdout.untilBytes("up\n".length + bytes);
  } else {
    for (let left = bytes; left > 0; left -= CHUNK.length) {
      await ssh.write(left < CHUNK.length ? CHUNK.subarray(0, left) : CHUNK);
    }
    await ssh.stdout.untilBytes("up\ndone\n".length);
  }
  const seconds = (performance.now() - began) / 1_000;
  const cpu = await openssh.cpuSeconds() - cpuBefore;
  const rss = await openssh.rssMib("VmHWM");
  await ssh.closeInput();
  await ssh.exit();
  return {
    mb_per_s: bytes / BYTES_PER_MB / seconds,
    transfer_cpu_s: cpu,
    max_rss_mb: rss * 1024 * 1024 / BYTES_PER_MB,
  };
}
