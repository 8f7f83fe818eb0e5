/** A tunnel that one process holds and others use: both sides in this process, their sockets and their clock in memory. */
import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import { concatBytes } from "../../lib/base/bytes.ts";
import { ExpectedError } from "../../lib/base/errors.ts";
import type { LocalListener, LocalTarget } from "../../lib/base/sockets.ts";
import { type ByteStream, StreamError } from "../../lib/base/stream.ts";
import { type AgentTunnel, TunnelError, type TunnelSilence } from "../../lib/base/tunnel.ts";
import { TooLate } from "../../lib/io/alarm.ts";
import { FramedSocket, greetClient } from "../../lib/io/framed_socket.ts";
import { SharedStream } from "../../lib/io/shared_stream.ts";
import { dismissHolder } from "../../lib/io/holder_call.ts";
import { SharedTunnel } from "../../lib/io/shared_tunnel.ts";
import { TunnelHolder } from "../../lib/io/tunnel_holder.ts";
import { encodeFrame, FrameType } from "../../lib/sharing/frame.ts";
import { accountKey, tunnelName } from "../../lib/sharing/greeting.ts";
import { encodeEnd } from "../../lib/sharing/message.ts";
import { createBytePipe, type PipeEnd } from "../support/byte_pipe.ts";
import { FakeTunnel, FakeTunnels } from "../support/fake_network.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { MemorySockets } from "../support/memory_sockets.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { AT, ATTACH_MS, KEY, NAME, OPTIONS } from "./holder_support.ts";

const IDLE_MS = 60_000;
const ECHO_PORT = 7;

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const utf8 = (words: string) => new TextEncoder().encode(words);

/** Lets time pass as it does for a process that can run. */
async function pass(clock: ManualClock, ms: number): Promise<void> {
  for (let part = 0; part < 4; part++) {
    await settle();
    clock.advance(ms / 4);
  }
}

/** Everything that can run has run: what is left waits for the clock or for a peer. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) {
    await new Promise<void>((resolve) => queueMicrotask(resolve));
  }
  await new Promise<void>((resolve) => setTimeout(resolve, 0));
}

async function readAll(stream: ByteStream): Promise<string> {
  const chunk = new Uint8Array(1_000);
  let all = "";
  for (;;) {
    const count = await stream.read(chunk);
    if (count === null) return all;
    all += text(chunk.subarray(0, count));
  }
}

/** Sockets whose listeners' processes can be stopped, as by SIGSTOP: the system goes on taking connections for them. */
class StoppableSockets extends MemorySockets {
  isStopped = false;

  override connect(target: LocalTarget): Promise<ByteStream> {
    return this.isStopped ? Promise.resolve(createBytePipe()[0]) : super.connect(target);
  }
}

/** A deployment's agent behind one held tunnel, and as many users as a test wants. */
class Machine implements AsyncDisposable {
  readonly clock = new ManualClock();
  readonly sockets = new StoppableSockets();
  readonly random = new SeededRandom(1);
  readonly agents = new FakeTunnels();
  /** The agent's ends of the streams to `ECHO_PORT`, which the test may read and write. */
  readonly agentEnds: PipeEnd[] = [];
  /** Tunnels that users made for themselves. */
  readonly own: FakeTunnel[] = [];
  readonly heldTunnel: FakeTunnel;
  readonly ending = new AbortController();
  listener: LocalListener | undefined;
  running: Promise<void> = Promise.resolve();
  readonly #users: SharedTunnel[] = [];

  constructor() {
    this.agents.ports.set(ECHO_PORT, () => {
      const [near, far] = createBytePipe();
      this.agentEnds.push(far);
      return near;
    });
    this.heldTunnel = new FakeTunnel(this.agents, OPTIONS);
  }

  static async start(): Promise<Machine> {
    const machine = new Machine();
    await machine.hold();
    return machine;
  }

  async hold(): Promise<void> {
    const { clock, random } = this;
    this.listener = await this.sockets.listen(AT);
    const holder = new TunnelHolder({
      tunnel: this.heldTunnel,
      listener: this.listener,
      key: KEY,
      name: NAME,
      random,
      clock,
      idleMs: IDLE_MS,
    });
    this.running = holder.run(this.ending.signal);
  }

  get place() {
    const { clock, random, sockets } = this;
    return { sockets, at: AT, key: KEY, name: NAME, random, clock };
  }

