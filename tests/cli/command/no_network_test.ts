/** Whole commands on a machine in memory: their sockets, look-ups and tunnels come from `Host`, so none needs a network. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import type { ByteStream } from "../../../lib/base/stream.ts";
import { TunnelError } from "../../../lib/base/tunnel.ts";
import { main } from "../../../lib/cli/main.ts";
import { createBytePipe } from "../../support/byte_pipe.ts";
import { FakeCoder } from "../../support/fake_coder.ts";
import { IDS } from "../../support/fake_coder_objects.ts";
import { FakeHost, type FakeHostOptions } from "../../support/fake_host.ts";
import { TestSshServer } from "../../support/ssh_server.ts";

const AGENT_SSH_PORT = 1;
const DERP_MAP = { Regions: {} };

interface Scene extends Disposable {
  readonly host: FakeHost;
  readonly coder: FakeCoder;
}

/** A machine that is logged in to a deployment whose workspace runs. */
function scene(options: FakeHostOptions = {}): Scene {
  const coder = new FakeCoder();
  coder.routes.set(`GET /workspaceagents/${IDS.agent}/connection`, () => ({
    body: { derp_map: DERP_MAP, hostname_suffix: "coder" },
  }));
  const host = new FakeHost({
    transport: coder.transport(),
    env: { CODER_URL: coder.url.href, CODER_SESSION_TOKEN: "abcdefghij-0123456789012345678901" },
    ...options,
  });
  host.clock.isStill = true;
  return { host, coder, [Symbol.dispose]: () => host.clock.stop() };
}

/** What a command there writes back: what it was sent. */
function echo(): ByteStream {
  const [near, far] = createBytePipe();
  (async () => {
    const buffer = new Uint8Array(1_024);
    for (let count = await far.read(buffer); count !== null; count = await far.read(buffer)) {
      await far.write(buffer.slice(0, count));
    }
    await far.closeWrite();
  })();
  return near;
}

Deno.test("ssh runs a command in the workspace without a network", async () => {
  using world = scene();
  const { host } = world;
  const commands: (string | undefined)[] = [];
  const server = await TestSshServer.start({
    onSession: ({ command, channel }) => {
      commands.push(command);
      channel.write("hello from there\n");
      channel.exit(3);
      channel.close();
    },
  });
  host.tunnels.ports.set(AGENT_SSH_PORT, () => server.stream);
  strictEqual(await main(["ssh", "myworkspace", "say", "hello"], host), 3, host.stderr.text);
  deepStrictEqual(commands, ["say hello"]);
  strictEqual(host.stdout.text, "hello from there\n");
  const [tunnel] = host.tunnels.started;
  ok(host.tunnels.isPrepared && tunnel?.isClosed === true, "begun early, left in order");
  const { agentId, derpMap, serverVersion } = tunnel.options;
  deepStrictEqual([agentId, derpMap, serverVersion], [IDS.agent, DERP_MAP, "v2.36.0"]);
});

Deno.test("ssh --stdio carries bytes, and asks for Coder Connect, without a network", async () => {
  using world = scene({ stdin: ["SSH-2.0-test\r\n"] });
  const { host } = world;
  const asked: string[] = [];
  host.resolver = (name) => {
    asked.push(name);
    return Promise.resolve([]);
  };
  host.tunnels.ports.set(AGENT_SSH_PORT, echo);
  strictEqual(await main(["ssh", "--stdio", "myworkspace"], host), 0, host.stderr.text);
  strictEqual(host.stdout.text, "SSH-2.0-test\r\n");
  deepStrictEqual(asked, ["dev.myworkspace.myuser.coder."]);
});

Deno.test("ssh says why no tunnel stands, and what to do", async () => {
  using world = scene();
  const { host } = world;
  host.tunnels.failure = new TunnelError({ kind: "noRelay" });
  strictEqual(await main(["ssh", "myworkspace", "true"], host), 1);
  match(host.stderr.text, /The deployment has no relay that a client could use/);
  match(host.stderr.text, /enable the built-in DERP relay/);
});

Deno.test("port-forward joins a port here with one of the workspace without a network", async () => {
  using world = scene();
  const { host } = world;
  host.tunnels.ports.set(8_080, echo);
  const running = main(["port-forward", "myworkspace", "--tcp", "5678:8080"], host);
  while (!host.stderr.text.includes("Ready!")) await new Promise<void>((go) => setTimeout(go));
  const stream = await host.sockets.connect({ kind: "tcp", host: "127.0.0.1", port: 5_678 });
  await stream.write(new TextEncoder().encode("over and back"));
  await stream.closeWrite();
  const buffer = new Uint8Array(64);
  const count = await stream.read(buffer) ?? 0;
  strictEqual(new TextDecoder().decode(buffer.subarray(0, count)), "over and back");
  ok(host.raise("SIGINT"));
  strictEqual(await running, 0);
  match(
    host.stderr.text,
    /Forwarding 'tcp:\/\/127\.0\.0\.1:5678' locally to 'tcp:\/\/127\.0\.0\.1:8080'/,
  );
  match(host.stderr.text, /closing all listeners and active connections/);
});

Deno.test("ping tells the way and each answer without a network", async () => {
  using world = scene();
  const { host } = world;
  host.clock.isStill = false; // a second between pings
  host.tunnels.pings = [
    { latencyMs: 9, relay: "Fake relay", isDirect: false },
    { latencyMs: 8, relay: "Fake relay", isDirect: false },
    undefined,
    { latencyMs: 2, relay: "Fake relay", isDirect: true, endpoint: "10.0.0.7:4242" },
  ];
  strictEqual(await main(["ping", "-n", "3", "myworkspace"], host), 0, host.stderr.text);
  match(host.stderr.text, /✔ preferred DERP region: 999 \(Fake relay\)/);
  const lines = host.stdout.lines.slice(0, 4);
  deepStrictEqual(lines, [
    "pong from myworkspace proxied via DERP(Fake relay) in 8ms",
    'ping to "myworkspace" timed out ',
    "p2p connection established in 2s",
    "pong from myworkspace p2p via 10.0.0.7:4242 in 2ms",
  ]);
});
