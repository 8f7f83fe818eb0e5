import assert from "node:assert/strict";
import * as v from "valibot";
import { BUILD, WORKSPACE } from "../../../lib/coder/workspace_model.ts";
import {
  downloadLine,
  findDocsUrl,
  outdatedBanner,
  publicDocsUrl,
  warnAboutServer,
  warnAboutWorkspace,
  workspaceLink,
} from "../../../lib/cli/ready/warnings.ts";
import { apiFailure } from "../../support/fake_coder.ts";
import { IDS, wireBuild, wireWorkspace } from "../../support/fake_coder_objects.ts";
import { fakeSteps } from "../../support/fake_steps.ts";
import { getMe } from "../../support/get_me.ts";

const LEGACY = "👋 Your workspace uses legacy parameters which are not supported anymore. " +
  "Contact your administrator for assistance.";
const OUTDATED = v.parse(WORKSPACE, wireWorkspace({ outdated: true }));
const FRESH = v.parse(WORKSPACE, wireWorkspace());
const BUILT = v.parse(BUILD, wireBuild());

Deno.test("TestVerifyWorkspaceOutdated/{Up-to-date, Outdated}", () => {
  const url = new URL("https://coder.example.com");
  assert.equal(outdatedBanner(url, FRESH), undefined);
  assert.equal(
    outdatedBanner(url, OUTDATED),
    "👋 Your workspace is outdated! Update it here: https://coder.example.com/@myuser/myworkspace",
  );
});

Deno.test("TestBuildWorkspaceLink, with a path in the URL kept (docs/protocol/ssh.md#what-we-do-otherwise)", () => {
  const workspace = { ownerName: "owner", name: "workspace" };
  const link = (url: string) => workspaceLink(new URL(url), workspace);
  assert.equal(link("https://fake-foo-url"), "https://fake-foo-url/@owner/workspace");
  assert.equal(link("https://u:p@h/sub/path?x#y"), "https://h/sub/path/@owner/workspace");
});

Deno.test("warnAboutWorkspace() warns terminals only, legacy first (docs/protocol/ssh.md#warnings-before-connecting)", async () => {
  const legacy = { body: { id: IDS.version, name: "v1", warnings: ["UNSUPPORTED_WORKSPACES"] } };
  using fake = fakeSteps({ stderrIsTerminal: true });
  fake.coder.routes.set(`GET /templateversions/${IDS.version}`, () => legacy);
  await warnAboutWorkspace(fake.steps, { workspace: OUTDATED, build: BUILT });
  assert.deepEqual(fake.host.stderr.lines, [
    LEGACY,
    "👋 Your workspace is outdated! Update it here: https://coder.example.com/@myuser/myworkspace",
    "",
  ]);
  using pipe = fakeSteps();
  await warnAboutWorkspace(pipe.steps, { workspace: OUTDATED, build: BUILT });
  assert.equal(pipe.host.stderr.text, "");
  assert.equal(pipe.coder.requests.length, 0);
});

Deno.test("warnAboutWorkspace() lives without the template version", async () => {
  using fake = fakeSteps({ stderrIsTerminal: true });
  fake.coder.routes.set(
    `GET /templateversions/${IDS.version}`,
    () => apiFailure(403, "Forbidden."),
  );
  await warnAboutWorkspace(fake.steps, { workspace: FRESH, build: BUILT });
  assert.equal(fake.host.stderr.text, "");
});

Deno.test("warnAboutServer() shows licence and version once, on terminals, unless switched off (docs/protocol/ssh.md#global-flags)", async () => {
  const quiet = { noVersionWarning: true, noFeatureWarning: true, version: "0.1.0" };
  const loud = { noVersionWarning: false, noFeatureWarning: false, version: "0.1.0" };
  for (
    const [terminal, options, expected] of [
      [true, loud, [
        "licence ends",
        "version mismatch: client v0.1.0, server v3.1.0",
        "download v3.1.0 with: 'curl -fsSL https://coder.example.com/install.sh | sh'",
      ]],
      [true, quiet, []],
      [false, loud, []],
    ] as const
  ) {
    using fake = fakeSteps({ stderrIsTerminal: terminal });
    fake.coder.version = "v3.1.0";
    fake.coder.headers = [["x-coder-entitlements-warning", "licence ends"]];
    fake.coder.routes.set("GET /users/me", () => ({ body: { id: "x", username: "alice" } }));
    await getMe(fake.steps.client);
    await warnAboutServer(fake.steps, options);
    assert.deepEqual(fake.host.stderr.lines, expected);
  }
});