  async attach(change: Partial<{ key: Uint8Array; name: string }> = {}): Promise<SharedTunnel> {
    const tunnel = await SharedTunnel.attach({
      ...this.place,
      ...change,
      attachMs: ATTACH_MS,
      startOwn: () => this.startOwn(),
    });
    ok(tunnel !== undefined, "the agent answers");
    this.#users.push(tunnel);
    return tunnel;
  }

  startOwn(): Promise<AgentTunnel> {
    const tunnel = new FakeTunnel(this.agents, OPTIONS);
    this.own.push(tunnel);
    return Promise.resolve(tunnel);
  }

  /** Waits for the holder's end, and the clock for whom it waits. */
  async ended(): Promise<void> {
    await settle();
    this.clock.advance(10_000);
    await this.running;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const user of this.#users) await user.close();
    this.ending.abort();
    await this.ended();
  }
}

const REPORT = utf8('{"diagnostics":{"hasToldNode":true},"latencies":{}}');

/** A holder by hand: greets the next one who connects, and hears what it wants. */
async function serveRaw(
  listener: LocalListener,
  machine: Machine,
  wanted: number,
): Promise<FramedSocket> {
  const stream = await listener.accept();
  ok(stream !== undefined);
  const socket = new FramedSocket(stream);
  await greetClient(socket, machine.place);
  strictEqual((await socket.next())?.type, wanted);
  return socket;
}

async function echo(stream: ByteStream): Promise<void> {
  const chunk = new Uint8Array(1_000);
  for (let count = await stream.read(chunk); count !== null; count = await stream.read(chunk)) {
    await stream.write(chunk.subarray(0, count));
  }
  await stream.closeWrite();
}

/** A connection of somebody who speaks frames by hand. */
async function connectRaw(machine: Machine): Promise<FramedSocket> {
  return new FramedSocket(await machine.sockets.connect(AT));
}

Deno.test("SharedTunnel carries streams both ways, to their ends", async () => {
  await using machine = await Machine.start();
  const tunnel = await machine.attach();
  const stream = await tunnel.openTcp(ECHO_PORT);
  const [agent] = machine.agentEnds;
  ok(agent !== undefined);
  await stream.write(utf8("hello"));
  await stream.closeWrite();
  strictEqual(await readAll(agent), "hello");
  await agent.write(utf8("good bye"));
  await agent.closeWrite();
  strictEqual(await readAll(stream), "good bye");
  deepStrictEqual(await stream.closed, { kind: "closed" });
  deepStrictEqual(tunnel.traffic, { bytesIn: 8, bytesOut: 5 });
  strictEqual(machine.own.length, 0);
});

Deno.test("SharedTunnel carries what is longer than a frame, as fast as it is read and no faster", async () => {
  await using machine = await Machine.start();
  const tunnel = await machine.attach();
  const stream = await tunnel.openTcp(ECHO_PORT);
  const [agent] = machine.agentEnds;
  ok(agent !== undefined);
  const sent = new Uint8Array(3_000_000);
  machine.random.fill(sent);
  let isSent = false;
  const sending = agent.write(sent).then(() => agent.closeWrite()).then(() => isSent = true);
  for (let turn = 0; turn < 20; turn++) await settle();
  ok(!isSent, "nobody reads: the sender waits");
  const chunk = new Uint8Array(100_000);
  let at = 0;
  for (let count = await stream.read(chunk); count !== null; count = await stream.read(chunk)) {
    deepStrictEqual(chunk.subarray(0, count), sent.subarray(at, at + count));
    at += count;
  }
  strictEqual(at, sent.length);
  await sending;
  const upload = stream.write(sent);
  const received = new Uint8Array(sent.length);
  for (let got = 0; got < received.length;) got += await agent.read(received.subarray(got)) ?? 0;
  await upload;
  deepStrictEqual(received, sent);
});

Deno.test("a port that the agent refuses is refused to whoever asked, in its words", async () => {
  await using machine = await Machine.start();
  const tunnel = await machine.attach();
  await rejects(tunnel.openTcp(9), (error) => {
    ok(error instanceof StreamError);
    deepStrictEqual(error.end, { kind: "reset", message: "connection refused" });
    return true;
  });
  strictEqual(machine.own.length, 0, "the holder is well: no tunnel of one's own");
  await (await tunnel.openTcp(ECHO_PORT)).write(utf8("still"));
});

