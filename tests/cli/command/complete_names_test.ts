/** Counterparts of upstream's `TestSSH_Completion/*`. */
import { deepStrictEqual } from "node:assert/strict";
import { completeNames } from "../../../lib/cli/command/complete_names.ts";
import { SSH_FLAGS } from "../../../lib/cli/grammar/flags_ssh.ts";
import { failing, FakeCoder, type FakeRoute, silence } from "../../support/fake_coder.ts";
import { wireAgent, wireBuild, wireWorkspace } from "../../support/fake_coder_objects.ts";
import { FakeHost } from "../../support/fake_host.ts";

function workspace(name: string, agents: readonly string[], status = "running") {
  const resources = [{
    id: "r",
    type: "t",
    name: "n",
    agents: agents.map((n) => wireAgent({ name: n })),
  }];
  return wireWorkspace({ name, latest_build: wireBuild({ status, resources }) });
}

async function complete(args: readonly string[], route: FakeRoute) {
  const coder = new FakeCoder();
  coder.routes.set("GET /workspaces", route);
  const env = { COMPLETION_MODE: "1", CODER_URL: coder.url.href, CODER_SESSION_TOKEN: "t" };
  using host = new FakeHost({ transport: coder.transport(), env });
  const code = await completeNames(args, host, { flags: SSH_FLAGS, command: "hawser ssh" });
  return {
    code,
    out: host.stdout.text,
    err: host.stderr.text,
    calls: coder.requests.map(({ path }) => path),
    elapsedMs: host.clock.now(),
  };
}

function answering(...workspaces: unknown[]): FakeRoute {
  return () => ({ body: { workspaces, count: workspaces.length } });
}

Deno.test("TestSSH_Completion/SingleAgent: the bare name", async () => {
  const { out, code, calls } = await complete([""], answering(workspace("myworkspace", ["dev"])));
  deepStrictEqual({ out, code }, { out: "myworkspace\n", code: 0 });
  deepStrictEqual(calls, ["/api/v2/workspaces?q=owner%3Ame"]);
});

Deno.test("TestSSH_Completion/MultiAgent: each with its agent, without the bare name", async () => {
  const route = answering(workspace("ws", ["agent2", "agent1"]), workspace("alpha", ["main"]));
  const { out } = await complete(["w"], route);
  deepStrictEqual(out, "alpha\nws.agent1\nws.agent2\n");
});

Deno.test("TestSSH_Completion/NetworkError: no output and no error", async () => {
  const { elapsedMs: _, ...rest } = await complete([""], failing(99, {}));
  deepStrictEqual(rest, { code: 0, out: "", err: "", calls: ["/api/v2/workspaces?q=owner%3Ame"] });
});

Deno.test("completeNames() names what can be started, and not what has no agents for good", async () => {
  const { out } = await complete(
    [],
    answering(
      workspace("stopped", [], "stopped"),
      workspace("failed", [], "failed"),
      workspace("agentless", []),
    ),
  );
  deepStrictEqual(out, "failed\nstopped\n");
});

Deno.test("completeNames() gives a silent server five seconds", async () => {
  const { code, out, elapsedMs } = await complete([""], silence);
  deepStrictEqual({ code, out, elapsedMs }, { code: 0, out: "", elapsedMs: 5_000 });
});

Deno.test("completeNames() asks only where the workspace stands", async () => {
  for (const args of [["dev", "ls"], ["--std"], ["--wait=perhaps", ""], ["-R"]]) {
    const { code, out, calls } = await complete(args, answering(workspace("dev", ["main"])));
    deepStrictEqual({ code, out, calls }, { code: 0, out: "", calls: [] });
  }
});

Deno.test("completeNames() offers only what a deployment calls a workspace and an agent", async () => {
  const { out } = await complete(
    [""],
    answering(
      workspace("a\x1b[2J\nb", ["main"]),
      workspace("$(touch /tmp/x)", ["main"]),
      workspace("-oProxyCommand=evil", ["main"]),
      workspace("`id`", ["main"]),
      workspace("a b", ["main"]),
      workspace("a;b", ["main"]),
      workspace("", ["main"]),
      workspace("../x", ["main"]),
      workspace("a\u202eb", ["main"]),
      workspace("a".repeat(33), ["main"]),
      workspace("two", ["main", "$(id)", "-x", "old_name", "a\nb", "", "b\u200b"]),
      workspace("Good-1", ["main"]),
    ),
  );
  deepStrictEqual(out, "Good-1\ntwo.main\ntwo.old_name\n");
});

Deno.test("completeNames() is silent when nobody is logged in", async () => {
  using host = new FakeHost({ env: { COMPLETION_MODE: "1" } });
  const code = await completeNames([""], host, { flags: SSH_FLAGS, command: "hawser ssh" });
  deepStrictEqual([code, host.stdout.text, host.stderr.text], [0, "", ""]);
});
