/** Counterparts of upstream's `TestSSH_Container/*` (coder/coder `cli/ssh_test.go`); containers themselves belong to the agent. */
import { deepStrictEqual, rejects } from "node:assert/strict";
import { containerEnv } from "../../../lib/cli/session/containers.ts";
import { ExitError } from "../../../lib/cli/terminal/errors.ts";
import { renderError } from "../../../lib/cli/terminal/report_error.ts";
import { apiFailure, type FakeAnswer } from "../../support/fake_coder.ts";
import { IDS } from "../../support/fake_coder_objects.ts";
import { fakeSteps } from "../../support/fake_steps.ts";

const PATH = `GET /workspaceagents/${IDS.agent}/containers`;

async function envOf(answer: FakeAnswer, container: string, containerUser = "") {
  using fake = fakeSteps();
  fake.coder.routes.set(PATH, () => answer);
  const env = await containerEnv(fake.steps, { agentId: IDS.agent, container, containerUser });
  return { env, calls: fake.coder.calls };
}

function containers(...names: string[]): FakeAnswer {
  return {
    body: {
      containers: names.map((name) => ({ id: `id-${name}`, name, image: "x", running: true })),
    },
  };
}

Deno.test("TestSSH_Container/OK: by name or id, as two variables of the session", async () => {
  const byName = await envOf(containers("other", "box"), "box", "root");
  deepStrictEqual(byName.env, [
    { name: "CODER_CONTAINER", value: "box" },
    { name: "CODER_CONTAINER_USER", value: "root" },
  ]);
  const byId = await envOf(containers("box"), "id-box");
  deepStrictEqual(byId.env, [
    { name: "CODER_CONTAINER", value: "id-box" },
    { name: "CODER_CONTAINER_USER", value: "" },
  ]);
});

Deno.test("containerEnv() asks for nothing when no container was named", async () => {
  deepStrictEqual(await envOf(containers("box"), ""), { env: [], calls: [] });
});

Deno.test("TestSSH_Container/NotFound: says what there is, and exits with 1", async () => {
  await rejects(envOf(containers("something_completely_different"), "box"), (error) => {
    deepStrictEqual(error instanceof ExitError && error.exitCode, 1);
    deepStrictEqual(
      renderError(error, { command: "hawser ssh", verbose: false }),
      'ERROR: Container not found: "box"\nAvailable containers: [something_completely_different]',
    );
    return true;
  });
});

Deno.test("containerEnv() exits with 1 when there are no containers (docs/protocol/ssh.md#what-we-do-otherwise)", async () => {
  for (const body of [{ containers: [] }, { containers: null }, {}]) {
    await rejects(
      envOf({ body }, "box"),
      (error) =>
        error instanceof ExitError && error.exitCode === 1 &&
        error.message === "No containers found!",
    );
  }
});

Deno.test("TestSSH_Container/NotEnabled: the agent's word comes through", async () => {
  await rejects(
    envOf(apiFailure(403, "Dev Container feature not enabled."), "box"),
    (error) =>
      renderError(error, { command: "hawser ssh", verbose: false })
        .includes("error: Trace=[list containers]\nDev Container feature not enabled."),
  );
});

Deno.test("containerEnv() asks once: an agent without docker will not have it in two seconds", async () => {
  using fake = fakeSteps();
  fake.coder.routes.set(PATH, () => apiFailure(500, "Could not get containers"));
  await rejects(
    containerEnv(fake.steps, { agentId: IDS.agent, container: "box", containerUser: "" }),
    (error) =>
      renderError(error, { command: "hawser ssh", verbose: false })
        .includes("error: Trace=[list containers]\nCould not get containers"),
  );
  deepStrictEqual(fake.coder.calls.length, 1);
});
