/**
 * Sessions in the SSH connection that the holder of a tunnel keeps: the holder, those who use it and the workspace's SSH server in this
 * process, their sockets and their clock in memory.
 */
import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import { UserError } from "../../lib/base/errors.ts";
import type { HeldSession, RemoteSession } from "../../lib/base/session.ts";
import type { LocalListener } from "../../lib/base/sockets.ts";
import { type ByteStream, StreamError } from "../../lib/base/stream.ts";
import type { AgentTunnel } from "../../lib/base/tunnel.ts";
import { FramedSocket, greetClient } from "../../lib/io/framed_socket.ts";
import { callHolder } from "../../lib/io/holder_call.ts";
import { askForSession } from "../../lib/io/offered_session.ts";
import { SharedTunnel } from "../../lib/io/shared_tunnel.ts";
import { Tasks } from "../../lib/io/tasks.ts";
import { TunnelHolder } from "../../lib/io/tunnel_holder.ts";
import { FrameType } from "../../lib/sharing/frame.ts";
import { encodeRequest, encodeTaken, Flow, FLOW_BYTES } from "../../lib/sharing/session_message.ts";
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

const DUMPED_NO_CORE = false;

const decoder = new TextDecoder();
const utf8 = (words: string) => new TextEncoder().encode(words);

