/** `hawser port-forward` as a whole against a sandbox (upstream's cli/portforward_test.go). */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { isAtLeast } from "../../lib/base/version.ts";
import { AgentPort } from "../../lib/sandbox/mod.ts";
import { HurryingClock } from "../support/hurrying_clock.ts";
import { loopbackUdp } from "../support/loopback_udp.ts";
import { freePort } from "../support/free_port.ts";
import { untilRefused } from "../support/until_refused.ts";
import { commandTest, commandTestAtEach, WORKSPACE } from "./support.ts";

const LOOPBACK = "127.0.0.1";

/** What the echo of the workspace answers through a local port. */
async function echoed(port: number, text: string, hostname = LOOPBACK): Promise<string> {
  using connection = await Deno.connect({ hostname, port });
  await connection.write(new TextEncoder().encode(text));
  await connection.closeWrite();
  return await new Response(new Blob([await readAll(connection)])).text();
}

async function readAll(connection: Deno.Conn): Promise<Uint8Array<ArrayBuffer>> {
  const bytes: number[] = [];
  const buffer = new Uint8Array(4_096);
  for (let n = await connection.read(buffer); n !== null; n = await connection.read(buffer)) {
    bytes.push(...buffer.subarray(0, n));
  }
  return Uint8Array.from(bytes);
}

commandTestAtEach(
  "port-forward carries TCP to a port of the workspace, on both loopbacks, until a signal",
  async (desk) => {
    const [a, b] = [await freePort(), await freePort()];
    const args = [
      "port-forward",
      "myworkspace",
      "--tcp",
      `${a}:${AgentPort.echo},${LOOPBACK}:${b}:${AgentPort.echo}`,
    ];
    await using run = desk.startAny(args);
    await run.stderr.waitFor(/Ready!\n/);
    deepStrictEqual([await echoed(a, "one"), await echoed(b, "two")], ["one", "two"]);
    const many = await Promise.all(Array.from({ length: 20 }, (_, i) => echoed(a, `n${i}`)));
    deepStrictEqual(many, Array.from({ length: 20 }, (_, i) => `n${i}`));
    ok(run.raise("SIGINT"));
    const { code, stdout, stderr } = await run.result();
    deepStrictEqual([code, stdout], [0, ""]);
    strictEqual(
      stderr,
      [
        ...["[::1]", LOOPBACK].map((host) =>
          `Forwarding 'tcp://${host}:${a}' locally to 'tcp://127.0.0.1:${AgentPort.echo}' in the workspace`
        ),
        `Forwarding 'tcp://${LOOPBACK}:${b}' locally to 'tcp://127.0.0.1:${AgentPort.echo}' in the workspace`,
        "Ready!",
        "",
        "Received signal, closing all listeners and active connections",
        "",
      ].join("\n"),
    );
    const usage = desk.sandbox.api.requestsTo("POST /workspaces/{workspace}/usage");
    const isTold = isAtLeast(desk.sandbox.settings.version, "v2.10.0");
    deepStrictEqual(usage.map(({ body }) => body.length), isTold ? [0] : []);
  },
);

/** What comes back for each datagram, in order. */
async function answers(port: number, datagrams: readonly Uint8Array[], hostname = LOOPBACK) {
  using socket = loopbackUdp(hostname);
  const back: Uint8Array[] = [];
  for (const datagram of datagrams) {
    await socket.conn.send(datagram, { transport: "udp", hostname, port });
    const [data] = await socket.conn.receive(new Uint8Array(2_048));
    back.push(data.slice());
  }
  return back;
}

commandTest(
  "port-forward --udp carries datagrams to a port of the workspace, beside TCP",
  async (desk) => {
    using service = loopbackUdp();
    const serving = (async () => {
      // Answers backwards, and ends with the socket.
      for await (const [data, from] of service.conn) {
        await service.conn.send(data.slice().reverse(), from);
      }
    })();
    const [own, echo, tcp] = [await freePort(), await freePort(), await freePort()];
    await using run = desk.startAny([
      "port-forward",
      "myworkspace",
      ...["--udp", `${own}:${service.port},${LOOPBACK}:${echo}:${AgentPort.echo}`],
      ...["--tcp", `${LOOPBACK}:${tcp}:${AgentPort.echo}`],
    ]);
    await run.stderr.waitFor(/Ready!\n/);
    const sizes = [1, 0, 1_232, 500];
    const payloads = sizes.map((length) => Uint8Array.from({ length }, (_, i) => i * 7));
    const senders = Array.from({ length: 5 }, () => answers(echo, payloads));
    for (const back of await Promise.all(senders)) deepStrictEqual(back, payloads);
    const reversed = payloads.map((one) => one.slice().reverse());
    deepStrictEqual(await answers(own, payloads), reversed);
    strictEqual(await echoed(tcp, "tcp too"), "tcp too");
    ok(run.raise("SIGINT"));
    const { code, stdout, stderr } = await run.result();
    deepStrictEqual([code, stdout], [0, ""]);
    deepStrictEqual(stderr.split("\n"), [
      `Forwarding 'tcp://${LOOPBACK}:${tcp}' locally to 'tcp://127.0.0.1:${AgentPort.echo}' in the workspace`,
      `Forwarding 'udp://[::1]:${own}' locally to 'udp://127.0.0.1:${service.port}' in the workspace`,
      `Forwarding 'udp://${LOOPBACK}:${own}' locally to 'udp://127.0.0.1:${service.port}' in the workspace`,
      `Forwarding 'udp://${LOOPBACK}:${echo}' locally to 'udp://127.0.0.1:${AgentPort.echo}' in the workspace`,
      "Ready!",
      "",
      "Received signal, closing all listeners and active connections",
      "",
    ]);
    service[Symbol.dispose]();
    await serving;
  },
);

