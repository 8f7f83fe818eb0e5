/**
 * Direct paths of the whole program, a process of its own, to an agent of the sandbox: one is found beside the relay, and none,
 * not even a socket, where the user, the deployment or a proxy wants none.
 */
import { doesNotMatch, match, ok, strictEqual } from "node:assert/strict";
import { Sandbox } from "../../lib/sandbox/mod.ts";
import { PATH_CHECKS } from "../live/checks/paths.ts";
import { Desk } from "../live/desk.ts";
import { startHttpProxy } from "../io/proxies.ts";
import { FAR_RELEASES, WORKSPACE } from "./support.ts";

interface Setting extends AsyncDisposable {
  readonly sandbox: Sandbox;
  readonly desk: Desk;
}

async function open(
  options: { readonly disablesDirect: boolean; readonly version?: string },
): Promise<Setting> {
  await using stack = new AsyncDisposableStack();
  const sandbox = stack.use(
    await Sandbox.start({ user: "myuser", workspaces: [WORKSPACE], settings: options }),
  );
  const deployment = { url: sandbox.url.href, token: sandbox.token, workspace: "myworkspace" };
  const desk = stack.use(await Desk.open(deployment));
  const kept = stack.move();
  return { sandbox, desk, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

for (const version of FAR_RELEASES) {
  for (const { name, run } of PATH_CHECKS) {
    Deno.test(`sandbox of ${version}: ${name}`, async () => {
      await using setting = await open({ disablesDirect: false, version });
      await run(setting.desk);
    });
  }
}

/** How many UDP sockets a process has (Linux): which of its open files are in the system's tables. */
async function udpSocketsOf(desk: Desk, pid: number): Promise<number> {
  const list = async (command: string) => (await desk.must(["sh", "-c", command])).stdout;
  const tables = await list(`cat /proc/${pid}/net/udp /proc/${pid}/net/udp6`);
  const inodes = new Set(tables.split("\n").map((line) => line.trim().split(/\s+/)[9]));
  const files = await list(`ls -l /proc/${pid}/fd`);
  return [...files.matchAll(/socket:\[(\d+)\]/g)].filter(([, inode]) => inodes.has(inode)).length;
}

const isLinux = Deno.build.os === "linux";

interface Wish {
  readonly name: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly disablesDirect?: boolean;
  readonly says: RegExp;
}

const WISHES: readonly Wish[] = [
  {
    name: "the user's flag",
    args: ["--disable-direct-connections"],
    says: /no direct connection {2}problem="switched off"/,
  },
  {
    name: "the user's variable",
    env: { CODER_DISABLE_DIRECT_CONNECTIONS: "true" },
    says: /no direct connection {2}problem="switched off"/,
  },
  {
    name: "the deployment's switch",
    disablesDirect: true,
    says: /no direct connection {2}problem="switched off"/,
  },
];

async function expectNone(
  { desk }: Setting,
  { args = [], env = {}, says }: Omit<Wish, "name">,
): Promise<void> {
  await using session = desk.startProgram(["-v", ...args, desk.workspace, "cat"], {
    env: { ...desk.env, ...env },
  });
  await session.write(new TextEncoder().encode("there\n"));
  await session.stdout.until(/there/);
  // Past the time at which a path would be sought.
  const soughtAfter = performance.now() + 500;
  while (performance.now() < soughtAfter) {
    await session.write(new TextEncoder().encode("again\n"));
    await session.stdout.until(/again/);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  strictEqual(await udpSocketsOf(desk, session.pid), 0);
  const exit = await session.feed([]);
  strictEqual(exit.code, 0, exit.stderr);
  match(exit.stderr, says);
  doesNotMatch(exit.stderr, /direct connection {2}to=/);
}

for (const { name, disablesDirect = false, ...wish } of WISHES) {
  Deno.test({
    name: `no UDP socket is opened: ${name}`,
    ignore: !isLinux,
    fn: async () => {
      await using setting = await open({ disablesDirect });
      await expectNone(setting, wish);
    },
  });
}

Deno.test({
  name: "no UDP socket is opened: the deployment is reached through a proxy",
  ignore: !isLinux,
  fn: async () => {
    await using setting = await open({ disablesDirect: false });
    await using proxy = startHttpProxy(Number(setting.sandbox.url.port));
    await expectNone(setting, {
      env: { CODER_URL: "http://coder.test", HTTP_PROXY: `http://127.0.0.1:${proxy.port}` },
      says: /no direct connection {2}problem="the deployment is reached through a proxy"/,
    });
    ok(proxy.asked.length > 0);
  },
});

Deno.test({
  name: "UDP sockets are there where nobody minds, and are seen",
  ignore: !isLinux,
  fn: async () => {
    await using setting = await open({ disablesDirect: false });
    const { desk } = setting;
    await using session = desk.startProgram(["-v", desk.workspace, "cat"]);
    await session.write(new TextEncoder().encode("there\n"));
    await session.stderr.until(/direct connection {2}to=(?:127\.0\.0\.1|\[::1\]):/);
    ok(await udpSocketsOf(desk, session.pid) > 0);
    strictEqual((await session.feed([])).code, 0);
  },
});

const P2P = /^pong from \S+ p2p via /m;
/** Pings this soon behind the first are on the relay still where a path is sought only because the tunnel is in use. */
const SOON_MS = 700;
const MAX_TRIES = 5;

Deno.test("an answered ping is reason enough to seek a path: the next one takes it, however little else flows", async () => {
  await using setting = await open({ disablesDirect: false });
  const { desk } = setting;
  const said: string[] = [];
  // A starved machine may find the path too late; whoever waits a second before he seeks always does.
  for (let tries = 0; tries < MAX_TRIES && !said.some((text) => P2P.test(text)); tries++) {
    const wait = `--wait=${SOON_MS}ms`;
    await using ping = desk.startCommand(["ping", "-n", "2", wait, desk.workspace]);
    said.push((await ping.feed([])).stdout);
  }
  match(said.at(-1) ?? "", P2P);
});