/** Everything that can run has run: what is left waits for the clock or for a peer. */
async function settle(): Promise<void> {
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
class Machine implements AsyncDisposable {
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

async function outcome(session: RemoteSession) {
  const [stdout, stderr, end] = await Promise.all([
    readAll((into) => session.readStdout(into)),
    readAll((into) => session.readStderr(into)),
    session.ended,
  ]);
  return { stdout: decoder.decode(stdout), stderr: decoder.decode(stderr), end };
}

/** Answers on both outputs with what it was told, and ends with 7. */
function answer({ command = "a shell", channel }: TestSession): void {
  channel.write(`out of ${command}`);
  channel.stderr.write("err");
  channel.exit(7);
  channel.close();
}

/** Gives its input back, until that ends. */
function echo({ channel }: TestSession): void {
  channel.on("data", (bytes: Uint8Array) => channel.write(bytes));
  channel.on("end", () => {
    channel.exit(0);
    channel.close();
  });
}

Deno.test("sessions of several programs run in one SSH connection, each to its own end", async () => {
  await using machine = await Machine.start({ onSession: answer });
  for (const command of ["tea", "coffee"]) {
    deepStrictEqual(await outcome(await machine.begin(command)), {
      stdout: `out of ${command}`,
      stderr: "err",
      end: { kind: "exit", code: 7 },
    });
  }
  strictEqual((await outcome(await machine.begin())).stdout, "out of a shell");
  strictEqual(machine.connections.length, 1);
});

Deno.test("the SSH connection is there before the first session when sessions are expected", async () => {
  await using machine = await Machine.start({ onSession: answer }, { keepsSsh: true });
  await settle();
  strictEqual(machine.connections.length, 1);
  strictEqual((await outcome(await machine.begin("tea"))).stdout, "out of tea");
  strictEqual(machine.connections.length, 1);
});

Deno.test("the server's host key is told before anything runs", async () => {
  let count = 0;
  await using machine = await Machine.start({ onSession: () => void count++ });
  const { hostKey } = await machine.offer();
  strictEqual(machine.hostKey.split(" ")[1], btoa(String.fromCharCode(...hostKey)));
  strictEqual(count, 0);
});

Deno.test("input, its end, the terminal, its size, signals and breaks reach the program", async () => {
  const seen = Promise.withResolvers<TestSession>();
  await using machine = await Machine.start({
    onSession: (session) => {
      seen.resolve(session);
      echo(session);
    },
  });
  const offered = await machine.offer();
  const pty = { term: "xterm", size: { columns: 80, rows: 24 } };
  const session = await offered.start({ command: "cat", pty });
  ok(session !== undefined);
  session.resize({ columns: 100, rows: 50 });
  session.signal("INT");
  session.sendBreak();
  await session.write(utf8("hello"));
  await session.closeStdin();
  deepStrictEqual(await outcome(session), {
    stdout: "hello",
    stderr: "",
    end: { kind: "exit", code: 0 },
  });
  const { pty: given, windowChanges, signals } = await seen.promise;
  deepStrictEqual([given?.term, given?.cols, given?.rows], ["xterm", 80, 24]);
  deepStrictEqual(windowChanges.map(({ cols, rows }) => [cols, rows]), [[100, 50]]);
  deepStrictEqual(signals, ["INT"]);
});

Deno.test("a program that was killed ends with its signal", async () => {
  await using machine = await Machine.start({
    onSession: ({ channel }) => {
      channel.exit("TERM", DUMPED_NO_CORE, "");
      channel.close();
    },
  });
  deepStrictEqual((await outcome(await machine.begin("x"))).end, { kind: "signal", name: "TERM" });
});

Deno.test("bytes beyond all buffers pass both ways, in order", async () => {
  await using machine = await Machine.start({ onSession: echo });
  const session = await machine.begin("cat");
  const bytes = new Uint8Array(6 * FLOW_BYTES + 17).map((_, at) => at * 7 + (at >> 8));
  const writing = session.write(bytes).then(() => session.closeStdin());
  const [back] = await Promise.all([
    readAll((into) => session.readStdout(into)),
    readAll((into) => session.readStderr(into)),
    writing,
  ]);
  strictEqual(back.length, bytes.length);
  ok(back.every((byte, at) => byte === bytes[at]));
  deepStrictEqual(await session.ended, { kind: "exit", code: 0 });
});

Deno.test("a program that reads nothing holds up its input alone: signals pass, and others go on", async () => {
  const signals: string[][] = [];
  await using machine = await Machine.start({
    onSession: (session) => {
      if (session.command !== "deaf") return answer(session);
      session.channel.pause();
      signals.push(session.signals);
    },
  });
  const session = await machine.begin("deaf");
  let taken = 0;
  const typing = (async () => {
    for (;;) {
      await session.write(new Uint8Array(65_536));
      taken += 65_536;
    }
  })();
  typing.catch(() => {}); // it ends with the session
  let before: number;
  do {
    before = taken;
    await settle();
  } while (taken > before);
  session.signal("INT");
  await settle();
  deepStrictEqual(signals, [["INT"]]);
  strictEqual((await outcome(await machine.begin("tea"))).stdout, "out of tea");
  session.abort();
  await rejects(typing, StreamError);
});

Deno.test("what nobody reads is not asked of the workspace any more", async () => {
  let written = 0;
  await using machine = await Machine.start({
    onSession: (session) => {
      if (session.command !== "yes") return answer(session);
      const write = () => {
        written += 65_536;
        if (session.channel.write(new Uint8Array(65_536))) setTimeout(write, 0);
        else session.channel.once("drain", write);
      };
      write();
    },
  });
  const session = await machine.begin("yes");
  let before: number;
  do {
    before = written;
    await settle();
  } while (written > before);
  ok(written < 8 * 1024 * 1024, `${written}`);
  strictEqual((await outcome(await machine.begin("tea"))).stdout, "out of tea");
  session.abort();
  deepStrictEqual(await session.ended, { kind: "aborted" });
});

Deno.test("whoever leaves takes the program's channel along", async () => {
  const closed = Promise.withResolvers<void>();
  await using machine = await Machine.start({
    onSession: ({ channel }) => void channel.on("close", () => closed.resolve()).resume(),
  });
  const session = await machine.begin("sleep");
  session.abort();
  await closed.promise;
});

Deno.test("what the workspace refuses is told in its words, and the next one is served", async () => {
  await using machine = await Machine.start({ acceptPty: false, onSession: answer });
  const pty = { term: "xterm", size: { columns: 80, rows: 24 } };
  await rejects(
    (await machine.offer()).start({ pty }),
    (error) => error instanceof UserError && error.message === "request pty: request refused",
  );
  strictEqual((await outcome(await machine.begin("tea"))).stdout, "out of tea");
});

Deno.test("a request that does not fit, or asks for more, is for a connection of one's own", async (t) => {
  let count = 0;
  await using machine = await Machine.start({ onSession: () => void count++ });
  const rows = [
    { name: "long", request: { command: "x".repeat(65_536) } },
    { name: "variables", request: { env: [["A", "B"]] as const } },
    { name: "an agent", request: { forwardAgent: true } },
  ];
  for (const { name, request } of rows) {
    await t.step(name, async () => {
      strictEqual(await (await machine.offer()).start(request), undefined);
    });
  }
  await settle();
  strictEqual(count, 0);
});

Deno.test("a holder that is stopped before the start is done without in 80 ms, and begins nothing when it goes on", async () => {
  let count = 0;
  await using machine = await Machine.start({ onSession: () => void count++ });
  const offered = await machine.offer();
  machine.holder.stop();
  const starting = offered.start({ command: "once" });
  await machine.pass(80);
  strictEqual(await starting, undefined);
  machine.holder.resume();
  await settle();
  strictEqual(count, 0);
});

Deno.test("a holder that is stopped before it is asked has no session for us, nor a port", async () => {
  await using machine = await Machine.start({ onSession: answer });
  const tunnel = await machine.attach();
  machine.holder.stop();
  const asking = tunnel.openHeldSession();
  await machine.pass(80);
  match(String(await asking), /does not answer within 80 ms/);
  // At once, through a tunnel of our own.
  await tunnel.openTcp(AGENT_SSH_PORT);
});

Deno.test("a holder that is stopped while a command runs: it is lost, in words, and not run again", async () => {
  let count = 0;
  await using machine = await Machine.start({ onSession: () => void count++ });
  const session = await machine.begin("once");
  machine.holder.stop();
  await machine.pass(5_000);
  await machine.pass(15_000);
  deepStrictEqual(await session.ended, {
    kind: "lost",
    message: "The process that holds the shared tunnel does not answer within 15000 ms",
  });
  machine.holder.resume();
  await settle();
  strictEqual(count, 1);
});

Deno.test("a session that is silent for long goes on while its holder lives", async () => {
  await using machine = await Machine.start({ onSession: echo });
  const session = await machine.begin("cat");
  for (let minute = 0; minute < 5; minute++) await machine.pass(60_000);
  await session.write(utf8("still here"));
  await session.closeStdin();
  strictEqual((await outcome(session)).stdout, "still here");
});

Deno.test("a holder that ends says why to whoever has a session, and offers none", async () => {
  await using machine = await Machine.start({ onSession: () => {} });
  const tunnel = await machine.attach();
  const session = await machine.begin("sleep");
  const offered = await machine.offer();
  machine.ending.abort();
  await offered.closed;
  deepStrictEqual((await outcome(session)).end, {
    kind: "lost",
    message: "The process that held the shared tunnel was ended",
  });
  strictEqual(typeof await tunnel.openHeldSession(), "string");
});

Deno.test("an SSH connection that is lost: sessions say so, offers are off, and the next one is made anew", async () => {
  await using machine = await Machine.start({
    onSession: (session) => session.command === "tea" ? answer(session) : undefined,
  });
  const session = await machine.begin("sleep");
  const offered = await machine.offer();
  machine.connections[0]?.abort();
  await offered.closed;
  strictEqual(await offered.start({ command: "tea" }), undefined);
  strictEqual((await outcome(session)).end.kind, "lost");
  strictEqual((await outcome(await machine.begin("tea"))).stdout, "out of tea");
  strictEqual(machine.connections.length, 2);
});

Deno.test("a workspace without an SSH server offers no session, and says why", async () => {
  await using machine = await Machine.start({}, { servers: 0 });
  const tunnel = await machine.attach();
  strictEqual(await tunnel.openHeldSession(), "refused");
});

Deno.test("a workspace that does not answer offers no session within a second", async () => {
  await using machine = await Machine.start();
  const tunnel = await machine.attach();
  const first = machine.agents.ports.get(AGENT_SSH_PORT);
  machine.agents.ports.set(AGENT_SSH_PORT, () => {
    const stream = first?.();
    ok(stream !== undefined);
    return {
      closed: stream.closed,
      read: () => Promise.race([stream.closed.then(() => null), new Promise<null>(() => {})]),
      write: (bytes) => stream.write(bytes),
      closeWrite: () => stream.closeWrite(),
      abort: (message) => stream.abort(message),
    };
  });
  const asking = tunnel.openHeldSession();
  await machine.pass(1_000);
  match(String(await asking), /SSH server does not answer within 1000 ms/);
});

Deno.test("fifteen sessions are held at once and no more; one that has ended makes room", async () => {
  await using machine = await Machine.start({ onSession: echo });
  const sessions = [];
  for (let i = 0; i < 15; i++) sessions.push(await machine.begin("cat"));
  const tunnel = await machine.attach();
  strictEqual(await tunnel.openHeldSession(), "15 sessions are held already");
  await sessions[0]?.closeStdin();
  await sessions[0]?.ended;
  await settle();
  ok(typeof await tunnel.openHeldSession() !== "string");
});

Deno.test("an offer that nobody takes is taken back", async () => {
  await using machine = await Machine.start({ onSession: answer });
  const offered = await machine.offer();
  await settle();
  machine.clock.advance(30_000);
  await offered.closed;
  strictEqual(await offered.start({ command: "tea" }), undefined);
});

Deno.test("a program that says what may not be said is hung up on, and others are served on", async (t) => {
  let count = 0;
  await using machine = await Machine.start({
    onSession: (session) => {
      count++;
      session.command === "tea" ? answer(session) : session.channel.pause();
    },
  });
  const request = encodeRequest({ command: "x" });
  ok(request !== undefined);
  const rows: { readonly name: string; readonly say: (socket: FramedSocket) => Promise<void> }[] = [
    {
      name: "a start without a request",
      say: (socket) => socket.send(FrameType.start),
    },
    {
      name: "a request that is none",
      say: (socket) => socket.send(FrameType.request, utf8("{")),
    },
    {
      name: "more input than may come",
      say: async (socket) => {
        await start(socket);
        for (let at = 0; at <= 2 * FLOW_BYTES + 4 * 1024 * 1024; at += 65_536) {
          await socket.send(FrameType.data, new Uint8Array(65_536));
        }
      },
    },
    {
      name: "more taken than was sent",
      say: async (socket) => {
        await start(socket);
        await socket.send(FrameType.taken, encodeTaken(Flow.output, 1));
      },
    },
    {
      name: "a signal that is none",
      say: async (socket) => {
        await start(socket);
        await socket.send(FrameType.signal, utf8("IN\u0000T"));
      },
    },
  ];
  const start = async (socket: FramedSocket) => {
    await socket.send(FrameType.request, request);
    strictEqual((await socket.next())?.type, FrameType.opening);
    await socket.send(FrameType.start);
    strictEqual((await socket.next())?.type, FrameType.started);
  };
  for (const { name, say } of rows) {
    await t.step(name, async () => {
      const socket = await callHolder(machine.place, new AbortController().signal);
      await socket.send(FrameType.session);
      strictEqual((await socket.next())?.type, FrameType.opening);
      strictEqual((await socket.next())?.type, FrameType.offered);
      await say(socket).catch((error) => ok(error instanceof StreamError, String(error)));
      strictEqual(await socket.next(), undefined);
      socket.close();
    });
  }
  strictEqual(count, 3);
  strictEqual((await outcome(await machine.begin("tea"))).stdout, "out of tea");
});

/** A holder by hand, which answers in its own way from the offer on. */
async function serveRaw(
  machine: Machine,
  listener: LocalListener,
  say: (socket: FramedSocket) => Promise<void>,
): Promise<void> {
  const stream = await listener.accept();
  ok(stream !== undefined);
  const socket = new FramedSocket(stream);
  await greetClient(socket, machine.place);
  strictEqual((await socket.next())?.type, FrameType.session);
  await socket.send(FrameType.opening);
  await say(socket);
}

Deno.test("a holder that says what may not be said loses the session, and fills nothing", async (t) => {
  await using machine = await Machine.start();
  const rows: { readonly name: string; readonly say: (socket: FramedSocket) => Promise<void> }[] = [
    {
      name: "more output than may come",
      say: async (socket) => {
        for (let at = 0; at <= FLOW_BYTES; at += 65_536) {
          await socket.send(FrameType.data, new Uint8Array(65_536));
        }
      },
    },
    {
      name: "more taken than was sent",
      say: (socket) => socket.send(FrameType.taken, encodeTaken(Flow.input, 1)),
    },
    {
      name: "a flow that is none",
      say: (socket) => socket.send(FrameType.taken, encodeTaken(Flow.output, 1)),
    },
    { name: "an end that is none", say: (socket) => socket.send(FrameType.exited, utf8("{}")) },
    { name: "no end", say: (socket) => Promise.resolve(socket.close()) },
  ];
  for (const { name, say } of rows) {
    await t.step(name, async () => {
      const listener = await machine.sockets.listen({ kind: "unix", path: `/run/${name}` });
      const serving = serveRaw(machine, listener, async (socket) => {
        await socket.send(FrameType.offered, Uint8Array.of(1));
        strictEqual((await socket.next())?.type, FrameType.request);
        await socket.send(FrameType.opening);
        strictEqual((await socket.next())?.type, FrameType.start);
        await socket.send(FrameType.started);
        await say(socket);
      });
      const tasks = new Tasks(() => {});
      const offered = await askForSession({
        place: { ...machine.place, at: listener.target },
        meter: { bytesIn: 0, bytesOut: 0 },
        tasks,
      });
      const session = await offered.start({ command: "x" });
      ok(session !== undefined);
      strictEqual((await session.ended).kind, "lost");
      await serving;
      await tasks.ended();
      listener.close();
    });
  }
});

Deno.test("once the start was sent, a holder that goes is an end and no reason to run it again", async () => {
  await using machine = await Machine.start();
  const listener = await machine.sockets.listen({ kind: "unix", path: "/run/gone" });
  const serving = serveRaw(machine, listener, async (socket) => {
    await socket.send(FrameType.offered, Uint8Array.of(1));
    await socket.next();
    await socket.send(FrameType.opening);
    await socket.next();
    socket.close();
  });
  const offered = await askForSession({
    place: { ...machine.place, at: listener.target },
    meter: { bytesIn: 0, bytesOut: 0 },
    tasks: new Tasks(() => {}),
  });
  await rejects(
    offered.start({ command: "x" }),
    (error) =>
      error instanceof UserError && error.exitCode === 255 &&
      error.message === "SSH connection ended unexpectedly" &&
      error.hint === "The process that held the shared tunnel has gone",
  );
  await serving;
  listener.close();
});
