/** The driver's own promises, with a node that no relay leads away from: connecting, giving up, stopping. */
import type { FlowOptions } from "../../lib/netstack/mod.ts";
import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { SILENT_LOG } from "../../lib/base/log.ts";
import { type StreamEnd, StreamError } from "../../lib/base/stream.ts";
import { generatePrivateKey, loadAead } from "../../lib/crypto/mod.ts";
import { SystemClock } from "../../lib/io/clock.ts";
import { NodeDriver } from "../../lib/io/node_driver.ts";
import { SYSTEM_RANDOM } from "../../lib/io/random.ts";
import { randomAddress } from "../../lib/tailnet/address.ts";
import { type NodeEvent, TunnelNode } from "../../lib/tailnet/node.ts";
import type { TunnelCore } from "../../lib/tailnet/tunnel_core.ts";
import { derpMapOf } from "../../lib/tailnet/derp_map.ts";
import { mapOf } from "../tailnet/sim/world.ts";
import { bytesOf, envOf, LOOPBACK, LoopbackServer, readHead, settle, writeAll } from "./support.ts";

const REMOTE = randomAddress(SYSTEM_RANDOM);

/** A node, and what may go wrong with it. */
class TestCore implements TunnelCore<NodeEvent> {
  readonly node = new TunnelNode({
    addresses: [randomAddress(SYSTEM_RANDOM)],
    nodePrivateKey: generatePrivateKey(SYSTEM_RANDOM),
    discoPrivateKey: generatePrivateKey(SYSTEM_RANDOM),
    random: SYSTEM_RANDOM,
    aead: loadAead(),
    wallMsAtZero: 0,
  });
  turns = 0;
  bug: Error | undefined;
  dueAt: number | undefined;
  pump(now: number): void {
    this.turns++;
    if (this.bug !== undefined) throw this.bug;
    this.node.pump(now);
  }
  handleTimeout(now: number): void {
    if (this.dueAt !== undefined) throw new TypeError("a bug in a timer");
    this.node.handleTimeout(now);
  }
  pollTimeout(): number | undefined {
    return this.dueAt ?? this.node.pollTimeout();
  }
  pollEvent = () => this.node.pollEvent();
  pollLineEvent = () => this.node.pollLineEvent();
  pollSocketEvent = () => this.node.pollSocketEvent();
  connect = (...args: Parameters<TunnelNode["connect"]>) => this.node.connect(...args);
  openUdp = (to: FlowOptions) => this.node.netstack.datagrams.open(to);
  handleLineOpened = (...args: Parameters<TunnelNode["handleLineOpened"]>) =>
    this.node.handleLineOpened(...args);
  handleLineBytes = (...args: Parameters<TunnelNode["handleLineBytes"]>) =>
    this.node.handleLineBytes(...args);
  handleLineWritten = (...args: Parameters<TunnelNode["handleLineWritten"]>) =>
    this.node.handleLineWritten(...args);
  handleLineClosed = (...args: Parameters<TunnelNode["handleLineClosed"]>) =>
    this.node.handleLineClosed(...args);
  handleWake = (now: number) => this.node.handleWake(now);
  close = () => this.node.close();
}

function newDriver() {
  const core = new TestCore();
  const events: NodeEvent[] = [];
  const faults: unknown[] = [];
  const fault = Promise.withResolvers<void>();
  const driver = new NodeDriver({
    core,
    clock: new SystemClock(),
    dial: { env: envOf() },
    log: SILENT_LOG,
    onEvent: (event) => events.push(event),
    onFault: (error) => {
      faults.push(error);
      fault.resolve();
    },
  });
  return { node: core.node, core, driver, events, faults, fault: fault.promise };
}

function isEnd(kind: StreamEnd["kind"]): (error: unknown) => boolean {
  return (error) => error instanceof StreamError && error.end.kind === kind;
}

Deno.test("NodeDriver.connectTcp() ends when the driver stops, and does not begin afterwards", async () => {
  const { driver } = newDriver();
  const connecting = rejects(driver.connectTcp({ remote: REMOTE, port: 1 }), isEnd("aborted"));
  await settle();
  const stopping = driver.stop();
  strictEqual(driver.stop(), stopping);
  await stopping;
  await connecting;
  await rejects(driver.connectTcp({ remote: REMOTE, port: 1 }), isEnd("aborted"));
});

Deno.test("NodeDriver.connectTcp() that is called off rejects with the reason and leaves no socket", async () => {
  const { driver, node } = newDriver();
  const reason = new Error("changed my mind");
  const off = new AbortController();
  const connecting = rejects(
    driver.connectTcp({ remote: REMOTE, port: 1 }, off.signal),
    reason,
  );
  await settle();
  strictEqual(node.netstack.socketCount, 1);
  off.abort(reason);
  await connecting;
  strictEqual(node.netstack.socketCount, 0);
  await rejects(driver.connectTcp({ remote: REMOTE, port: 1 }, off.signal), reason);
  await driver.stop();
});

