/** What completion offers, place by place. */
import { deepStrictEqual } from "node:assert/strict";
import { FILES_FIT } from "../../../lib/cli/command/command.ts";
import { complete } from "../../../lib/cli/command/complete.ts";
import { FakeCoder } from "../../support/fake_coder.ts";
import { wireAgent, wireBuild, wireWorkspace } from "../../support/fake_coder_objects.ts";
import { FakeHost } from "../../support/fake_host.ts";

const AGENT = wireAgent({
  name: "main",
  apps: ["zed", "code-server", "$(id)", "A b", "x\ny"].map((slug) => ({ slug })),
});

/** A deployment with a workspace `dev` of one agent, in which something listens. */
function deployment(): FakeCoder {
  const coder = new FakeCoder();
  const dev = wireWorkspace({
    name: "dev",
    latest_build: wireBuild({ resources: [{ id: "r", type: "t", name: "n", agents: [AGENT] }] }),
  });
  coder.routes.set("GET /workspaces", () => ({ body: { workspaces: [dev], count: 1 } }));
  coder.routes.set("GET /users/me/workspace/dev", () => ({ body: dev }));
  coder.routes.set(`GET /workspaceagents/${AGENT.id}`, () => ({ body: AGENT }));
  const ports = [8080, 80, 8080].map((port) => ({ process_name: "$(id)", network: "tcp", port }));
  coder.routes.set(`GET /workspaceagents/${AGENT.id}/listening-ports`, () => ({ body: { ports } }));
  return coder;
}

const FILES = { "/home/alice/.config/coderv2/contexts/work/url": "https://work.example" };

/** What is printed, and whether the shell's files fit too. */
async function offers(args: readonly string[]): Promise<readonly [readonly string[], boolean]> {
  const coder = deployment();
  const env = { CODER_URL: coder.url.href, CODER_SESSION_TOKEN: "t" };
  using host = new FakeHost({ transport: coder.transport(), env, files: FILES });
  const code = await complete(args, host);
  deepStrictEqual([host.stderr.text, code === 0 || code === FILES_FIT], ["", true]);
  return [host.stdout.text.split("\n").slice(0, -1), code === FILES_FIT];
}

/** Places of which the offers are few. */
const WHOLE: readonly (readonly [args: readonly string[], words: readonly string[]])[] = [
  [["context", ""], ["list", "use", "rename", "remove"]],
  [["open", "v"], ["vscode", "jetbrains", "app", "web"]],
  [["help", "open", ""], ["vscode", "jetbrains", "app", "web"]],
  [["login", ""], ["token"]],
  [["login", "https://x.example", ""], []],
  [["context", "use", ""], ["default", "work"]],
  [["context", "rename", "work", ""], []],
  [["list", "--context", ""], ["default", "work"]],
  [["--context", "w"], ["default", "work"]],
  [["list", "--context=w"], ["--context=default", "--context=work"]],
  [["list", "-o", ""], ["table", "json"]],
  [["list", "--output=j"], ["--output=table", "--output=json"]],
  [["ports", "--column", "port,n"], ["port,port", "port,network", "port,process"]],
  [
    ["ports", "--column=port,"],
    ["port,port", "port,network", "port,process"].map((word) => `--column=${word}`),
  ],
  [["ssh", ""], ["dev"]],
  [["ssh", "--", "d"], ["dev"]],
  [["ssh", "--wait", "no", "-t", ""], ["dev"]],
  [["ssh", "dev", ""], []],
  [["ssh", "--", "dev", "-"], []],
  [["ssh", "-e", ""], []],
  [["ssh", "--persist", ""], ["dev"]],
  [["--verbose", "ssh", ""], ["dev"]],
  [["ls", ""], []],
  [["open", "app", ""], ["dev"]],
  [["open", "app", "dev", ""], ["code-server", "zed"]],
  [["open", "app", "dev.main", ""], ["code-server", "zed"]],
  [["open", "app", "dev.other", ""], []],
  [["open", "app", "none", ""], []],
  [["open", "app", "dev", "zed", ""], []],
  [["open", "vscode", "dev", ""], []],
  [["port-forward", "dev", "--tcp", ""], ["80", "8080"]],
  [["port-forward", "dev", "-p", "80,"], ["80,80", "80,8080"]],
  [["tunnel", "dev", "--tcp="], ["--tcp=80", "--tcp=8080"]],
  [["port-forward", "--tcp", ""], []],
  [["cp", "dev:"], []],
  [["cp", "a.txt", "dev:pro"], []],
  [["nonsense", ""], []],
  [["ssh", "--nonsense", ""], []],
  [["ssh", "--nonsense="], []],
  [["--nonsense", ""], []],
  [["ssh", "--wait=perhaps", ""], []],
];

Deno.test("complete() offers what fits, whatever was typed of it", async (t) => {
  for (const [args, words] of WHOLE) {
    await t.step(args.join(" "), async () => {
      deepStrictEqual(await offers(args), [words, false]);
    });
  }
});

Deno.test("complete() leaves files to the shell where files fit", async (t) => {
  const rows: typeof WHOLE = [
    [["cp", ""], ["dev:"]],
    [["cp", "-r", "a.txt", "b"], ["dev:"]],
    [["ssh", "--log-dir", ""], []],
    [["ssh", "-l", ""], []],
    [["list", "--global-config=x"], []],
    [["--client-tls-ca-file", ""], []],
  ];
  for (const [args, words] of rows) {
    await t.step(args.join(" "), async () => {
      deepStrictEqual(await offers(args), [words, true]);
    });
  }
});

Deno.test("complete() offers commands and flags that lists show", async () => {
  for (const args of [[], [""], ["s"], ["-v", ""], ["help", ""]]) {
    const [commands] = await offers(args);
    const asked = ["ssh", "list", "context", "completion", "vscodessh", "connect"];
    deepStrictEqual(asked.filter((name) => commands.includes(name)), asked.slice(0, 4));
    deepStrictEqual(commands.length, new Set(commands).size);
  }
  const [flags] = await offers(["ssh", "dev", "-"]);
  const asked = ["--stdio", "--context", "--debug-http", "--log-to-file"];
  deepStrictEqual(asked.filter((name) => flags.includes(name)), asked.slice(0, 2));
});
