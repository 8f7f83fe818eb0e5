/** `hawser ssh` against deployments of every age, their agents of the same: coordination, addresses, waits, sessions, outages. */
import { notStrictEqual, strictEqual } from "node:assert/strict";
import { isAtLeast, isEarly } from "../../lib/base/version.ts";
import { AWAITS_AGENT, commandTest, type Desk, SHELL, TERMINAL } from "./support.ts";

/** Until `folder` has a file that says `text`. */
async function untilSaid(folder: string, text: string): Promise<void> {
  using watching = Deno.watchFs(folder);
  const events = watching[Symbol.asyncIterator]();
  for (;;) {
    for await (const { name } of Deno.readDir(folder)) {
      if (!name.endsWith(".json")) continue;
      if ((await Deno.readTextFile(`${folder}/${name}`)).includes(text)) return;
    }
    await events.next();
  }
}

/** What ends the start-up script of an agent. */
const ends = new Map<string, PromiseWithResolvers<void>>();

const VERSIONS = ["v0.24.0", "v0.26.2", "v2.5.1", "v2.8.0", "v2.15.0", "v2.36.0"];

function testAt(
  name: string,
  body: (desk: Desk) => Promise<void>,
  options: Parameters<typeof commandTest>[2] = {},
): void {
  for (const version of VERSIONS) {
    commandTest(`${version}: ${name}`, body, {
      ...options,
      settings: { version },
    });
  }
}

testAt("a command, its output and exit status", async (desk) => {
  const { stdout, code } = await desk.run(["myworkspace", "--", "echo", "hello;", "exit", "7"]);
  strictEqual(stdout, "hello\n");
  strictEqual(code, 7);
});

testAt("--stdio carries the bytes of SSH", async (desk) => {
  await using run = desk.start(["--stdio", "myworkspace"]);
  await run.stdout.waitFor(/^SSH-2\.0-.*\r\n/);
  await run.typeEnd();
  strictEqual((await run.result()).stderr, "");
});

testAt("a shell on a terminal waits for an agent that comes late", async (desk) => {
  await using run = desk.start(["myworkspace"], { terminal: TERMINAL });
  await run.stderr.waitFor(AWAITS_AGENT);
  desk.sandbox.workspace.agent().connect();
  await run.stdout.waitFor(/[$#] $/);
  await run.type("exit 3\r");
  strictEqual((await run.result()).code, 3);
}, { workspaces: [{ name: "myworkspace", agents: [{ ...SHELL, connects: false }] }] });

for (const blocksLogin of [true, false]) {
  const what = blocksLogin ? "waits for start-up scripts" : "waits for no script";
  testAt(`a login that ${what}`, async (desk) => {
    const { api, settings, workspace } = desk.sandbox;
    // Logs came with the stages.
    const isBefore = isEarly(settings.version);
    const sign = isBefore ? "Waiting for dev to become ready" : "one line";
    try {
      await using run = desk.start(["myworkspace", "echo", "in"], { stdin: "" });
      await (blocksLogin ? run.stderr.waitFor(sign) : run.stdout.waitFor("in"));
      strictEqual(run.stdout.text, blocksLogin ? "" : "in\n");
      ends.get(workspace.agent().id)?.resolve();
      const { code, stdout } = await run.result();
      strictEqual(stdout, "in\n");
      strictEqual(code, 0);
    } finally {
      ends.get(workspace.agent().id)?.resolve();
    }
    const routes = ["logs", "startup-logs"].map((name) =>
      `GET /workspaceagents/{workspaceagent}/${name}`
    );
    const asked = routes.flatMap((route) => api.requestsTo(route));
    strictEqual(asked.length > 0, blocksLogin && !isBefore);
  }, {
    workspaces: [{
      name: "myworkspace",
      agents: [{
        ...SHELL,
        blocksLogin,
        startup: (agent) => {
          agent.log("one line");
          const end = Promise.withResolvers<void>();
          ends.set(agent.id, end);
          return end.promise;
        },
      }],
    }],
  });
}

testAt("a session outlives the coordinator's restart, and others come after it", async (desk) => {
  const { coordinator } = desk.sandbox;
  await using run = desk.start(["myworkspace", "echo begun; read line; echo got $line"]);
  await run.stdout.waitFor("begun");
  coordinator.restart();
  await coordinator.until(() => coordinator.peerCount === 2);
  await run.type("it\n");
  await run.stdout.waitFor("got it");
  strictEqual((await run.result()).code, 0);
  strictEqual((await desk.run(["myworkspace", "echo", "again"])).stdout, "again\n");
});

testAt("a session uses the relay map as it changes", async (desk) => {
  const { coordinator, settings } = desk.sandbox;
  const folder = await Deno.makeTempDir();
  const flags = ["--network-info-interval", "25ms", "--network-info-dir", folder];
  await using run = desk.start(["--stdio", ...flags, "myworkspace"]);
  await run.stdout.waitFor(/^SSH-2\.0-.*\r\n/);
  await untilSaid(folder, "Coder Embedded Relay");
  if (settings.version === "v2.5.1") strictEqual(coordinator.mapPeerCount, 1);
  const regions = [...coordinator.derpMap.regions].map(([id, region]) =>
    [id, { ...region, name: "Elsewhere" }] as const
  );
  coordinator.setDerpMap({ ...coordinator.derpMap, regions: new Map(regions) });
  // Servers of that age read their configuration when they start, and tell nobody.
  if (!isAtLeast(settings.version, "v2.0.0")) coordinator.restart();
  await untilSaid(folder, "Elsewhere");
  await run.typeEnd();
  strictEqual((await run.result()).code, 0);
  await Deno.remove(folder, { recursive: true });
});

testAt("a restarted agent ends the session and takes the next one", async (desk) => {
  await using run = desk.start(["myworkspace", "echo begun; sleep 60"]);
  await run.stdout.waitFor("begun");
  await desk.sandbox.workspace.agent().restart();
  notStrictEqual((await run.result()).code, 0);
  strictEqual((await desk.run(["myworkspace", "echo", "again"])).stdout, "again\n");
});

testAt("a workspace that is stopped ends the session", async (desk) => {
  await using run = desk.start(["myworkspace", "echo begun; sleep 60"]);
  await run.stdout.waitFor("begun");
  desk.sandbox.workspace.build("stop");
  notStrictEqual((await run.result()).code, 0);
});

testAt(
  "a workspace that will stop soon is told of in a shell, in words of its name",
  async (desk) => {
    const { workspace } = desk.sandbox;
    workspace.setDeadline(Date.now() + 45_000);
    await using run = desk.start(["myworkspace"], { terminal: TERMINAL });
    await run.stdout.waitFor(/[$#] $/);
    await run.stderr.waitFor(/Your Coder workspace myworkspace is stopping any time now!/);
    await run.type("exit 4\r");
    strictEqual((await run.result()).code, 4);
  },
);
