/** What is begun before the deployment has answered, on a clock that stands still. */
import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { SILENT_LOG } from "../../../lib/base/log.ts";
import { type ByteStream, StreamError } from "../../../lib/base/stream.ts";
import type { AgentTunnel } from "../../../lib/base/tunnel.ts";
import { Early } from "../../../lib/cli/ready/early.ts";
import { createBytePipe, type PipeEnd } from "../../support/byte_pipe.ts";
import { type FakeTunnel, FakeTunnels } from "../../support/fake_network.ts";
import { ManualClock } from "../../support/manual_clock.ts";

const PORT = 1;

class Scene {
  readonly clock = new ManualClock();
  readonly agents = new FakeTunnels();
  readonly signal = new AbortController();
  /** The agent's ends of what was opened. */
  readonly opened: PipeEnd[] = [];
  readonly early: Early<ByteStream>;

  constructor() {
    this.agents.ports.set(PORT, () => {
      const [near, far] = createBytePipe();
      this.opened.push(far);
      return near;
    });
    this.early = new Early({
      begin: (tunnel, signal) => tunnel.openTcp(PORT, signal),
      discard: (stream) => stream.abort(),
      clock: this.clock,
      log: SILENT_LOG,
      signal: this.signal.signal,
    });
  }

  async tunnel(): Promise<AgentTunnel> {
    const tunnel = await this.agents.start({} as ConstructorParameters<typeof FakeTunnel>[1]);
    this.early.begin(tunnel);
    await this.early.came;
    return tunnel;
  }

  take(tunnel: AgentTunnel): Promise<ByteStream | undefined> {
    return this.early.take(tunnel, this.signal.signal);
  }
}

Deno.test("Early gives what was begun over the tunnel that was confirmed, once", async () => {
  const scene = new Scene();
  const tunnel = await scene.tunnel();
  const stream = await scene.take(tunnel);
  await stream?.write(Uint8Array.of(1));
  strictEqual(await scene.opened[0]?.read(new Uint8Array(1)), 1);
  strictEqual(await scene.take(tunnel), undefined);
  strictEqual(scene.clock.sleeperCount, 0);
});

Deno.test("Early gives up what was begun over another tunnel, or was given up", async (t) => {
  await t.step("another tunnel", async () => {
    const scene = new Scene();
    const first = await scene.tunnel();
    const second = await scene.tunnel();
    strictEqual((await scene.opened[0]?.closed)?.kind, "reset");
    strictEqual(await scene.take(first), undefined);
    ok(await scene.take(second) !== undefined);
  });
  await t.step("given up", async () => {
    const scene = new Scene();
    const tunnel = await scene.tunnel();
    scene.early.giveUp();
    strictEqual((await scene.opened[0]?.closed)?.kind, "reset");
    strictEqual(await scene.take(tunnel), undefined);
    scene.early.begin(tunnel);
    strictEqual(await scene.take(tunnel), undefined);
    strictEqual(scene.opened.length, 1);
    strictEqual(scene.clock.sleeperCount, 0);
  });
});

Deno.test("Early does not hold anything for longer than five seconds", async () => {
  const scene = new Scene();
  const tunnel = await scene.tunnel();
  scene.clock.advance(5_000);
  strictEqual((await scene.opened[0]?.closed)?.kind, "reset");
  strictEqual(await scene.take(tunnel), undefined);
});

Deno.test("Early has nothing where nothing came of it, or it is over", async (t) => {
  await t.step("refused", async () => {
    const scene = new Scene();
    scene.agents.ports.clear();
    const tunnel = await scene.tunnel();
    ok(!await scene.early.came);
    strictEqual(await scene.take(tunnel), undefined);
  });
  await t.step("broken meanwhile", async () => {
    const scene = new Scene();
    const tunnel = await scene.tunnel();
    scene.opened[0]?.abort();
    await new Promise((resolve) => setTimeout(resolve, 0));
    strictEqual(await scene.take(tunnel), undefined);
    scene.early.giveUp();
    strictEqual(scene.clock.sleeperCount, 0);
  });
});

Deno.test("Early.take() is called off by its signal, and what comes after that is given up", async () => {
  const scene = new Scene();
  const coming = Promise.withResolvers<void>();
  const [near, far] = createBytePipe();
  const early = new Early<ByteStream>({
    begin: async () => {
      await coming.promise;
      return near;
    },
    discard: (stream) => stream.abort(),
    clock: scene.clock,
    log: SILENT_LOG,
    signal: scene.signal.signal,
  });
  const tunnel = await scene.agents.start({} as ConstructorParameters<typeof FakeTunnel>[1]);
  early.begin(tunnel);
  const taking = early.take(tunnel, scene.signal.signal);
  scene.signal.abort(new StreamError({ kind: "aborted", message: "enough" }));
  await rejects(taking, /enough/);
  coming.resolve();
  deepStrictEqual(await far.closed, { kind: "reset", message: "Connection reset by peer" });
  strictEqual(scene.clock.sleeperCount, 0);
});