Deno.test("a stream that the agent resets says so", async () => {
  await using machine = await Machine.start();
  const stream = await (await machine.attach()).openTcp(ECHO_PORT);
  machine.agentEnds[0]?.abort();
  await rejects(stream.read(new Uint8Array(1)), StreamError);
  deepStrictEqual(await stream.closed, { kind: "reset", message: "Connection reset by peer" });
});

Deno.test("who gives a stream up resets the agent's", async () => {
  await using machine = await Machine.start();
  const stream = await (await machine.attach()).openTcp(ECHO_PORT);
  stream.abort("enough");
  deepStrictEqual(await stream.closed, { kind: "aborted", message: "enough" });
  await rejects(machine.agentEnds[0]?.read(new Uint8Array(1)) ?? Promise.resolve(), StreamError);
});

Deno.test("whoever does not prove to be of the account gets nothing, and others are served on", async (t) => {
  await using machine = await Machine.start();
  const otherKey = accountKey(new URL("https://coder.example.com/"), "another token");
  const rows = [
    { name: "another token", change: { key: otherKey } },
    { name: "another name", change: { name: tunnelName(KEY, "other settings") } },
  ];
  for (const { name, change } of rows) {
    await t.step(name, async () => {
      await rejects(machine.attach(change), /not of this account/);
    });
  }
  await t.step("another version", async () => {
    const socket = await connectRaw(machine);
    await socket.send(FrameType.hello, Uint8Array.of(1, ...new Uint8Array(32)));
    strictEqual(await socket.next(), undefined);
    socket.close();
  });
  await t.step("no greeting at all", async () => {
    const socket = await connectRaw(machine);
    await socket.send(FrameType.open, Uint8Array.of(0, ECHO_PORT));
    strictEqual(await socket.next(), undefined);
    socket.close();
  });
  await t.step("a wrong proof", async () => {
    const socket = await connectRaw(machine);
    await socket.send(FrameType.hello, Uint8Array.of(2, ...new Uint8Array(32)));
    strictEqual((await socket.next())?.type, FrameType.challenge);
    await socket.send(FrameType.proof, new Uint8Array(32));
    await socket.send(FrameType.open, Uint8Array.of(0, ECHO_PORT));
    strictEqual(await socket.next(), undefined);
    socket.close();
  });
  strictEqual(machine.agentEnds.length, 0);
  await (await machine.attach()).openTcp(ECHO_PORT);
});

Deno.test("whoever listens without the account's key is not believed", async () => {
  await using machine = new Machine();
  const listener = await machine.sockets.listen(AT);
  const attaching = machine.attach();
  const stream = await listener.accept();
  ok(stream !== undefined);
  const impostor = { key: new Uint8Array(32), name: NAME, random: machine.random };
  const socket = new FramedSocket(stream);
  const greeting = greetClient(socket, impostor);
  await Promise.all([rejects(attaching, /not of this account/), rejects(greeting)]);
  socket.close();
});

Deno.test("SharedTunnel.attach() gives up a holder that is stopped after its time, and one whose agent does not answer at once", async () => {
  await using machine = await Machine.start();
  machine.sockets.isStopped = true;
  const attaching = machine.attach();
  let isOver = false;
  attaching.catch(() => isOver = true);
  for (const ms of [20, 20, 20, 19]) {
    await settle();
    machine.clock.advance(ms);
  }
  await settle();
  ok(!isOver, "not before its time");
  machine.clock.advance(1);
  await rejects(attaching, (error) => {
    ok(error instanceof TooLate);
    match(error.message, /does not answer within 80 ms/);
    return true;
  });
  machine.sockets.isStopped = false;
  machine.heldTunnel.status = () => ({ step: "agent" });
  const options = { ...machine.place, attachMs: ATTACH_MS, startOwn: () => machine.startOwn() };
  strictEqual(await SharedTunnel.attach(options), undefined);
});

Deno.test("time in which we were busy ourselves is not held against the holder", async () => {
  await using machine = await Machine.start();
  let slow = 0;
  const options = { ...machine.place, attachMs: ATTACH_MS, onSlow: () => slow++ };
  const attaching = SharedTunnel.attach({ ...options, startOwn: () => machine.startOwn() });
  // Before anything of its answer was read.
  machine.clock.advance(10 * ATTACH_MS);
  const tunnel = await attaching;
  ok(tunnel !== undefined);
  strictEqual(slow, 1);
  await tunnel.close();
});

