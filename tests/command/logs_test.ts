/** `hawser logs` and `hawser ports` as a whole against a sandbox. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { commandTest, SHELL } from "./support.ts";

const TIME = String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`;

commandTest(
  "logs prints the lines of a build and of its agents in the order of time",
  async (desk) => {
    const [workspace] = desk.sandbox.workspaces;
    ok(workspace !== undefined);
    await desk.run(["myworkspace", "true"]);
    workspace.agent().logs.add({
      output: "cloning\x1b[31m the project",
      level: "info",
      source: "",
      stage: "",
      createdAtMs: Date.now() + 1_000,
    });
    const { code, stdout, stderr } = await desk.runAny(["logs", "myworkspace"]);
    strictEqual(code, 0, stderr);
    const [head = "", ...lines] = stdout.trimEnd().split("\n");
    strictEqual(
      head,
      `--- Logs for workspace build #1 (ID: ${workspace.latestBuild.id} Template Version: v1) ---`,
    );
    match(lines[0] ?? "", new RegExp(`^${TIME} \\[info\\] \\[provisioner\\|Setting up\\] $`));
    match(
      lines.at(-1) ?? "",
      new RegExp(`^${TIME} \\[info\\] \\[agent\\.dev\\] cloning the project$`),
    );
  },
);

commandTest("logs of another build, by number and counted back", async (desk) => {
  const [workspace] = desk.sandbox.workspaces;
  ok(workspace !== undefined);
  await workspace.buildToEnd("stop");
  const numbered = async (...flags: string[]) => {
    const { stdout, stderr } = await desk.runAny(["logs", "myworkspace", ...flags]);
    return stdout.split("\n")[0]?.replace(/ \(ID.*/, "") || stderr;
  };
  strictEqual(await numbered(), "--- Logs for workspace build #2");
  strictEqual(await numbered("-n", "1"), "--- Logs for workspace build #1");
  strictEqual(await numbered("--build-number=-1"), "--- Logs for workspace build #1");
  match(
    await numbered("-n", "9"),
    /failed to get build 9[^\n]*\nWorkspace "myworkspace" Build 9 does not exist\./,
  );
  match(
    await numbered("-n", "-9"),
    /error: invalid build number offset: -9 latest build number: 2\n/,
  );
});

commandTest(
  "logs --follow says what comes, of a build and then of its agents, over streams that drop",
  async (desk) => {
    const [workspace] = desk.sandbox.workspaces;
    ok(workspace !== undefined);
    const build = workspace.build("start", {
      script: (one) => {
        one.start();
        one.log("Planning", "thinking");
      },
    });
    await using run = desk.startAny(["logs", "myworkspace", "--follow"]);
    await run.stdout.waitFor(/\[provisioner\|Planning\] thinking\n--- Streaming logs ---\n/);
    build.log("Planning", "done thinking");
    await run.stdout.waitFor(/ \[provisioner\|Planning\] done thinking\n/);
    build.succeed();
    workspace.agent().logs.add({
      output: "up and running",
      level: "warn",
      source: "",
      stage: "",
      createdAtMs: Date.now(),
    });
    await run.stdout.waitFor(/\[warn\] \[agent\.dev\] up and running\n/);
    await workspace.buildToEnd("stop");
    const { code, stdout, stderr } = await run.result();
    deepStrictEqual([code, stderr], [0, ""]);
    strictEqual(stdout.split("thinking\n").length, 3, "no line twice");
  },
  { workspaces: [{ name: "myworkspace", agents: [SHELL], transition: "stop" }] },
);

commandTest("ports lists what listens, for people and for programs", async (desk) => {
  const agent = desk.sandbox.workspaces[0]?.agent();
  ok(agent !== undefined);
  await desk.run(["myworkspace", "true"]);
  const none = await desk.runAny(["ports", "myworkspace"]);
  deepStrictEqual([none.code, none.stdout, none.stderr], [
    0,
    "",
    "Nothing listens there, as far as the agent tells.\n",
  ]);
  agent.listeningPorts = [{ port: 8_080, processName: "no\x1b[1mde" }, { port: 3_000 }];
  const table = await desk.runAny(["ports", "myworkspace.dev"]);
  strictEqual(
    table.stdout,
    "PORT  NETWORK  PROCESS  \n3000  tcp               \n8080  tcp      node     \n",
  );
  const { stdout } = await desk.runAny(["ports", "myworkspace", "-o", "json"]);
  deepStrictEqual(JSON.parse(stdout), [
    { process_name: "", network: "tcp", port: 3_000 },
    { process_name: "no\x1b[1mde", network: "tcp", port: 8_080 },
  ]);
  await desk.sandbox.workspaces[0]?.buildToEnd("stop");
  const stopped = await desk.runAny(["ports", "myworkspace"]);
  strictEqual(stopped.code, 1);
  match(
    stopped.stderr,
    /workspace "myworkspace" is stopped, nothing listens there\nStart it with: hawser start myworkspace\n/,
  );
});
