import assert from "node:assert/strict";
import { runUsageHeartbeat, usageAppOf } from "../../../lib/cli/session/usage.ts";
import { apiFailure } from "../../support/fake_coder.ts";
import { fakeSteps } from "../../support/fake_steps.ts";

Deno.test("UpdateUsage/{Empty, SSH, Jetbrains, Vscode, InvalidDefaultsToSSH, Disable}", async (t) => {
  const rows = [
    { name: "Empty", in: "", out: "ssh" },
    { name: "SSH", in: "ssh", out: "ssh" },
    { name: "Jetbrains", in: "jetbrains", out: "jetbrains" },
    { name: "Vscode", in: "vscode", out: "vscode" },
    { name: "InvalidDefaultsToSSH", in: "banana", out: "ssh" },
    { name: "Disable", in: "disable", out: undefined },
  ];
  for (const row of rows) {
    await t.step(row.name, async () => {
      using fake = fakeSteps();
      const bodies: unknown[] = [];
      fake.coder.routes.set("POST /workspaces/w/usage", ({ body }) => {
        bodies.push(body);
        return { status: 204 };
      });
      fake.host.clock.after(150_000, () => fake.abort.abort());
      await runUsageHeartbeat(fake.steps, {
        workspaceId: "w",
        agentId: "a",
        app: usageAppOf(row.in),
        signal: fake.abort.signal,
      });
      const expected = row.out === undefined
        ? []
        : Array(3).fill({ agent_id: "a", app_name: row.out });
      assert.deepEqual(bodies, expected);
    });
  }
});

Deno.test("runUsageHeartbeat() goes on when the server refuses or is away", async () => {
  using fake = fakeSteps();
  fake.coder.routes.set("POST /workspaces/w/usage", () => apiFailure(403, "Forbidden."));
  fake.host.clock.after(150_000, () => fake.abort.abort());
  await runUsageHeartbeat(fake.steps, {
    workspaceId: "w",
    agentId: "a",
    app: "ssh",
    signal: fake.abort.signal,
  });
  assert.equal(fake.coder.requests.length, 3);
  assert.equal(fake.host.stderr.text, "");
});
