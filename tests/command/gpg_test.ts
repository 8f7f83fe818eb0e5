/**
 * GPG forwarding through the whole `hawser ssh`, with real GnuPG homes on both sides, at each release (upstream cli/ssh_test.go,
 * TestSSH_ForwardGPG). Deno names each path of a unix socket in its permissions, so that tests, which may use 127.0.0.1
 * only, run these in a process of their own.
 */
import { doesNotMatch, match, strictEqual } from "node:assert/strict";
import { Sandbox } from "../../lib/sandbox/mod.ts";
import { isInstalled } from "../live/check.ts";
import { within } from "../support/command_host.ts";
import { Desk, RELEASES, SHELL, TERMINAL } from "./support.ts";
import { MAY_USE_SOCKETS, runWithSockets } from "../support/socket_process.ts";

const IS_LINUX = Deno.build.os === "linux";
const decoder = new TextDecoder();

/** Two GnuPG homes, one with a key and no agent that runs, the other empty with an agent that holds its socket. */
class Homes implements AsyncDisposable {
  readonly folder: string;
  /** Variables of this machine, and of the workspace. */
  readonly here: Readonly<Record<string, string>>;
  readonly there: Readonly<Record<string, string>>;

  private constructor(folder: string) {
    this.folder = folder;
    this.here = { GNUPGHOME: `${folder}/here` };
    this.there = { GNUPGHOME: `${folder}/there`, HOME: folder };
  }

  static async make(): Promise<Homes> {
    const homes = new Homes(await Deno.makeTempDir({ prefix: "hawser-gpg-" }));
    for (const { GNUPGHOME = "" } of [homes.here, homes.there]) {
      await Deno.mkdir(GNUPGHOME, { mode: 0o700 });
    }
    await must(homes.here, "gpg", [
      ...["--batch", "--passphrase", "", "--quick-gen-key", "Hawser Test <test@example.com>"],
      ...["ed25519", "sign", "0"],
    ]);
    await must(homes.here, "gpgconf", ["--kill", "gpg-agent"]);
    await must(homes.there, "gpgconf", ["--launch", "gpg-agent"]);
    return homes;
  }

  /** `D` and the process that listens where the workspace's gpg looks for its agent; empty when none does. */
  async agentThere(): Promise<string> {
    const answer = await must(
      this.there,
      "gpg-connect-agent",
      ["--no-autostart", "getinfo pid", "/bye"],
    );
    return /^D \d+/.exec(answer)?.[0] ?? "";
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const env of [this.here, this.there]) await must(env, "gpgconf", ["--kill", "all"]);
    await Deno.remove(this.folder, { recursive: true });
  }
}

async function must(
  env: Readonly<Record<string, string>>,
  program: string,
  args: readonly string[],
): Promise<string> {
  const running = new Deno.Command(program, { args: [...args], env, stdin: "null" }).output();
  const { code, stdout, stderr } = await within(running, () => `${program} ${args.join(" ")}`);
  strictEqual(code, 0, decoder.decode(stderr));
  return decoder.decode(stdout);
}

function testAtEach(name: string, body: (desk: Desk, homes: Homes) => Promise<void>): void {
  for (const version of RELEASES) {
    Deno.test(`${version}: ${name}`, async () => {
      await using homes = await Homes.make();
      await using sandbox = await Sandbox.start({
        user: "myuser",
        workspaces: [{ name: "myworkspace", agents: [{ ...SHELL, env: homes.there }] }],
        settings: { version },
      });
      await body(new Desk(sandbox), homes);
    });
  }
}

if (MAY_USE_SOCKETS) {
  testAtEach(
    "TestSSH_ForwardGPG: keys and trust arrive, a command signs, and nothing is left behind",
    async (desk, homes) => {
      match(await homes.agentThere(), /^D \d+$/);
      const commands = [
        "gpg --list-keys",
        "echo hello | gpg --clearsign",
        "echo again | gpg --sign | gpg --verify 2>&1",
        "ls $GNUPGHOME/private-keys-v1.d 2>/dev/null | sed s/^/SECRET:/",
        "gpg-connect-agent --no-autostart 'getinfo restricted' /bye",
      ];
      const args = ["--forward-gpg", "myworkspace", commands.join("; ")];
      const { code, stdout, stderr } = await desk.run(args, { env: homes.here });
      strictEqual(code, 0, stderr);
      match(stdout, /\[ultimate\] Hawser Test/);
      match(stdout, /-----BEGIN PGP SIGNED MESSAGE-----[^]*\nhello\n[^]*END PGP SIGNATURE/);
      match(stdout, /Good signature from "Hawser Test/);
      match(stdout, /\nOK\n$/);
      doesNotMatch(stdout, /SECRET:/);
      strictEqual(await homes.agentThere(), "");
    },
  );

  testAtEach(
    "-G in a shell signs before and after a restart of the server",
    async (desk, homes) => {
      await using run = desk.start(["-G", "myworkspace"], { terminal: TERMINAL, env: homes.here });
      await run.stdout.waitFor(/[$#] $/);
      const sign = "| gpg --clearsign >$HOME/signed && gpg --verify <$HOME/signed; echo st''ate $?";
      await run.type(`echo one ${sign}\r`);
      await run.stdout.waitFor(/Good signature from "Hawser Test[^]*state 0/);
      desk.sandbox.coordinator.restart();
      await desk.sandbox.coordinator.until(() => desk.sandbox.coordinator.peerCount === 2);
      await run.type(`clear; echo two ${sign}\r`);
      await run.stdout.waitFor(/state 0[^]*Good signature from "Hawser Test[^]*state 0/);
      await run.type("exit 5\r");
      strictEqual((await run.result()).code, 5);
      strictEqual(await homes.agentThere(), "");
    },
  );
}

const hasGpg = IS_LINUX && !MAY_USE_SOCKETS && isInstalled("gpg");
Deno.test({
  name: hasGpg
    ? "GPG forwarding at each release, in a process that may use sockets"
    : "GPG forwarding at each release (skipped: needs Linux and gpg, or run right here)",
  ignore: !hasGpg,
  fn: async () => {
    const said = await runWithSockets(import.meta.url);
    match(said, /v0\.24\.0: TestSSH_ForwardGPG[^]*v2\.5\.1: -G in a shell/);
  },
});
