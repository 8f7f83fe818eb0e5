/** The driver's own promises, with a node that no relay leads away from: connecting, giving up, stopping. */
import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { SILENT_LOG } from "../../lib/base/log.ts";
import { type StreamEnd, StreamError } from "../../lib/base/stream.ts";
import { generatePrivateKey, loadAead } from "../../lib/crypto/mod.ts";
import { SystemClock } from "../../lib/io/clock.ts";
import { type Companion, NodeDriver } from "../../lib/io/node_driver.ts";
import { SYSTEM_RANDOM } from "../../lib/io/random.ts";
import { randomAddress } from "../../lib/tailnet/address.ts";
import { TunnelNode } from "../../lib/tailnet/node.ts";
import { mapOf } from "../tailnet/sim/world.ts";
import { envOf, settle } from "./support.ts";

const REMOTE = randomAddress(SYSTEM_RANDOM);

class Idle implements Companion {
  readonly unreachable: string[] = [];
  readonly faults: unknown[] = [];
  turns = 0;
  bug: Error | undefined;
  dueAt: number | undefined;
  turn(): void {
    this.turns++;
    if (this.bug !== undefined) throw this.bug;
  }
  handleTimeout(): void {
    if (this.dueAt !== undefined) throw new TypeError("a bug in a timer");
  }
  pollTimeout(): number | undefined {
    return this.dueAt;
  }
  handleFault(error: unknown): void {
    this.faults.push(error);
  }
  handleNodeEvent(): void {}
  handleWake(): void {}
  handleUnreachableRelay(region: number, reason: string): void {
    this.unreachable.push(`${region} ${reason}`);
  }
}

function newDriver() {
  const node = new TunnelNode({
    addresses: [randomAddress(SYSTEM_RANDOM)],
    nodePrivateKey: generatePrivateKey(SYSTEM_RANDOM),
    discoPrivateKey: generatePrivateKey(SYSTEM_RANDOM),
    random: SYSTEM_RANDOM,
    aead: loadAead(),
    wallMsAtZero: 0,
  });
  const companion = new Idle();
  const driver = new NodeDriver({
    node,
    clock: new SystemClock(),
    dial: { env: envOf() },
    log: SILENT_LOG,
    companion,
  });
  return { node, companion, driver };
}

function isEnd(kind: StreamEnd["kind"]): (error: unknown) => boolean {
  return (error) => error instanceof StreamError && error.end.kind === kind;
}

Deno.test("NodeDriver.connectTcp() ends when the driver stops, and does not begin afterwards", async () => {
  const { driver } = newDriver();
  const connecting = rejects(driver.connectTcp({ address: REMOTE, port: 1 }), isEnd("aborted"));
  await settle();
  const stopping = driver.stop();
  strictEqual(driver.stop(), stopping);
  await stopping;
  await connecting;
  await rejects(driver.connectTcp({ address: REMOTE, port: 1 }), isEnd("aborted"));
});

Deno.test("NodeDriver.connectTcp() that is called off rejects with the reason and leaves no socket", async () => {
  const { driver, node } = newDriver();
  const reason = new Error("changed my mind");
  const off = new AbortController();
  const connecting = rejects(
    driver.connectTcp({ address: REMOTE, port: 1 }, off.signal),
    reason,
  );
  await settle();
  strictEqual(node.netstack.socketCount, 1);
  off.abort(reason);
  await connecting;
  strictEqual(node.netstack.socketCount, 0);
  await rejects(driver.connectTcp({ address: REMOTE, port: 1 }, off.signal), reason);
  await driver.stop();
});

Deno.test("NodeDriver.endStreams() ends what is connecting with that end", async () => {
  const { driver, node } = newDriver();
  const connecting = rejects(driver.connectTcp({ address: REMOTE, port: 1 }), isEnd("lost"));
  await settle();
  driver.endStreams({ kind: "lost", message: "the agent is gone" });
  await connecting;
  strictEqual(node.netstack.socketCount, 0);
  await driver.stop();
});

Deno.test("NodeDriver.abandonStreams() resets what nobody closed", async () => {
  const { driver, node } = newDriver();
  const connecting = rejects(driver.connectTcp({ address: REMOTE, port: 1 }), isEnd("aborted"));
  await settle();
  driver.abandonStreams();
  await connecting;
  strictEqual(node.netstack.socketCount, 0);
  await driver.stop();
});

Deno.test("NodeDriver runs one turn for any number of calls, and none once stopped", async () => {
  const { driver, companion } = newDriver();
  for (let i = 0; i < 10; i++) driver.schedule();
  await settle();
  strictEqual(companion.turns, 1);
  await driver.stop();
  const { turns } = companion;
  driver.schedule();
  driver.turn();
  await settle();
  strictEqual(companion.turns, turns);
});

Deno.test("NodeDriver that stops in the middle of a dial leaves nothing of it", async () => {
  const { driver, node, companion } = newDriver();
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
  deepStrictEqual(companion.unreachable, []);
  ok(node.counters.bytesOut === 0 || node.counters.bytesOut > 100); // dialled just in time, or not at all
});

Deno.test("NodeDriver: what a core throws ends the streams and is told once, with its cause", async () => {
  const { driver, companion } = newDriver();
  const message = "hawser failed: a bug";
  const connecting = rejects(
    driver.connectTcp({ address: REMOTE, port: 1 }),
    (error) =>
      error instanceof StreamError && error.end.kind === "lost" && error.message === message,
  );
  const bug = new TypeError("a bug");
  companion.bug = bug;
  driver.schedule();
  await connecting;
  driver.schedule();
  await settle();
  deepStrictEqual(companion.faults, [bug]);
  await rejects(driver.connectTcp({ address: REMOTE, port: 1 }), isEnd("aborted"));
  await driver.stop();
});

Deno.test("NodeDriver: what a timer throws has the same owner", async () => {
  const { driver, companion } = newDriver();
  companion.dueAt = driver.now();
  driver.turn();
  await new Promise<void>((resolve) => {
    companion.handleFault = (error) => {
      companion.faults.push(error);
      resolve();
    };
  });
  deepStrictEqual(companion.faults, [new TypeError("a bug in a timer")]);
  await driver.stop();
});