Deno.test("a holder that is stopped later is done without: the port is opened through a tunnel of one's own", async () => {
  await using machine = await Machine.start();
  const tunnel = await machine.attach();
  machine.sockets.isStopped = true;
  const opening = tunnel.openTcp(ECHO_PORT);
  await pass(machine.clock, 1_000);
  await (await opening).write(utf8("through our own"));
  strictEqual(machine.own.length, 1);
  // From now on nobody waits for it any more.
  await tunnel.openTcp(ECHO_PORT);
  strictEqual(machine.own.length, 1);
});

Deno.test("an agent that takes its time is waited for: the holder has heard", async () => {
  await using machine = await Machine.start();
  const tunnel = await machine.attach();
  const isThere = Promise.withResolvers<void>();
  const open = machine.heldTunnel.openTcp.bind(machine.heldTunnel);
  machine.heldTunnel.openTcp = async (port, signal) => {
    await isThere.promise;
    return await open(port, signal);
  };
  const opening = tunnel.openTcp(ECHO_PORT);
  await settle();
  machine.clock.advance(3_600_000);
  await settle();
  isThere.resolve();
  await (await opening).write(utf8("at last"));
  strictEqual(machine.own.length, 0);
});

Deno.test("who stops waiting for a port is waited for by nobody", async () => {
  await using machine = await Machine.start();
  const tunnel = await machine.attach();
  const given = Promise.withResolvers<AbortSignal | undefined>();
  machine.heldTunnel.openTcp = (_, signal) => {
    given.resolve(signal);
    return new Promise((__, reject) => {
      signal?.addEventListener("abort", () => reject(signal.reason));
    });
  };
  const giving = new AbortController();
  const opening = tunnel.openTcp(ECHO_PORT, giving.signal);
  const signal = await given.promise;
  giving.abort(new Error("enough"));
  await rejects(opening, /enough/);
  await settle();
  ok(signal?.aborted);
  strictEqual(machine.own.length, 0);
});

Deno.test("when the holder ends, streams say why, and what is asked for from then on is done by a tunnel of one's own", async () => {
  await using machine = await Machine.start();
  const tunnel = await machine.attach();
  const stream = await tunnel.openTcp(ECHO_PORT);
  machine.ending.abort();
  const message = "The process that held the shared tunnel was ended";
  deepStrictEqual(await stream.closed, { kind: "lost", message });
  await rejects(stream.read(new Uint8Array(1)), new RegExp(message));
  await machine.ended();
  ok(machine.heldTunnel.isClosed);
  await tunnel.reachable();
  await (await tunnel.openTcp(ECHO_PORT)).write(utf8("through our own"));
  strictEqual(machine.own.length, 1);
  await tunnel.close();
  ok(machine.own[0]?.isClosed);
  await rejects(tunnel.openTcp(ECHO_PORT), TunnelError);
});

Deno.test("when the holder is killed, streams say so", async () => {
  await using machine = new Machine();
  const listener = await machine.sockets.listen(AT);
  const attaching = machine.attach();
  const control = await serveRaw(listener, machine, FrameType.attach);
  await control.send(FrameType.attached, REPORT);
  const tunnel = await attaching;
  const opening = tunnel.openTcp(ECHO_PORT);
  const socket = await serveRaw(listener, machine, FrameType.open);
  await socket.send(FrameType.opening);
  await socket.send(FrameType.opened);
  const stream = await opening;
  control.close();
  socket.close();
  const message = "The process that held the shared tunnel has gone";
  deepStrictEqual(await stream.closed, { kind: "lost", message });
  await rejects(stream.write(utf8("x")), new RegExp(message));
  await tunnel.openTcp(ECHO_PORT);
  strictEqual(machine.own.length, 1);
});