Deno.test("downloadLine() in all its forms (docs/protocol/ssh.md#global-flags)", () => {
  const info = (changes: object) => ({
    version: "v3.1.0",
    dashboardUrl: "https://d.example/",
    upgradeMessage: "",
    isWorkspaceProxy: false,
    ...changes,
  });
  assert.equal(
    downloadLine("linux", "v3.1.0", info({ upgradeMessage: "ask Bob\x1b[1m" })),
    "ask Bob",
  );
  assert.equal(
    downloadLine("linux", "v3.1.0+abc", info({})),
    "download v3.1.0 with: 'curl -fsSL https://d.example/install.sh | sh'",
  );
  // What would end the quotes, or mean something to the shell that the line is pasted into, is left out with the URL.
  const hostile = [
    "https://d.example/'; rm -rf ~; '",
    "https://d.example/$(reboot)",
    "https://d.example/`reboot`",
    "https://d.example/a&reboot",
    "https://d.example/a|sh;",
    "https://d.example/?a=b",
    "https://u:p@d.example/",
    "javascript:alert(1)",
    "file:///etc/passwd",
    "d.example",
    "https://d.example/\u202e",
    "https://d.example/\nhttps://e",
    `https://d.example/${"a".repeat(3000)}`,
  ];
  for (const dashboardUrl of hostile) {
    assert.equal(
      downloadLine("linux", "v3.1.0", info({ dashboardUrl })),
      "download the server version with: " +
        "'curl -L https://coder.com/install.sh | sh -s -- --version 3.1.0'",
    );
  }
  assert.equal(
    downloadLine("linux", "v3.1.0", info({ dashboardUrl: "https://[fd00::1]:8443/sub//" })),
    "download v3.1.0 with: 'curl -fsSL https://[fd00::1]:8443/sub/install.sh | sh'",
  );
  assert.equal(
    downloadLine("linux", "'; reboot; '", info({})),
    "download it from: https://github.com/coder/coder/releases",
  );
  assert.equal(
    downloadLine("linux", "v3.1.0", undefined),
    "download the server version with: 'curl -L https://coder.com/install.sh | sh -s -- --version 3.1.0'",
  );
  assert.equal(
    downloadLine("windows", "v2.18.0", undefined),
    "download the server version from: https://github.com/coder/coder/releases/v2.18.0",
  );
});

Deno.test("findDocsUrl() asks the deployment, else takes the public one (docs/protocol/ssh.md#waiting-for-the-agent)", async () => {
  using fake = fakeSteps();
  fake.coder.routes.set("GET /appearance", () => ({ body: { docs_url: "https://docs.corp/" } }));
  assert.equal(await findDocsUrl(fake.steps), "https://docs.corp");
  // 5 MiB, which one body may hold: no pattern may run through them from every place.
  const slashes = "/".repeat(5 * 1024 * 1024);
  fake.coder.routes.set(
    "GET /appearance",
    () => ({ body: { docs_url: `https://docs.corp${slashes}x` } }),
  );
  assert.ok((await findDocsUrl(fake.steps)).startsWith("https://"));
  using agpl = fakeSteps(); // 404 without a licence
  assert.equal(await findDocsUrl(agpl.steps), "https://coder.com/docs/@v2.36.0");
  for (const version of [undefined, "v0.0.0", "v2.36.0-devel+abc", "x"]) {
    assert.equal(publicDocsUrl(version), "https://coder.com/docs");
  }
});