commandTest(
  "port-forward --udp goes on over a restart of the workspace, on the same port",
  async (desk) => {
    const port = await freePort();
    const [workspace] = desk.sandbox.workspaces;
    ok(workspace !== undefined);
    await using run = desk.startAny(
      ["port-forward", "myworkspace", "--udp", `${LOOPBACK}:${port}:${AgentPort.echo}`],
      { clock: new HurryingClock(20) },
    );
    await run.stderr.waitFor(/Ready!\n/);
    const one = [Uint8Array.of(1, 2, 3)];
    deepStrictEqual(await answers(port, one), one);
    await workspace.buildToEnd("stop");
    await run.stderr.waitFor(/was stopped: waiting until it is started again\n/);
    await workspace.buildToEnd("start");
    await run.stderr.waitFor(/started again\n[^]*Ready!\n/);
    deepStrictEqual(await answers(port, one), one);
    ok(run.raise("SIGINT"));
    strictEqual((await run.result()).code, 0);
  },
);

commandTest("port-forward --udp ends when a port cannot be had", async (desk) => {
  using taken = loopbackUdp();
  const { port } = taken;
  const { code, stderr } = await desk.runAny([
    "port-forward",
    "myworkspace",
    "--udp",
    `${LOOPBACK}:${port}:80`,
  ]);
  strictEqual(code, 1);
  match(stderr, new RegExp(`error: listen 'udp://127\\.0\\.0\\.1:${port}': listen on .*in use`));
});

commandTestAtEach("port-forward says which connection fails, and goes on", async (desk) => {
  const [local, closed] = [await freePort(), await freePort()];
  await using run = desk.startAny([
    "tunnel",
    "myworkspace",
    "-p",
    `${LOOPBACK}:${local}:${closed}`,
  ]);
  await run.stderr.waitFor(/Ready!\n/);
  for (let i = 0; i < 2; i++) {
    using connection = await Deno.connect({ hostname: LOOPBACK, port: local });
    await readAll(connection).catch(() => {}); // closed or reset, as the system has it
  }
  await run.stderr.waitFor(
    new RegExp(`(Failed to dial 'tcp://127\\.0\\.0\\.1:${closed}' in workspace: [^\\n]+\\n){2}`),
  );
  ok(run.raise("SIGTERM"));
  strictEqual((await run.result()).code, 0);
});

commandTest("port-forward ends when a port cannot be had", async (desk) => {
  using taken = Deno.listen({ hostname: LOOPBACK, port: 0 });
  const { code, stderr } = await desk.runAny([
    "port-forward",
    "myworkspace",
    "--tcp",
    `${LOOPBACK}:${taken.addr.port}:80`,
  ]);
  strictEqual(code, 1);
  match(
    stderr,
    new RegExp(
      `error: listen 'tcp://127\\.0\\.0\\.1:${taken.addr.port}': listen on .*\\nAnother program has the port`,
    ),
  );
});

commandTest("port-forward refuses what it cannot do before it asks anybody", async (desk) => {
  for (
    const [args, words] of [
      [[], /no port-forwards requested\nName a port, as in --tcp 8080, or say --auto\n/],
      [["--tcp", "1-2:3"], /port ranges must be the same length, got 2 ports forwarded to 1 ports/],
      [["--udp", "53,53"], /local udp host:invalid IP port:53 is specified twice/],
      [["--udp", "x"], /failed to parse UDP port-forward specification "x"/],
    ] as const
  ) {
    const { code, stderr } = await desk.runAny(["port-forward", "myworkspace", ...args]);
    strictEqual(code, 1);
    match(stderr, words);
  }
  deepStrictEqual(desk.sandbox.api.requests, []);
});

commandTestAtEach(
  "port-forward goes on over a restart of the workspace, on the same port",
  async (desk) => {
    const port = await freePort();
    const [workspace] = desk.sandbox.workspaces;
    ok(workspace !== undefined);
    await using run = desk.startAny([
      "port-forward",
      "myworkspace",
      "--tcp",
      `${port}:${AgentPort.echo}`,
    ], { clock: new HurryingClock(20) });
    await run.stderr.waitFor(/Ready!\n/);
    strictEqual(await echoed(port, "before"), "before");
    await workspace.buildToEnd("stop");
    await run.stderr.waitFor(
      /Workspace "myworkspace" was stopped: waiting until it is started again\n/,
    );
    await workspace.buildToEnd("start");
    await run.stderr.waitFor(/started again\n[^]*Ready!\n/);
    strictEqual(await echoed(port, "after"), "after");
    ok(run.raise("SIGINT"));
    strictEqual((await run.result()).code, 0);
  },
);