Deno.test("the holder's last word reaches who writes, though nobody reads what came before it", async () => {
  const [near, holder] = createBytePipe();
  const stream = new SharedStream(new FramedSocket(near), { bytesIn: 0, bytesOut: 0 });
  const running = stream.run();
  await holder.write(concatBytes(
    encodeFrame(FrameType.data, utf8("first ")),
    encodeFrame(FrameType.data, utf8("second")),
    encodeFrame(FrameType.ended, encodeEnd({ kind: "lost", message: "the agent has gone" })),
  ));
  await settle();
  holder.abort();
  await rejects(stream.write(utf8("x")), /the agent has gone/);
  const chunk = new Uint8Array(100);
  strictEqual(await stream.read(chunk), 6);
  strictEqual(await stream.read(chunk), 6);
  strictEqual(text(chunk.subarray(0, 6)), "second");
  await rejects(stream.read(chunk), /the agent has gone/);
  await running;
});

Deno.test("who goes on writing to a stream that has ended is not hung up on before he was told", async () => {
  await using machine = await Machine.start();
  const stream = await (await machine.attach()).openTcp(ECHO_PORT);
  const [agent] = machine.agentEnds;
  ok(agent !== undefined);
  await agent.write(utf8("unread"));
  await settle();
  agent.lose("the agent has gone");
  await settle();
  for (let i = 0; i < 100; i++) await stream.write(new Uint8Array(10_000));
  const chunk = new Uint8Array(100);
  strictEqual(await stream.read(chunk), 6);
  await rejects(stream.read(chunk), /the agent has gone/);
  await rejects(stream.write(utf8("x")), /the agent has gone/);
});

Deno.test("the holder ends when nobody has needed it for its time, and not while somebody does", async () => {
  await using machine = await Machine.start();
  await settle();
  machine.clock.advance(IDLE_MS - 1);
  const tunnel = await machine.attach();
  await settle();
  machine.clock.advance(10 * IDLE_MS);
  await (await tunnel.openTcp(ECHO_PORT)).write(utf8("still here"));
  await tunnel.close();
  await settle();
  machine.clock.advance(IDLE_MS - 1);
  await settle();
  ok(!machine.heldTunnel.isClosed);
  machine.clock.advance(1);
  await machine.ended();
  ok(machine.heldTunnel.isClosed);
  await rejects(machine.attach(), /no such file/);
});

Deno.test("dismissHolder() ends the holder; whoever uses it is told", async () => {
  await using machine = await Machine.start();
  const stream = await (await machine.attach()).openTcp(ECHO_PORT);
  await dismissHolder(machine.place, 500);
  const message = "The session at the deployment was ended";
  deepStrictEqual(await stream.closed, { kind: "lost", message });
  await machine.ended();
  await rejects(dismissHolder(machine.place, 500), /no such file/);
});

Deno.test("dismissHolder() does not wait for a holder that is stopped", async () => {
  await using machine = await Machine.start();
  machine.sockets.isStopped = true;
  const dismissing = dismissHolder(machine.place, 500);
  await pass(machine.clock, 500);
  await rejects(dismissing, TooLate);
});

Deno.test("a holder that the coordinator refuses serves whom it has to the end, and nobody else", async () => {
  await using machine = await Machine.start();
  const tunnel = await machine.attach();
  const stream = await tunnel.openTcp(ECHO_PORT);
  machine.agents.refusal.resolve(
    new TunnelError({ kind: "coordinatorRefused", status: 401, reason: "no" }),
  );
  await settle();
  await rejects(machine.attach(), /no such file/);
  await stream.write(utf8("still"));
  await tunnel.openTcp(ECHO_PORT);
  strictEqual(machine.own.length, 1, "what is new goes its own way");
  await tunnel.close();
  await machine.ended();
  ok(machine.heldTunnel.isClosed);
});

Deno.test("a holder that is refused when nobody uses it ends at once", async () => {
  await using machine = await Machine.start();
  await settle();
  machine.agents.refusal.resolve(
    new TunnelError({ kind: "coordinatorRefused", status: 401, reason: "no" }),
  );
  await machine.ended();
  ok(machine.heldTunnel.isClosed);
});

Deno.test("a holder whose agent will not be reached as things are ends", async () => {
  const machine = new Machine();
  machine.agents.failure = new TunnelError({ kind: "noRelay" });
  await machine.hold();
  await machine.ended();
  ok(machine.heldTunnel.isClosed);
  await machine[Symbol.asyncDispose]();
});

Deno.test("whoever connects and says nothing is hung up on", async () => {
  await using machine = await Machine.start();
  const socket = await connectRaw(machine);
  await settle();
  machine.clock.advance(5_000);
  strictEqual(await socket.next(), undefined);
  socket.close();
});

