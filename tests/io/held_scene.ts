/** The holder of a tunnel and its SSH connection, those who use it and the workspace's SSH server in one process, their sockets and clock in memory. */
import { ok } from "node:assert/strict";
import type { HeldSession, RemoteSession } from "../../lib/base/session.ts";
import type { LocalListener } from "../../lib/base/sockets.ts";
import { type ByteStream, StreamError } from "../../lib/base/stream.ts";
import type { AgentTunnel } from "../../lib/base/tunnel.ts";
import { SharedTunnel } from "../../lib/io/shared_tunnel.ts";
import { TunnelHolder } from "../../lib/io/tunnel_holder.ts";
import { AGENT_SSH_PORT } from "../../lib/tailnet/agent_ports.ts";
import { FakeTunnel, FakeTunnels } from "../support/fake_network.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { MemorySockets } from "../support/memory_sockets.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import {
  readAll,
  type TestSession,
  TestSshServer,
  type TestSshServerOptions,
} from "../support/ssh_server.ts";
import { AT, ATTACH_MS, KEY, NAME, OPTIONS } from "./holder_support.ts";

const decoder = new TextDecoder();
export const utf8 = (words: string) => new TextEncoder().encode(words);

/** Everything that can run has run: what is left waits for the clock or for a peer. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) {
    await new Promise<void>((resolve) => setTimeout(resolve, 0));
  }
}

/** A process that can be stopped, as by SIGSTOP: the system goes on taking what it is sent. */
class Stoppable {
  #running: Promise<void> = Promise.resolve();
  #resume: () => void = () => {};

  stop(): void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#running = promise;
    this.#resume = resolve;
  }

  resume(): void {
    this.#resume();
  }

  listener(inner: LocalListener): LocalListener {
    return {
      target: inner.target,
      close: () => inner.close(),
      accept: async () => {
        const stream = await inner.accept();
        return stream === undefined ? undefined : this.#stream(stream);
      },
    };
  }

  #stream(inner: ByteStream): ByteStream {
    return {
      closed: inner.closed,
      read: async (into) => {
        await this.#running;
        const count = await inner.read(into);
        await this.#running;
        return count;
      },
      write: async (bytes) => {
        await this.#running;
        await inner.write(bytes);
      },
      closeWrite: () => inner.closeWrite(),
      abort: (message) => inner.abort(message),
    };
  }
}

/** A workspace's SSH server behind one held tunnel, and as many users as a test wants. */
export class Machine implements AsyncDisposable {
  readonly clock = new ManualClock();
  readonly sockets = new MemorySockets();
  readonly random = new SeededRandom(1);
  readonly agents = new FakeTunnels();
  readonly holder = new Stoppable();
  readonly ending = new AbortController();
  /** SSH connections that were made so far. */
  connections: ByteStream[] = [];
  hostKey = "";
  running: Promise<void> = Promise.resolve();
  readonly #users: SharedTunnel[] = [];

  static async start(
    options: TestSshServerOptions = {},
    { keepsSsh = false, servers = 2 } = {},
  ): Promise<Machine> {
    const machine = new Machine();
    const ready: TestSshServer[] = [];
    for (let i = 0; i < servers; i++) ready.push(await TestSshServer.start(options));
    machine.hostKey = ready[0]?.publicKey ?? "";
    machine.agents.ports.set(AGENT_SSH_PORT, () => {
      const server = ready.shift();
      if (server === undefined) throw new StreamError({ kind: "reset", message: "refused" });
      machine.connections.push(server.stream);
      return server.stream;
    });
    const { clock, random } = machine;
    const holder = new TunnelHolder({
      tunnel: new FakeTunnel(machine.agents, OPTIONS),
      listener: machine.holder.listener(await machine.sockets.listen(AT)),
      key: KEY,
      name: NAME,
      random,
      clock,
      idleMs: 60_000,
      keepsSsh,
    });
    machine.running = holder.run(machine.ending.signal);
    return machine;
  }

  get place() {
    const { clock, random, sockets } = this;
    return { sockets, at: AT, key: KEY, name: NAME, random, clock };
  }

  async attach(): Promise<SharedTunnel> {
    const tunnel = await SharedTunnel.attach({
      ...this.place,
      attachMs: ATTACH_MS,
      startOwn: (): Promise<AgentTunnel> => Promise.resolve(new FakeTunnel(this.agents, OPTIONS)),
    });
    ok(tunnel !== undefined, "the agent answers");
    this.#users.push(tunnel);
    return tunnel;
  }

  /** A session in which nothing runs yet. */
  async offer(): Promise<HeldSession> {
    const offered = await (await this.attach()).openHeldSession();
    ok(typeof offered !== "string", String(offered));
    return offered;
  }

  async begin(command?: string): Promise<RemoteSession> {
    const session = await (await this.offer()).start(command === undefined ? {} : { command });
    ok(session !== undefined, "the holder hears");
    return session;
  }

  /** Lets time pass as it does for a process that can run. */
  async pass(ms: number): Promise<void> {
    for (let part = 0; part < 5; part++) {
      await settle();
      this.clock.advance(ms / 4);
    }
    await settle();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.holder.resume();
    for (const user of this.#users) await user.close();
    this.ending.abort();
    await settle();
    this.clock.advance(10_000);
    await this.running;
  }
}

export async function outcome(session: RemoteSession) {
  const [stdout, stderr, end] = await Promise.all([
    readAll((into) => session.readStdout(into)),
    readAll((into) => session.readStderr(into)),
    session.ended,
  ]);
  return { stdout: decoder.decode(stdout), stderr: decoder.decode(stderr), end };
}

/** Answers on both outputs with what it was told, and ends with 7. */
export function answer({ command = "a shell", channel }: TestSession): void {
  channel.write(`out of ${command}`);
  channel.stderr.write("err");
  channel.exit(7);
  channel.close();
}

/** Gives its input back, until that ends. */
export function echo({ channel }: TestSession): void {
  channel.on("data", (bytes: Uint8Array) => channel.write(bytes));
  channel.on("end", () => {
    channel.exit(0);
    channel.close();
  });
}
