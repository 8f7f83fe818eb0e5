/** The two sides of the path benchmark: hawser and the Go peer's own client, each measured in the same ways. */
import { fromFileUrl, shellQuote } from "../live/names.ts";
import type { Desk } from "../live/desk.ts";
import type { Site } from "../interop/site.ts";
import { peerBinary } from "../interop/peer_binary.ts";
import type { Measurement } from "./path_client.ts";

export type Direction = "down" | "up";

const LIMIT_MS = 180_000;
const BYTES_PER_MB = 1e6;
const CLOCK_TICKS_PER_SECOND = 100;
const CHUNK = new Uint8Array(1_048_576);

export interface Contestant {
  readonly name: string;
  /** One TCP connection to the agent's ports 7001 and 7002, without SSH. */
  tunnel(direction: Direction, bytes: number): Promise<Measurement>;
  /** OpenSSH with `--stdio` as its ProxyCommand, whose own CPU time and memory are measured. */
  openssh(direction: Direction, bytes: number): Promise<Measurement>;
  /** Milliseconds from the start of the process to the agent's first byte on its standard output. */
  firstByteMs(): Promise<number>;
}

export async function contestants(site: Site): Promise<readonly [Contestant, Contestant]> {
  const { desk, peer: { info } } = site;
  const client = fromFileUrl(new URL("path_client.ts", import.meta.url));
  const config = fromFileUrl(new URL("../../deno.json", import.meta.url));
  const deno = [Deno.execPath(), "run", "-A", "--quiet", "--no-lock", "--config", config, client];
  const dial = [await peerBinary(), "dial", "--relay-only"];
  // The way over the relay is measured: neither side looks for another.
  return [
    new Side(desk, {
      name: "hawser",
      pipe: desk.programCommand("--disable-direct-connections", "--stdio", desk.workspace),
      bulk: (direction, bytes) => [
        ...[...deno, direction, `${bytes}`, info.url, info.token, info.agent_id],
      ],
    }),
    new Side(desk, {
      name: "Go client",
      pipe: [...dial, "stdio"].map(shellQuote).join(" "),
      bulk: (direction, bytes) => [...dial, direction, `${bytes}`],
    }),
  ];
}

interface Commands {
  readonly name: string;
  /** A line of shell that pipes to the agent's SSH server. */
  readonly pipe: string;
  readonly bulk: (direction: Direction, bytes: number) => readonly string[];
}

class Side implements Contestant {
  readonly name: string;
  readonly #desk: Desk;
  readonly #commands: Commands;

  constructor(desk: Desk, commands: Commands) {
    this.name = commands.name;
    this.#desk = desk;
    this.#commands = commands;
  }

  async tunnel(direction: Direction, bytes: number): Promise<Measurement> {
    // A shell between: the largest resident size is passed on by exec, and that of the benchmark must not be.
    const argv = ["sh", "-c", '"$@"; exit $?', "sh", ...this.#commands.bulk(direction, bytes)];
    const measured: Measurement = JSON.parse(
      (await this.#desk.must(argv, { limitMs: LIMIT_MS })).stdout,
    );
    return measured;
  }

  async openssh(direction: Direction, bytes: number): Promise<Measurement> {
    const pidFile = this.#desk.local("pid");
    const proxy = `sh -c ${shellQuote(`echo $$ >${pidFile}; exec ${this.#commands.pipe}`)}`;
    const command = direction === "down"
      ? `echo up; head -c 1 >/dev/null; head -c ${bytes} /dev/zero; cat >/dev/null`
      : `echo up; head -c ${bytes} >/dev/null; echo done; cat >/dev/null`;
    await using ssh = this.#desk.startSsh(
      ["-o", `ProxyCommand=${proxy}`, "workspace", command],
      { isBulk: true, limitMs: LIMIT_MS },
    );
    await ssh.stdout.untilBytes("up\n".length);
    const pid = (await Deno.readTextFile(pidFile)).trim();
    const cpuBefore = await this.#cpuSeconds(pid);
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
    const cpu = await this.#cpuSeconds(pid) - cpuBefore;
    const { stdout: status } = await this.#desk.must(["cat", `/proc/${pid}/status`]);
    await ssh.closeInput();
    await ssh.exit();
    return {
      mb_per_s: bytes / BYTES_PER_MB / seconds,
      transfer_cpu_s: cpu,
      max_rss_mb: Number(/VmHWM:\s*(\d+) kB/.exec(status)?.[1]) * 1024 / BYTES_PER_MB,
    };
  }

  async firstByteMs(): Promise<number> {
    const began = performance.now();
    await using pipe = this.#desk.start(["sh", "-c", `exec ${this.#commands.pipe}`]);
    await pipe.stdout.untilBytes(1);
    return performance.now() - began;
  }

  /** proc_pid_stat(5): fields 14 and 15, counted behind the name, which may hold spaces. */
  async #cpuSeconds(pid: string): Promise<number> {
    const { stdout } = await this.#desk.must(["cat", `/proc/${pid}/stat`]);
    const fields = stdout.slice(stdout.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS_PER_SECOND;
  }
}