Deno.test("NodeDriver.endStreams() ends what is connecting with that end", async () => {
  const { driver, node } = newDriver();
  const connecting = rejects(driver.connectTcp({ remote: REMOTE, port: 1 }), isEnd("lost"));
  await settle();
  driver.endStreams({ kind: "lost", message: "the agent is gone" });
  await connecting;
  strictEqual(node.netstack.socketCount, 0);
  await driver.stop();
});

Deno.test("NodeDriver.abandonStreams() resets what nobody closed", async () => {
  const { driver, node } = newDriver();
  const connecting = rejects(driver.connectTcp({ remote: REMOTE, port: 1 }), isEnd("aborted"));
  await settle();
  driver.abandonStreams();
  await connecting;
  strictEqual(node.netstack.socketCount, 0);
  await driver.stop();
});

Deno.test("NodeDriver runs one turn for any number of calls, and none once stopped", async () => {
  const { driver, core } = newDriver();
  for (let i = 0; i < 10; i++) driver.schedule();
  await settle();
  strictEqual(core.turns, 1);
  await driver.stop();
  const { turns } = core;
  driver.schedule();
  driver.turn();
  await settle();
  strictEqual(core.turns, turns);
});

Deno.test("NodeDriver that stops in the middle of a dial leaves nothing of it", async () => {
  const { driver, node, events } = newDriver();
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const map = mapOf([999]);
  const [region] = map.regions.values();
  const [relay] = region?.nodes ?? [];
  if (region === undefined || relay === undefined) throw new Error("no relay");
  const { port } = listener.addr;
  const nodes = [{ ...relay, hostName: "127.0.0.1", derpPort: port }];
  const own = { ...map, regions: new Map([[999, { ...region, nodes }]]) };
  node.setMap(own, { forcesWebsocket: false }, driver.now());
  node.relays.setHome(999, driver.now());
  driver.turn();
  await driver.stop();
  listener.close();
  deepStrictEqual(events, []);
  ok(node.counters.bytesOut === 0 || node.counters.bytesOut > 100); // dialled just in time, or not at all
});

Deno.test("NodeDriver: what a core throws ends the streams and is told once, with its cause", async () => {
  const { driver, core, faults } = newDriver();
  const message = "hawser failed: a bug";
  const connecting = rejects(
    driver.connectTcp({ remote: REMOTE, port: 1 }),
    (error) =>
      error instanceof StreamError && error.end.kind === "lost" && error.message === message,
  );
  const bug = new TypeError("a bug");
  core.bug = bug;
  driver.schedule();
  await connecting;
  driver.schedule();
  await settle();
  deepStrictEqual(faults, [bug]);
  await rejects(driver.connectTcp({ remote: REMOTE, port: 1 }), isEnd("aborted"));
  await driver.stop();
});

Deno.test("NodeDriver: what a timer throws has the same owner", async () => {
  const { driver, core, faults, fault } = newDriver();
  core.dueAt = driver.now();
  driver.turn();
  await fault;
  deepStrictEqual(faults, [new TypeError("a bug in a timer")]);
  await driver.stop();
});

Deno.test("NodeDriver: what a dial or a connection makes the core throw has the same owner, and nothing stays open", async (t) => {
  const bug = new TypeError("a bug");
  const throwIt = () => {
    throw bug;
  };
  const rows: { name: string; plant: (core: TestCore) => void }[] = [
    { name: "opened", plant: (core) => core.handleLineOpened = throwIt },
    { name: "bytes", plant: (core) => core.handleLineBytes = throwIt },
    { name: "written", plant: (core) => core.handleLineWritten = throwIt },
    { name: "closed", plant: (core) => core.handleLineClosed = throwIt },
  ];
  for (const { name, plant } of rows) {
    await t.step(name, async () => {
      await using server = new LoopbackServer(async (conn) => {
        await readHead(conn);
        await writeAll(conn, bytesOf("SSH-2.0-x"));
      });
      const { driver, node, core, faults, fault } = newDriver();
      plant(core);
      const map = mapOf([999]);
      const [region] = map.regions.values();
      const [relay] = region?.nodes ?? [];
      if (region === undefined || relay === undefined) throw new Error("no relay");
      const nodes = [{ ...relay, hostName: LOOPBACK, derpPort: server.port }];
      const own = derpMapOf([{ ...region, nodes }]);
      node.setMap(own, { forcesWebsocket: false }, driver.now());
      node.relays.setHome(999, driver.now());
      driver.turn();
      await fault;
      deepStrictEqual(faults, [bug]);
      await driver.stop();
      await server.allClosed();
    });
  }
});
