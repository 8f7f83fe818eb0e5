/**
 * `hawser demo`: a Coder deployment in this process, and the ordinary `hawser ssh` connecting to it. For people without a
 * deployment, and for those who want to see whether the program works on their machine.
 */
import { instantBuild, Sandbox, type SandboxBuild, slowBuild } from "../../sandbox/mod.ts";
import { runTour } from "./demo_tour.ts";
import { switchFlag } from "../grammar/flag.ts";
import type { Host } from "../../base/host.ts";
import { Interrupt } from "../terminal/interrupt.ts";
import { printText, writeText } from "../terminal/print.ts";
import { defineCommand } from "./command.ts";
import { runCommand } from "./run.ts";
import { command as sshCommand } from "./ssh.ts";

/** Variables that would lead `ssh` elsewhere than to the demo, or let it remember something of it. */
const OTHER_DEPLOYMENT = /^(?:CODER_|HAWSER_SSH_)/;

export const command = defineCommand({
  name: "demo",
  usage: "[flags] [command]",
  summary: "Try it without a deployment: a small one in this process, with a workspace to enter.",
  description:
    "Try hawser without a deployment: one is started in this process, on loopback, with a " +
    "workspace that is this machine. Without a command: a shell on a terminal, else a tour.",
  examples: [
    { line: "hawser demo", does: "A shell in the demo workspace" },
    { line: "hawser demo 'echo hi; exit 5'", does: "A command; its status is ours" },
    { line: "hawser demo --serve", does: "A deployment to try from another terminal" },
  ],
  flags: {
    serve: switchFlag({
      name: "serve",
      help: "Stay up until Ctrl-C and print what to type in another terminal.",
    }),
  },
  positionals: { min: 0 },
  readsEnvironment: false,
  run: ({ serve }, { host, args, global }) => demo(host, { serve, args, verbose: global.verbose }),
});

interface DemoOptions {
  readonly serve: boolean;
  /** Words of a remote command; empty: a shell or the tour. */
  readonly args: readonly string[];
  readonly verbose: boolean;
}

async function demo(host: Host, options: DemoOptions): Promise<number> {
  const { serve: isServing, args, verbose } = options;
  await using sandbox = await Sandbox.start({
    hostKeyType: "rsa",
    workspaces: [
      { name: "dev" },
      ...(isServing
        ? [{ name: "stopped", transition: "stop", buildScript: startSlowly } as const]
        : []),
    ],
  });
  if (isServing) return await serve(sandbox, host);
  sandbox.workspace.agent().prepareSsh();
  const folder = await sandbox.folder();
  const ssh = (words: readonly string[], around: Host) =>
    runCommand(sshCommand, [
      ...(verbose ? ["--verbose"] : []),
      ...["--url", sandbox.url.origin, "--token", sandbox.token],
      // What it remembers, host keys among it, is gone with the demo.
      ...["--global-config", folder],
      ...words,
    ], { ...around, env: (name) => OTHER_DEPLOYMENT.test(name) ? undefined : around.env(name) });
  const { name } = sandbox.workspace;
  if (args.length > 0) return await ssh([name, "--", ...args], host);
  if (host.stdin.isTerminal) return await ssh([name], host);
  return await runTour({ host, ssh, workspace: name, webServer: sandbox.url.host });
}

/** Stopped from the first instant, then with builds that one can watch. */
function startSlowly(build: SandboxBuild): Promise<void> | void {
  return build.number === 1 ? instantBuild(build) : slowBuild()(build);
}

async function serve(sandbox: Sandbox, host: Host): Promise<number> {
  using interrupt = new Interrupt(host);
  const program = programLine();
  const proxy = `ssh -o ProxyCommand='${program} ssh --stdio dev' ` +
    "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null demo@dev";
  const lines = [
    `A demo deployment is up at ${sandbox.url.origin} until Ctrl-C. In another terminal:`,
    "",
    `  export CODER_URL=${sandbox.url.origin}`,
    `  export CODER_SESSION_TOKEN=${sandbox.token}`,
    `  export CODER_CONFIG_DIR=${await sandbox.folder()}`,
    `  ${program} ssh dev                    # a shell`,
    `  ${program} ssh dev 'uname -a; exit 3' # a command, its output and status`,
    `  ${program} ssh stopped                # a workspace that is started first`,
    `  ${program} ssh -A dev ssh-add -l      # the keys of your SSH agent, over there`,
    `  ${proxy}`,
    "",
  ];
  await writeText(host.stdout, lines.join("\n") + "\n");
  await aborted(interrupt.signal);
  printText(host.stderr, "Stopping the demo deployment.\n");
  return 0;
}

/** How to call this program from a shell: by its name, unless it runs from its sources. */
function programLine(): string {
  const here = new URL(import.meta.url);
  const isSource = here.protocol === "file:" && here.pathname.endsWith("/lib/cli/command/demo.ts");
  return isSource ? `deno run -A ${new URL("../../../main.ts", here).pathname}` : "hawser";
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