commandTestAtEach("port-forward --auto follows what listens in the workspace", async (desk) => {
  const agent = desk.sandbox.workspaces[0]?.agent();
  ok(agent !== undefined);
  using blocker = Deno.listen({ hostname: LOOPBACK, port: 0 });
  const taken = blocker.addr.port;
  agent.listeningPorts = [{ port: AgentPort.echo, processName: "echo\x1b[2J" }, { port: taken }];
  await using run = desk.startAny(["port-forward", "myworkspace", "--auto"], {
    clock: new HurryingClock(20),
  });
  const [, local] = await run.stderr.waitFor(
    new RegExp(`\\+ http://localhost:(\\d+) -> ${AgentPort.echo} \\(echo\\)\\n`),
  );
  strictEqual(await echoed(Number(local), "seen"), "seen");
  const [, other] = await run.stderr.waitFor(
    new RegExp(`\\+ http://localhost:(\\d+) -> ${taken}\\n`),
  );
  ok(Number(other) !== taken, "another port where that one is taken");
  agent.listeningPorts = [];
  await run.stderr.waitFor(
    new RegExp(
      `- http://localhost:${local} -> ${AgentPort.echo} \\(echo\\): nothing listens there any more\\n`,
    ),
  );
  const gone = await untilRefused(() => Deno.connect({ hostname: LOOPBACK, port: Number(local) }));
  ok(gone instanceof Deno.errors.ConnectionRefused, "the listener is closed");
  ok(run.raise("SIGINT"));
  strictEqual((await run.result()).code, 0);
}, { workspaces: [WORKSPACE] });

commandTest(
  "port-forward: a connection waits for an agent that does not answer, which is said, and not without end",
  async (desk) => {
    const port = await freePort();
    await using run = desk.startAny(
      ["port-forward", "myworkspace", "--tcp", `${LOOPBACK}:${port}:${AgentPort.echo}`],
      { clock: new HurryingClock(20) },
    );
    await run.stderr.waitFor(/Ready!\n/);
    const agent = desk.sandbox.workspace.agent();
    agent.silence();
    const ends = await Promise.allSettled([echoed(port, "one"), echoed(port, "two")]);
    // Closed or reset, as the system has it.
    for (const end of ends) ok(end.status === "rejected" || end.value === "");
    match(
      run.stderr.text,
      /Ready!\nA connection waits for the workspace agent to answer[^]*(Failed to dial 'tcp:\/\/127\.0\.0\.1:\d+' in workspace: no answer within 30s, waiting for [^\n]+\n){2}/,
    );
    strictEqual(run.stderr.text.match(/A connection waits/g)?.length, 1);
    agent.hear();
    strictEqual(await echoed(port, "three"), "three");
  },
);

commandTest(
  "port-forward: of a workspace that is stopped connections are refused, with the reason",
  async (desk) => {
    const port = await freePort();
    const { workspace } = desk.sandbox;
    await using run = desk.startAny(
      ["port-forward", "myworkspace", "--tcp", `${LOOPBACK}:${port}:${AgentPort.echo}`],
      { clock: new HurryingClock(20) },
    );
    await run.stderr.waitFor(/Ready!\n/);
    await workspace.buildToEnd("stop");
    await run.stderr.waitFor(/was stopped: waiting until it is started again\n/);
    await echoed(port, "nobody").catch(() => {}); // closed or reset, as the system has it
    await run.stderr.waitFor(
      /Failed to dial 'tcp:\/\/127\.0\.0\.1:\d+' in workspace: workspace "myworkspace" is stopped\n/,
    );
    await workspace.buildToEnd("start");
    // One that comes while the next agent is being reached waits for it.
    await run.stderr.waitFor(/started again\n[^]*Ready!\n/);
    strictEqual(await echoed(port, "after"), "after");
  },
);

commandTest("port-forward says of a connection that broke what broke it", async (desk) => {
  const port = await freePort();
  await using run = desk.startAny([
    "port-forward",
    "myworkspace",
    "--tcp",
    `${LOOPBACK}:${port}:${AgentPort.echo}`,
  ]);
  await run.stderr.waitFor(/Ready!\n/);
  using connection = await Deno.connect({ hostname: LOOPBACK, port });
  await connection.write(Uint8Array.of(1));
  await connection.read(new Uint8Array(1));
  await desk.sandbox.workspace.agent().restart({ graceful: false });
  await run.stderr.waitFor(
    new RegExp(
      `Ready!\\nConnection to 127\\.0\\.0\\.1:${AgentPort.echo} in the workspace broke off: The workspace agent was restarted\\n`,
    ),
  );
  strictEqual(await echoed(port, "after"), "after");
});
