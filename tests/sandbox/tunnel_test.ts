/** The tunnel to the sandbox's agent by the ordinary client, and every fault that can be ordered on its way. */
import { deepStrictEqual, notStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { equalBytes } from "../../lib/base/bytes.ts";
import { randomBytes } from "../../lib/base/core.ts";
import { SILENT_LOG } from "../../lib/base/log.ts";
import { SystemClock } from "../../lib/io/clock.ts";
import { NodeTunnel } from "../../lib/io/node_tunnel.ts";
import { type AgentTunnel, TunnelError } from "../../lib/mod.ts";
import { AgentPort, type EndpointFault, Sandbox } from "../../lib/sandbox/mod.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { decode, dialTo, encode, LIMIT_MS, readAll, readBytes, sandboxTest } from "./support.ts";
import { freePort } from "../support/free_port.ts";

const COORDINATE = "GET /workspaceagents/{workspaceagent}/coordinate";
const BLOB_BYTES = 200_000;

/** Sends `bytes` to the agent's echo and compares what comes back. */
async function echo(agent: AgentTunnel, bytes: Uint8Array): Promise<void> {
  const stream = await agent.openTcp(AgentPort.echo, AbortSignal.timeout(LIMIT_MS));
  const reading = readAll((into) => stream.read(into));
  await stream.write(bytes);
  await stream.closeWrite();
  ok(equalBytes(await reading, bytes), "echo differs");
}

async function echoText(agent: AgentTunnel, text: string): Promise<void> {
  await echo(agent, encode(text));
}

sandboxTest("the agent answers on its own ports", async (sandbox) => {
  await using agent = dialTo(sandbox);
  await echoText(agent, "hello");
  const source = await agent.openTcp(AgentPort.source);
  await source.write(Uint8Array.of(0, 0, 0, 0, 0, 3, 0, 0));
  strictEqual((await readAll((into) => source.read(into))).length, 196_608);
  await source.closeWrite();
  const sink = await agent.openTcp(AgentPort.sink);
  await sink.write(new Uint8Array(70_000));
  await sink.closeWrite();
  deepStrictEqual([...await readBytes(sink, 8)], [0, 0, 0, 0, 0, 1, 17, 112]);
  const pong = await agent.ping();
  strictEqual(pong?.relay, "Coder Embedded Relay");
});

sandboxTest("other ports lead to 127.0.0.1, or are refused as there", async (sandbox) => {
  await using agent = dialTo(sandbox);
  const web = await agent.openTcp(Number(sandbox.url.port));
  await web.write(
    encode("GET /derp/latency-check HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
  );
  const answer = decode(await readAll((into) => web.read(into)));
  ok(answer.startsWith("HTTP/1.1 200 OK\r\n"), answer);
  await web.closeWrite();
  const port = await freePort();
  await rejects(agent.openTcp(port), /reset|refused/i);
});

sandboxTest("SSH is on ports 1 and 22", async (sandbox) => {
  await using agent = dialTo(sandbox);
  for (const port of [AgentPort.ssh, AgentPort.standardSsh]) {
    const stream = await agent.openTcp(port);
    strictEqual(decode(await readBytes(stream, 10)), "SSH-2.0-Go");
    stream.abort();
  }
});

sandboxTest("several clients at once reach one agent", async (sandbox) => {
  await using stack = new AsyncDisposableStack();
  const clients = Array.from({ length: 4 }, () => stack.use(dialTo(sandbox)));
  await Promise.all(clients.map((agent, at) => echoText(agent, `client ${at}`)));
});

for (
  const [what, wire] of [
    ["one byte at a time", { pieceBytes: () => 1 }],
    ["in pieces of any size", { pieceBytes: randomPieces() }],
    ["gathered", { gatherMs: 3 }],
    ["gathered and cut", { gatherMs: 2, pieceBytes: randomPieces() }],
  ] as const
) {
  sandboxTest(`frames arrive ${what}`, async (sandbox) => {
    sandbox.faults.wire = wire;
    for (const forcesWebsocket of [false, true]) {
      await using agent = dialTo(sandbox, { changes: { forcesWebsocket } });
      await echo(
        agent,
        randomBytes(new SeededRandom(7), wire.pieceBytes?.() === 1 ? 5_000 : 60_000),
      );
    }
  });
}

function randomPieces(): () => number {
  const random = new SeededRandom(11);
  const byte = new Uint8Array(1);
  return () => {
    random.fill(byte);
    return 1 + (byte[0] ?? 0) * 7;
  };
}

sandboxTest(
  "a wall clock that is set back by an hour and by a day, and on by minutes, interrupts no stream",
  async (sandbox) => {
    const HOUR_MS = 3_600_000;
    let offsetMs = 0;
    await using agent = new NodeTunnel({
      agentId: sandbox.workspace.agent().id,
      deploymentUrl: sandbox.url,
      coordinatorHeaders: [["Coder-Session-Token", sandbox.token]],
      relayHeaders: [],
      derpMap: sandbox.coordinator.derpMap,
      forcesWebsocket: false,
      clock: new SystemClock(() => Date.now() + offsetMs),
      dial: { env: () => undefined },
      log: SILENT_LOG,
    });
    const stream = await agent.openTcp(AgentPort.echo);
    const say = async (text: string) => {
      const bytes = encode(text);
      await stream.write(bytes);
      strictEqual(decode(await readBytes(stream, bytes.length)), text);
    };
    await say("before");
    // Back, and on a little: then the machine seems to have slept for longer than keys last.
    const BACK_MS = [-HOUR_MS, -2 * HOUR_MS, -24 * HOUR_MS, -24 * HOUR_MS + HOUR_MS / 6];
    for (const ms of BACK_MS) {
      offsetMs = ms;
      await say(`${ms} ms`);
      await echoText(agent, `another stream at ${ms} ms`);
    }
    stream.abort();
  },
);

sandboxTest("a relay that loses and delays packets", async (sandbox) => {
  await using agent = dialTo(sandbox);
  await echoText(agent, "before");
  let count = 0;
  sandbox.relay.fate = () => ++count % 13 === 0 ? "drop" : { delaysMs: [count % 5] };
  await echo(agent, randomBytes(new SeededRandom(3), BLOB_BYTES));
  sandbox.relay.drop(1);
  const pinging = agent.ping();
  sandbox.relay.heal();
  await pinging;
  await echoText(agent, "after");
  ok(sandbox.relay.counters.dropped > 0);
});

sandboxTest("a relay that is cut, and one that is restarted, under a stream", async (sandbox) => {
  await using agent = dialTo(sandbox);
  const stream = await agent.openTcp(AgentPort.echo);
  const key = sandbox.relay.publicKeyHex;
  for (
    const [word, disturb] of [
      ["one", () => sandbox.relay.cut()],
      ["two", () => sandbox.relay.restart()],
      ["three", () => sandbox.relay.announceRestart({ reconnectInMs: 0, tryForMs: 1_000 })],
    ] as const
  ) {
    disturb();
    await stream.write(encode(word));
    strictEqual(decode(await readBytes(stream, word.length)), word);
  }
  ok(sandbox.relay.publicKeyHex !== key, "a restarted relay has a new key");
  stream.abort();
});

sandboxTest("a relay that refuses Upgrade: DERP is used by websocket", async (sandbox) => {
  sandbox.faults.relay = { kind: "refuse", status: 400, onlyDerpUpgrade: true };
  await using agent = dialTo(sandbox);
  await echoText(agent, "over a websocket");
  deepStrictEqual(sandbox.api.requestsTo("GET /derp").map(({ isWebsocket }) => isWebsocket), [
    false,
    true,
  ]);
});

Deno.test("a relay that cannot be used is given up with a reason", async (t) => {
  const faults: Readonly<Record<string, EndpointFault>> = {
    refuses: { kind: "refuse", status: 503 },
    "hangs up": { kind: "hangUp" },
    "talks nonsense": { kind: "stop", afterBytes: 0, then: "nonsense" },
    "stops in mid-frame": { kind: "stop", afterBytes: 20, then: "close" },
  };
  // The client takes three seconds for its attempts: all faults at once.
  const failures = await Promise.all(
    Object.entries(faults).map(async ([what, fault]) => {
      await using sandbox = await Sandbox.start();
      sandbox.faults.relay = fault;
      await using agent = dialTo(sandbox);
      const failure = agent.reachable(AbortSignal.timeout(LIMIT_MS)).catch((error: unknown) =>
        error
      );
      const result = { what, failure: await failure };
      ok(sandbox.api.requestsTo("GET /derp").length >= 3, "tried again");
      return result;
    }),
  );
  for (const { what, failure } of failures) {
    await t.step(
      what,
      () => ok(failure instanceof TunnelError && /Cannot reach the relay/.test(failure.message)),
    );
  }
});

sandboxTest(
  "what could not be reached and later is, is reached: nobody is refused for ever",
  async (sandbox) => {
    sandbox.faults.coordinator = { kind: "hangUp" };
    await using agent = dialTo(sandbox);
    await rejects(agent.reachable(AbortSignal.timeout(LIMIT_MS)), TunnelError);
    await rejects(agent.openTcp(AgentPort.echo), TunnelError);
    sandbox.faults.coordinator = undefined;
    await sandbox.coordinator.until(() => sandbox.coordinator.peerCount === 2);
    while (agent.status().step !== "reachable") await new Promise((resolve) => setTimeout(resolve));
    await agent.reachable();
    await echoText(agent, "late");
  },
);

for (
  const [what, fault] of [
    ["accepts and says nothing", { kind: "stop", afterBytes: 0, then: "silence" }],
    ["never answers", { kind: "mute" }],
    ["falls silent in mid-frame", { kind: "stop", afterBytes: 20, then: "silence" }],
  ] as const
) {
  sandboxTest(`a relay that ${what} is told of while it is waited for`, async (sandbox) => {
    sandbox.faults.relay = fault;
    await using agent = dialTo(sandbox);
    await sandbox.api.waitFor("GET /derp");
    await sandbox.coordinator.until(() => sandbox.coordinator.peerCount === 2);
    ok(
      ["relay", "coordinator", "agent", "ready"].includes(agent.status().step),
      agent.status().step,
    );
    sandbox.faults.relay = undefined;
    sandbox.relay.cut();
  });
}

for (
  const [what, fault, words] of [
    ["refuses with 409", {
      kind: "refuse",
      status: 409,
      message: "Non-browser connections are disabled for your deployment.",
    }, /409.*Non-browser/],
    ["hangs up", { kind: "hangUp" }, /coordinator/],
    ["talks nonsense", { kind: "stop", afterBytes: 0, then: "nonsense" }, /coordinator/],
    ["stops in mid-frame", { kind: "stop", afterBytes: 1, then: "close" }, /coordinator/],
  ] as const
) {
  sandboxTest(`a coordinator that ${what} is given up with a reason`, async (sandbox) => {
    sandbox.faults.coordinator = fault;
    await using agent = dialTo(sandbox);
    await rejects(agent.reachable(AbortSignal.timeout(LIMIT_MS)), words);
  });
}

sandboxTest(
  "a coordinator that says nothing is told of, and used when it speaks",
  async (sandbox) => {
    sandbox.faults.coordinator = { kind: "stop", afterBytes: 0, then: "silence" };
    await using agent = dialTo(sandbox);
    await sandbox.coordinator.until(() => sandbox.coordinator.sessionCount === 2);
    strictEqual(agent.status().step, "coordinator");
    sandbox.faults.coordinator = undefined;
    sandbox.coordinator.cut();
    await echoText(agent, "at last");
  },
);

sandboxTest(
  "a coordinator restarted or cut ends no stream; its resume token is used",
  async (sandbox) => {
    await using agent = dialTo(sandbox);
    const stream = await agent.openTcp(AgentPort.echo);
    await sandbox.coordinator.until(() => sandbox.coordinator.grantedTokens > 0);
    sandbox.coordinator.restart();
    const [, second] = await sandbox.api.waitFor(COORDINATE, { count: 2 });
    ok(second?.target.includes("resume_token="), second?.target);
    await stream.write(encode("still here"));
    strictEqual(decode(await readBytes(stream, 10)), "still here");
    await sandbox.coordinator.until(() => sandbox.coordinator.peerCount === 2);
    stream.abort();
  },
);

sandboxTest("a resume token that is refused is dropped", async (sandbox) => {
  await using agent = dialTo(sandbox);
  await agent.reachable();
  await sandbox.coordinator.until(() => sandbox.coordinator.grantedTokens > 0);
  sandbox.coordinator.forgetResumeTokens();
  sandbox.coordinator.cut();
  const requests = await sandbox.api.waitFor(COORDINATE, { count: 3 });
  deepStrictEqual(requests.map(({ target }) => target.includes("resume_token=")), [
    false,
    true,
    false,
  ]);
  await sandbox.coordinator.until(() => sandbox.coordinator.peerCount === 2);
  await echoText(agent, "anew");
});

sandboxTest(
  "servers before v2.15 give no resume token, before v2.11 agents say no READY",
  async (sandbox) => {
    await using agent = dialTo(sandbox, { changes: { expectsReady: false } });
    await echoText(agent, "old server");
    strictEqual(sandbox.coordinator.grantedTokens, 0);
  },
  { settings: { version: "v2.9.0" } },
);

sandboxTest("an agent that is silent for a while keeps its streams", async (sandbox) => {
  await using agent = dialTo(sandbox);
  const stream = await agent.openTcp(AgentPort.echo);
  sandbox.workspace.agent().silence();
  await stream.write(encode("anybody?"));
  sandbox.workspace.agent().hear();
  strictEqual(decode(await readBytes(stream, 8)), "anybody?");
  stream.abort();
});

for (const graceful of [false, true]) {
  sandboxTest(
    `an agent restarted with new keys, ${graceful ? "in order" : "without a word"}`,
    async (sandbox) => {
      await using agent = dialTo(sandbox);
      const stream = await agent.openTcp(AgentPort.echo);
      await sandbox.workspace.agent().restart({ graceful });
      const end = await stream.closed;
      strictEqual(end.kind, "lost");
      await echoText(agent, "new keys");
    },
  );
}

sandboxTest("an agent that comes late is waited for", async (sandbox) => {
  const late = sandbox.workspace.agent();
  strictEqual(late.status, "connecting");
  await using agent = dialTo(sandbox);
  await sandbox.coordinator.until(() => sandbox.coordinator.peerCount === 1);
  late.connect();
  await echoText(agent, "here I am");
  strictEqual(late.status, "connected");
}, { workspaces: [{ agents: [{ connects: false }] }] });

sandboxTest("several agents are told apart", async (sandbox) => {
  deepStrictEqual(sandbox.workspace.agents.map(({ name }) => name), ["a", "b"]);
  await using a = dialTo(sandbox, { agent: sandbox.workspace.agent("a") });
  await using b = dialTo(sandbox, { agent: sandbox.workspace.agent("b") });
  await sandbox.workspace.agent("a").disconnect();
  await echoText(b, "b lives");
  notStrictEqual(a.status().step, "reachable");
}, { workspaces: [{ agents: [{ name: "a" }, { name: "b" }] }] });

Deno.test("Sandbox.stop() ends clients' streams and can be called twice", async () => {
  const sandbox = await Sandbox.start();
  const agent = dialTo(sandbox);
  const stream = await agent.openTcp(AgentPort.echo);
  await Promise.all([sandbox.stop(), sandbox.stop()]);
  await agent.close();
  notStrictEqual((await stream.closed).kind, "closed");
});
