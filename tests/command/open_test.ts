/** `hawser open …` as a whole against a sandbox (upstream's cli/open_test.go). */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { jsonAnswer } from "../../lib/sandbox/mod.ts";
import { commandTest } from "./support.ts";

const TOKEN = "mintedtoken0123456789-abcdefghij";

commandTest(
  "open vscode prints the link where there is no desktop, and never a token unless it is asked for",
  async (desk) => {
    const url = encodeURIComponent(desk.sandbox.url.origin);
    const row = async (...args: string[]) =>
      await desk.runAny(["open", "vscode", "myworkspace", ...args]);
    const { code, stdout, stderr } = await row("/home/me");
    strictEqual(code, 0);
    strictEqual(
      stdout,
      `vscode://coder.coder-remote/open?agent=dev&folder=%2Fhome%2Fme&owner=myuser&url=${url}&workspace=myworkspace\n`,
    );
    match(
      stderr,
      /Opening myworkspace\.dev:\/home\/me in VS Code Desktop\nCould not automatically open .*: there is no desktop\nPlease open the following URI instead:\n\n$/,
    );
    desk.sandbox.api.override(
      "POST /users/{user}/keys",
      jsonAnswer({ key: TOKEN }, { status: 201 }),
    );
    const minted = await row("/home/me", "--generate-token");
    ok(minted.stdout.includes(`&token=${TOKEN}&url=`), minted.stdout);
    ok(!minted.stderr.includes(TOKEN));
    const wrong = await row("~/project");
    strictEqual(wrong.code, 1);
    match(
      wrong.stderr,
      /resolve agent path: path "~\/project" requires expansion and is not supported, use an absolute path instead\n/,
    );
  },
);

commandTest("open hands the link to the desktop; one that fails is printed", async (desk) => {
  await using run = desk.startAny(["open", "web", "myworkspace"], {
    stdin: "",
    env: { DISPLAY: ":99", PATH: "/nowhere" },
  });
  const { code, stdout } = await run.result();
  const page = `${desk.sandbox.url.origin}/@myuser/myworkspace`;
  deepStrictEqual([code, stdout], [0, `${page}\n`]);
  deepStrictEqual(run.children.map(({ program, args }) => [program, ...args]), [[
    "xdg-open",
    page,
  ]]);
});

commandTest("open inside a workspace prints the link for the machine outside", async (desk) => {
  const { stdout, stderr } = await desk.runAny([
    "open",
    "jetbrains",
    "myworkspace",
    "/w",
    "--ide",
    "GO",
  ], { env: { CODER: "true" } });
  strictEqual(
    stdout,
    `jetbrains://gateway/coder?agent_name=dev&folder=%2Fw&ide_product_code=GO&owner=myuser&url=${
      encodeURIComponent(desk.sandbox.url.origin)
    }&workspace=myworkspace\n`,
  );
  match(
    stderr,
    /is not supported inside a workspace, please open the following URI on your local machine instead/,
  );
});

commandTest(
  "open app lists apps, leads to one, and refuses what a page has no business to open",
  async (desk) => {
    const agent = desk.sandbox.workspaces[0]?.agent();
    ok(agent !== undefined);
    agent.apps = [
      { slug: "vim", command: "vim" },
      { slug: "code" },
      { slug: "sub", subdomain: true, subdomain_name: "sub--dev" },
      { slug: "outside", external: true, url: "myide://x?t=$SESSION_TOKEN" },
      { slug: "evil", external: true, url: "file:///etc/passwd" },
    ];
    const { origin } = desk.sandbox.url;
    const open = async (...args: string[]) =>
      await desk.runAny(["open", "app", "myworkspace", ...args]);
    match(
      (await open()).stderr,
      /Available apps in "myworkspace": \[code evil outside sub vim\]\n/,
    );
    strictEqual((await open("code")).stdout, `${origin}/@myuser/myworkspace.dev/apps/code/\n`);
    strictEqual((await open("vim")).stdout, `${origin}/@myuser/myworkspace.dev/terminal?app=vim\n`);
    strictEqual((await open("outside")).stdout, "myide://x?t=$SESSION_TOKEN\n");
    match(
      (await open("evil")).stderr,
      /the app leads to "file:\/\/\/etc\/passwd", which is not opened/,
    );
    match(
      (await open("none")).stderr,
      /error: app not found\nApp "none" not found in workspace "myworkspace"!\nAvailable apps: \[code evil outside sub vim\]\n/,
    );
    match(
      (await open("code", "--region", "mars")).stderr,
      /error: region not found\n.*\nAvailable regions: \[primary\]\n/,
    );
    desk.sandbox.api.override(
      "GET /regions",
      jsonAnswer({
        regions: [{
          name: "primary",
          path_app_url: "https://r.test:8443/base/",
          wildcard_hostname: "*.apps.test",
        }],
      }),
    );
    strictEqual((await open("sub")).stdout, "https://sub--dev.apps.test/\n");
    strictEqual(
      (await open("code")).stdout,
      "https://r.test:8443/base/@myuser/myworkspace.dev/apps/code/\n",
    );
  },
);
