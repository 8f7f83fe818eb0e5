/** What of an answer becomes ours: ids that are ids, numbers that are numbers, texts of a length, pages of the web. */
import assert from "node:assert/strict";
import * as v from "valibot";
import { UserError } from "../../lib/base/errors.ts";
import { AGENT } from "../../lib/coder/agent_model.ts";
import { getAgent } from "../../lib/coder/agents.ts";
import { getBuildInfo } from "../../lib/coder/deployment.ts";
import { webUrl } from "../../lib/coder/url.ts";
import { BUILD, WORKSPACE } from "../../lib/coder/workspace_model.ts";
import { getTemplateVersion, getWorkspaceByName } from "../../lib/coder/workspaces.ts";
import { IDS, wireAgent, wireBuild, wireWorkspace } from "../support/fake_coder_objects.ts";
import { fakeSteps } from "../support/fake_steps.ts";

const NO_IDS = [
  "",
  "x",
  "x/../home/evil",
  "../../etc/passwd",
  `${IDS.agent}/..`,
  `${IDS.agent}\n`,
  ` ${IDS.agent}`,
  "a1000000-0000-4000-8000-00000000000g",
  "a".repeat(1_000_000),
];

Deno.test("an id that is no UUID is never taken for one", () => {
  for (const id of NO_IDS) {
    assert.ok(!v.is(AGENT, wireAgent({ id })), id.slice(0, 40));
    assert.ok(!v.is(BUILD, wireBuild({ id })));
    assert.ok(!v.is(BUILD, wireBuild({ template_version_id: id })));
    assert.ok(!v.is(WORKSPACE, wireWorkspace({ id })));
    const isAbsent = id === "";
    assert.equal(v.is(WORKSPACE, wireWorkspace({ template_id: id })), isAbsent);
    assert.equal(v.is(WORKSPACE, wireWorkspace({ template_active_version_id: id })), isAbsent);
  }
  assert.ok(v.is(AGENT, wireAgent({ id: IDS.agent.toUpperCase() })));
});

Deno.test("the error says which id is none, and where", async () => {
  using fake = fakeSteps();
  fake.coder.workspace = wireWorkspace({ latest_build: wireBuild({ id: "x/../home/evil" }) });
  await assert.rejects(
    getWorkspaceByName(fake.steps.client, { owner: "me", name: "myworkspace" }),
    (error) =>
      error instanceof UserError &&
      /: latest_build\.id should be a UUID, is "x\/\.\.\/home\/evil"$/.test(error.message),
  );
  fake.coder.routes.set(
    `GET /templateversions/${IDS.version}`,
    () => ({ body: { id: "x", name: "" } }),
  );
  await assert.rejects(getTemplateVersion(fake.steps.client, IDS.version), UserError);
});

Deno.test("numbers that are none are refused, and texts are cut", async () => {
  using fake = fakeSteps();
  // JSON has no infinity, but 1e999 is one once it was read.
  const body = JSON.stringify(wireAgent()).replace(
    '"connection_timeout_seconds":120',
    '"connection_timeout_seconds":1e999',
  );
  fake.coder.routes.set(`GET /workspaceagents/${IDS.agent}`, () => ({ body: JSON.parse(body) }));
  assert.ok(!v.is(AGENT, JSON.parse(body)));
  const agent = v.parse(
    AGENT,
    wireAgent({ name: "n".repeat(100_000), expanded_directory: "d".repeat(100_000) }),
  );
  assert.equal(agent.name.length, 16_384);
  assert.equal(agent.expandedDirectory.length, 16_384);
  fake.coder.routes.set(
    `GET /workspaceagents/${IDS.agent}`,
    () => ({ body: wireAgent({ troubleshooting_url: "javascript:alert(1)" }) }),
  );
  assert.equal((await getAgent(fake.steps.client, IDS.agent)).troubleshootingUrl, "");
});

Deno.test("webUrl() takes addresses of http and https, on one line, without a password", async () => {
  for (
    const good of [
      "https://coder.example/docs?x=1#y",
      "http://[::1]:3000",
      "https://bücher.example/ä",
    ]
  ) {
    assert.equal(webUrl(good), good);
  }
  const bad = [
    "",
    "coder.example",
    "//coder.example",
    "ftp://coder.example",
    "file:///etc/passwd",
    "data:text/html,x",
    "javascript:alert(1)",
    "https://",
    "https://u:p@coder.example",
    "https://coder.example/a b",
    "https://coder.example/\n",
    "https://coder.example/\u001b]0;x\u0007",
    "https://coder.example/\u202e",
    `https://coder.example/${"a".repeat(5_000_000)}`,
  ];
  for (const text of bad) assert.equal(webUrl(text), "", text.slice(0, 60));
  using fake = fakeSteps();
  fake.coder.routes.set(
    "GET /buildinfo",
    () => ({ body: { version: "v2.36.0", dashboard_url: "file:///x" } }),
  );
  assert.equal((await getBuildInfo(fake.steps.client)).dashboardUrl, "");
});

Deno.test("an answer of millions of elements is refused before they are checked", async () => {
  using fake = fakeSteps();
  const resources = new Array<unknown>(2_000_000).fill({});
  fake.coder.workspace = wireWorkspace({ latest_build: wireBuild({ resources }) });
  await assert.rejects(
    getWorkspaceByName(fake.steps.client, { owner: "me", name: "myworkspace" }),
    /it has more than 300000 elements$/,
  );
});
