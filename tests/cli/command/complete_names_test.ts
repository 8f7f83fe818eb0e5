/** Counterparts of upstream's `TestSSH_Completion/*`. */
import { deepStrictEqual } from "node:assert/strict";
import { complete } from "../../../lib/cli/command/complete.ts";
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

async function offers(args: readonly string[], route: FakeRoute) {
  const coder = new FakeCoder();
  coder.routes.set("GET /workspaces", route);
  const env = { COMPLETION_MODE: "1", CODER_URL: coder.url.href, CODER_SESSION_TOKEN: "t" };
  using host = new FakeHost({ transport: coder.transport(), env });
  const code = await complete(["ssh", ...args], host);
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
  const { out, code, calls } = await offers([""], answering(workspace("myworkspace", ["dev"])));
  deepStrictEqual({ out, code }, { out: "myworkspace\n", code: 0 });
  deepStrictEqual(calls, ["/api/v2/workspaces?q=owner%3Ame"]);
});

Deno.test("TestSSH_Completion/MultiAgent: each with its agent, without the bare name", async () => {
  const route = answering(workspace("ws", ["agent2", "agent1"]), workspace("alpha", ["main"]));
  const { out } = await offers(["w"], route);
  deepStrictEqual(out, "alpha\nws.agent1\nws.agent2\n");
});

Deno.test("TestSSH_Completion/NetworkError: no output and no error", async () => {
  const { elapsedMs: _, ...rest } = await offers([""], failing(99, {}));
  deepStrictEqual(rest, { code: 0, out: "", err: "", calls: ["/api/v2/workspaces?q=owner%3Ame"] });
});

Deno.test("completeNames() names what can be started, and not what has no agents for good", async () => {
  const { out } = await offers(
    [""],
    answering(
      workspace("stopped", [], "stopped"),
      workspace("failed", [], "failed"),
      workspace("agentless", []),
    ),
  );
  deepStrictEqual(out, "failed\nstopped\n");
});

Deno.test("completeNames() gives a silent server two seconds", async () => {
  const { code, out, elapsedMs } = await offers([""], silence);
  deepStrictEqual({ code, out, elapsedMs }, { code: 0, out: "", elapsedMs: 2_000 });
});

Deno.test("completeNames() asks only where the workspace stands", async () => {
  for (const args of [["dev", "ls"], ["--wait=perhaps", ""], ["-R", ""]]) {
    const { code, out, calls } = await offers(args, answering(workspace("dev", ["main"])));
    deepStrictEqual({ code, out, calls }, { code: 0, out: "", calls: [] });
  }
});

Deno.test("completeNames() offers only what a deployment calls a workspace and an agent", async () => {
  const { out } = await offers(
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
  const code = await complete(["ssh", ""], host);
  deepStrictEqual([code, host.stdout.text, host.stderr.text], [0, "", ""]);
});

Deno.test("completeNames() keeps its answer for five seconds, for that deployment and user alone, and falls back on it", async () => {
  const coder = new FakeCoder();
  coder.routes.set("GET /workspaces", answering(workspace("dev", ["main"])));
  const [secret, other] = ["abcdefghij0123456789XY", "0123456789XYabcdefghij"];
  const env = { CODER_URL: coder.url.href, CODER_SESSION_TOKEN: `Key1234567-${secret}` };
  using host = new FakeHost({ transport: coder.transport(), env });
  const asked = async (...args: readonly string[]) => {
    const [before, calls] = [host.stdout.text.length, coder.requests.length];
    await complete(args, host);
    return [host.stdout.text.slice(before), coder.requests.length - calls];
  };
  deepStrictEqual(await asked("ssh", ""), ["dev\n", 1]);
  deepStrictEqual(await asked("show", ""), ["dev\n", 0]);
  const path = "/home/alice/.cache/hawser/completion.json";
  const kept = host.files.entries.get(path);
  deepStrictEqual([kept?.mode, kept?.text.includes(secret)], [0o600, false]);
  await host.clock.sleep(6_000);
  coder.routes.set("GET /workspaces", failing(99, {}));
  deepStrictEqual(await asked("ssh", ""), ["dev\n", 1]);
  deepStrictEqual(await asked("ssh", "--token", `Key7654321-${other}`, ""), ["", 1]);
  deepStrictEqual(await asked("ssh", "--url", "http://127.0.0.1:9", ""), ["", 0]);
  deepStrictEqual(await asked("ssh", ""), ["dev\n", 1]);
  if (kept !== undefined) kept.text = kept.text.replace("dev", "$(reboot)");
  deepStrictEqual(await asked("ssh", ""), ["", 1]);
});

Deno.test("completeNames() writes nothing down of a token that is of no known kind", async () => {
  const coder = new FakeCoder();
  coder.routes.set("GET /workspaces", answering(workspace("dev", ["main"])));
  for (const token of ["t", `corporate-${"s".repeat(40)}`, `Key1234567-${"s".repeat(23)}`]) {
    const env = { CODER_URL: coder.url.href, CODER_SESSION_TOKEN: token };
    using host = new FakeHost({ transport: coder.transport(), env });
    await complete(["ssh", ""], host);
    await complete(["ssh", ""], host);
    deepStrictEqual([host.stdout.text, [...host.files.entries.keys()]], ["dev\ndev\n", []]);
  }
});
