/**
 * From nothing to work and back, as a person goes: an empty home folder, npm, and no way out but a proxy that wants a password. Against
 * the sandbox, and against the Go peer.
 */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { Sandbox } from "../../lib/sandbox/mod.ts";
import { startTlsFront } from "../io/proxies.ts";
import { LOOPBACK, tlsFixture } from "../io/support.ts";
import { isInstalled, testWith } from "../live/check.ts";
import { randomBytes } from "../live/data.ts";
import type { Deployment } from "../live/desk.ts";
import { type Exit, Process } from "../live/process.ts";
import { Bench } from "./package_bench.ts";
import { Peer } from "./peer.ts";
import { FAR_HOST, missingFor, startSquid } from "./real_proxies.ts";
import { PEER_NEEDS } from "./site.ts";
import { freePort } from "../support/free_port.ts";

const NEEDS = ["npm", "node", "ssh", "scp", "git"].filter((program) => !isInstalled(program));
const FILE_BYTES = 300_000;

/** Somebody who has a home folder, which is empty, and an environment, which names a proxy and an authority. */
class Traveller implements AsyncDisposable {
  readonly home = Deno.makeTempDirSync({ prefix: "hawser-" });
  readonly #env: Readonly<Record<string, string>>;

  constructor(options: { readonly program: string; readonly proxy: string }) {
    const config = `${this.home}/.ssh/config`;
    const bin = options.program.slice(0, options.program.lastIndexOf("/"));
    Deno.writeTextFileSync(`${this.home}/ca.crt`, tlsFixture("ca.crt"));
    this.#env = {
      HOME: this.home,
      USER: "tester",
      SHELL: "/bin/sh",
      TERM: "dumb",
      PATH: `${bin}:${Deno.env.get("PATH")}`,
      HTTPS_PROXY: options.proxy,
      CODER_CLIENT_TLS_CA_FILE: `${this.home}/ca.crt`,
      GIT_CONFIG_NOSYSTEM: "1",
      // OpenSSH takes the home folder from the list of users, whatever HOME says.
      GIT_SSH_COMMAND: `ssh -F ${config}`,
    };
  }

  start(...argv: readonly string[]): Process {
    return new Process(argv, { env: this.#env, cwd: this.home });
  }

  /** Runs a step with `input` piped in; it must succeed. */
  async step(argv: readonly string[], input = ""): Promise<Exit> {
    await using process = this.start(...argv);
    const exit = await process.feed([new TextEncoder().encode(input)]);
    strictEqual(exit.code, 0, `${argv.join(" ")}: ${exit.stdout}${exit.stderr}`);
    return exit;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.home, { recursive: true });
  }
}

/** Everything that somebody does in a first hour. */
async function travel(program: string, deployment: Deployment): Promise<void> {
  await using front = startTlsFront(Number(new URL(deployment.url).port));
  await using squid = await startSquid({ tlsPorts: [front.port] });
  await using traveller = new Traveller({ program, proxy: squid.urlWithLogin });
  const { home } = traveller;
  const { token, workspace } = deployment;
  const url = `https://${FAR_HOST}:${front.port}`;
  const config = ["-F", `${home}/.ssh/config`];
  const host = `${workspace}.coder`;

  const login = await traveller.step(["hawser", "login", url], `${token}\n`);
  match(login.stdout, /Welcome to Coder, \w+! You're authenticated\.\n$/);

  const list = await traveller.step(["hawser", "list", "--output", "json"]);
  deepStrictEqual(JSON.parse(list.stdout).map(({ name }: { name: string }) => name), [workspace]);

  await traveller.step(["hawser", "config-ssh", "--yes"]);
  match(await Deno.readTextFile(`${home}/.ssh/config`), /^# ---.*START-CODER/);

  const there = await traveller.step(["ssh", ...config, host, "cat; echo there"], "here\n");
  strictEqual(there.stdout, "here\nthere\n");
  await using seven = traveller.start("hawser", "ssh", workspace, "exit 7");
  strictEqual((await seven.feed([])).code, 7);

  // The workspace is this machine: what is copied there is found at once.
  const data = randomBytes(FILE_BYTES);
  await Deno.writeFile(`${home}/data`, data);
  await traveller.step(["scp", ...config, `${home}/data`, `${host}:${home}/copied there`]);
  deepStrictEqual(await Deno.readFile(`${home}/copied there`), data);
  await traveller.step(["scp", ...config, `${host}:${home}/copied there`, `${home}/back`]);
  deepStrictEqual(await Deno.readFile(`${home}/back`), data);

  await traveller.step(["git", "init", "--quiet", `${home}/project`]);
  await Deno.writeTextFile(`${home}/project/page`, "of the project\n");
  const git = [
    "git",
    "-C",
    `${home}/project`,
    "-c",
    "user.name=T",
    "-c",
    "user.email=t@example.com",
  ];
  await traveller.step([...git, "add", "page"]);
  await traveller.step([...git, "commit", "--quiet", "-m", "first"]);
  await traveller.step(["git", "clone", "--quiet", `${host}:${home}/project`, `${home}/clone`]);
  strictEqual(await Deno.readTextFile(`${home}/clone/page`), "of the project\n");

  await using page = Deno.serve(
    { hostname: LOOPBACK, port: 0, onListen: () => {} },
    () => new Response("a page of the workspace\n"),
  );
  const port = await freePort();
  const ports = `${LOOPBACK}:${port}:${page.addr.port}`;
  await using forward = traveller.start("hawser", "port-forward", workspace, "--tcp", ports);
  await forward.stderr.until(/Ready!\n/);
  const answer = await fetch(`http://${LOOPBACK}:${port}/`);
  strictEqual(await answer.text(), "a page of the workspace\n");
  forward.kill("SIGINT");
  strictEqual((await forward.exit()).code, 0);

  const logout = await traveller.step(["hawser", "logout", "--yes"]);
  match(logout.stdout, /You are no longer logged in/);
  await using after = traveller.start("hawser", "list");
  const refused = await after.feed([]);
  strictEqual(refused.code, 1);
  match(refused.stderr, /not logged in|hawser login/);

  // By nobody, Deno included, and started by OpenSSH without the launcher too, anybody else was asked for.
  const tunnelsOf = (lines: readonly string[]) => lines.filter((line) => / CONNECT /.test(line));
  const tunnels = tunnelsOf(await squid.asked((lines) => tunnelsOf(lines).length > 0));
  const wanted = `tester CONNECT ${FAR_HOST}:${front.port} `;
  ok(tunnels.length > 0 && tunnels.every((line) => line.startsWith(wanted)), tunnels.join("\n"));
}

testWith(
  "journey: npm install, login, list, config-ssh, ssh, scp, git clone, port-forward, logout, behind a proxy",
  [...NEEDS, ...PEER_NEEDS.filter((program) => !isInstalled(program)), ...missingFor("squid")],
  async () => {
    await using bench = new Bench();
    const program = await bench.install();
    {
      await using sandbox = await Sandbox.start({
        workspaces: [{ name: "dev", agents: [{ name: "main", shell: "sh" }] }],
      });
      const { url: { href: url }, token } = sandbox;
      await travel(program, { url, token, workspace: "dev" });
    }
    await using peer = await Peer.start();
    await travel(program, peer.deployment);
  },
);
