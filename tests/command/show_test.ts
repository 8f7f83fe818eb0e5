/** `hawser show` as a whole against a sandbox; its box is upstream's (cli/cliui/resources.go). */
import { ok, strictEqual } from "node:assert/strict";
import { cellsOf } from "../../lib/base/cells.ts";
import { failureAnswer } from "../../lib/sandbox/mod.ts";
import { commandTest } from "./support.ts";

const STEADY = /since [\dhms]+\)/;

commandTest("show draws a workspace's agents and what listens there", async (desk) => {
  const [workspace] = desk.sandbox.workspaces;
  ok(workspace !== undefined);
  const agent = workspace.agent();
  await desk.run(["myworkspace", "true"]);
  agent.listeningPorts = [{ port: 33_739, processName: "deno" }, { port: 2_024 }];
  const { code, stdout, stderr } = await desk.runAny(["show", "myworkspace"]);
  strictEqual(stderr, "");
  strictEqual(code, 0);
  const shown = stdout.replace(STEADY, "since 1s)").replaceAll(/v\d+\.\d+\.\d+\S*/g, "v2.36.0");
  for (const line of stdout.trimEnd().split("\n")) {
    strictEqual(cellsOf(line), cellsOf(stdout.split("\n")[0] ?? ""));
  }
  ok(shown.startsWith("┌──"), shown);
  for (
    const part of [
      "│ myuser/myworkspace (running since 1s) sandbox:v1 ",
      "│ demo_machine.workspace ",
      "│ └─ dev (linux, ",
      "⦿ connected  ✔ healthy  v2.36.0",
      "hawser ssh myworkspace.dev │",
      "│    └─ Open Ports ",
      "│       ├─  2024/tcp ",
      "│       └─ 33739/tcp [deno] ",
    ]
  ) {
    ok(shown.includes(part), `${part} in\n${shown}`);
  }
});

commandTest(
  "show of a stopped workspace has a head and no rows; the title is broken where it does not fit",
  async (desk) => {
    const { stdout } = await desk.runAny(["show", "halted-for-a-long-time"]);
    strictEqual(
      stdout.replace(STEADY, "since 0s)"),
      [
        "┌───────────────────────────────────────────┐",
        "│ myuser/halted-for-a-long-time (stopped si │",
        "│ nce 0s) sandbox:v1                        │",
        "├───────────────────────────────────────────┤",
        "│ RESOURCE  STATUS  HEALTH  VERSION  ACCESS │",
        "├───────────────────────────────────────────┤",
        "└───────────────────────────────────────────┘",
        "",
      ].join("\n"),
    );
  },
  { workspaces: [{ name: "halted-for-a-long-time", transition: "stop" }] },
);

commandTest(
  "show goes on without the ports that an agent does not tell, and says so",
  async (desk) => {
    desk.sandbox.api.override(
      "GET /workspaceagents/{workspaceagent}/listening-ports",
      failureAnswer(500, "no\x1b[2Jluck"),
    );
    const { code, stdout, stderr } = await desk.runAny(["show", "myworkspace"]);
    strictEqual(code, 0);
    ok(stdout.includes("└─ dev (linux, "), stdout);
    ok(
      /^WARN: Failed to get listening ports for agent dev: GET .*: unexpected status code 500: noluck\n/
        .test(stderr),
      stderr,
    );
  },
);

commandTest("show names a workspace that is not there, and takes one name", async (desk) => {
  const missing = await desk.runAny(["show", "nowhere"]);
  strictEqual(missing.code, 1);
  ok(missing.stderr.includes("get workspace"), missing.stderr);
  const none = await desk.runAny(["show"]);
  strictEqual(none.code, 1);
  ok(none.stderr.includes("wanted 1 args but got 0 []"), none.stderr);
});

commandTest(
  "show keeps to its window, and gives up its frame in the smallest ones",
  async (desk) => {
    for (const columns of [40, 50, 70]) {
      const { stdout } = await desk.runAny(["show", "myworkspace"], {
        terminal: { columns, rows: 24 },
      });
      for (const line of stdout.split("\n")) ok(cellsOf(line) <= columns, `${columns}: ${line}`);
    }
    const tiny = await desk.runAny(["show", "myworkspace"], {
      terminal: { columns: 12, rows: 24 },
    });
    ok(!tiny.stdout.includes("┌"), tiny.stdout);
  },
);