Deno.test("the holder takes 512 connections and no more", async () => {
  await using machine = await Machine.start();
  const sockets: FramedSocket[] = [];
  for (let i = 0; i < 512; i++) sockets.push(await connectRaw(machine));
  await settle();
  await rejects(machine.attach(), ExpectedError);
  for (const socket of sockets) socket.close();
  await settle();
  await machine.attach();
});

Deno.test("pings are answered through the holder; those that are not come to nothing in time", async () => {
  await using machine = await Machine.start();
  const tunnel = await machine.attach();
  deepStrictEqual(await tunnel.ping(), { latencyMs: 1.25, relay: "Fake relay", isDirect: false });
  deepStrictEqual(await tunnel.diagnostics(), machine.agents.diagnostics);
  deepStrictEqual(tunnel.relayLatencies(), { "Fake relay": 1 });
  deepStrictEqual(tunnel.status(), { step: "reachable" });
  machine.heldTunnel.ping = () => new Promise(() => {});
  const silent = tunnel.ping(200);
  await settle();
  machine.clock.advance(200);
  strictEqual(await silent, undefined);
  const waiting = tunnel.ping(200);
  await tunnel.close();
  strictEqual(await waiting, undefined);
  strictEqual(await tunnel.ping(), undefined);
  machine.heldTunnel.ping = () => Promise.resolve(undefined);
});

Deno.test("datagrams go through a tunnel of one's own, streams still through the holder", async () => {
  await using machine = await Machine.start();
  const tunnel = await machine.attach();
  await Promise.allSettled([tunnel.openUdp(53)]);
  strictEqual(machine.own.length, 1);
  await tunnel.openTcp(ECHO_PORT);
  await tunnel.close();
  ok(machine.own[0]?.isClosed);
});

Deno.test("the agent's silence is told through the holder, which counts on; who comes meanwhile has his own tunnel", async () => {
  await using machine = await Machine.start();
  const changed = new Set<() => void>();
  let silence: TunnelSilence | undefined;
  machine.heldTunnel.silence = () => silence;
  machine.heldTunnel.onSilence = (handler?: () => void) => {
    if (handler !== undefined) changed.add(handler);
    return () => handler !== undefined && changed.delete(handler);
  };
  const tunnel = await machine.attach();
  strictEqual(tunnel.silence(), undefined);
  let told = 0;
  const stop = tunnel.onSilence(() => told++);
  const status = { step: "relay", relay: "Paris", lastFailure: undefined } as const;
  silence = { lastedMs: 3_000, endedAgoMs: undefined, status };
  for (const handler of changed) handler();
  await settle();
  strictEqual(told, 1);
  machine.clock.advance(2_000);
  deepStrictEqual(tunnel.silence(), { lastedMs: 5_000, endedAgoMs: undefined, status });
  const options = { ...machine.place, attachMs: ATTACH_MS, startOwn: () => machine.startOwn() };
  strictEqual(await SharedTunnel.attach(options), undefined);
  silence = { lastedMs: 5_000, endedAgoMs: 0, status };
  for (const handler of changed) handler();
  await settle();
  machine.clock.advance(10);
  deepStrictEqual(tunnel.silence(), { lastedMs: 5_000, endedAgoMs: 10, status });
  stop();
  for (const handler of changed) handler();
  await settle();
  strictEqual(told, 2);
  await (await machine.attach()).openTcp(ECHO_PORT);
  await tunnel.close();
  await settle();
  strictEqual(changed.size, 1, "who has gone is not told any more");
});

Deno.test("thirty users at once: each has its own streams", async () => {
  await using machine = await Machine.start();
  const users = await Promise.all(Array.from({ length: 30 }, () => machine.attach()));
  machine.agents.ports.set(ECHO_PORT, () => {
    const [near, far] = createBytePipe();
    echo(far);
    return near;
  });
  await Promise.all(users.map(async (tunnel, i) => {
    const stream = await tunnel.openTcp(ECHO_PORT);
    const words = `user ${i} `.repeat(1_000);
    await stream.write(utf8(words));
    await stream.closeWrite();
    strictEqual(await readAll(stream), words);
  }));
  strictEqual(machine.own.length, 0);
});
