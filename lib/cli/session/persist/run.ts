/** `ssh --persist`: one shell over many connections by SSH, or the list of them. */
import type { SshOptions } from "../../grammar/flags_ssh.ts";
import { DEFAULT_SHELL_NAME } from "../../grammar/persist_name.ts";
import { needsStart } from "../../ready/autostart.ts";
import { connect, type Connected, type ConnectOptions } from "../../ready/connect.ts";
import { findWorkspace } from "../../ready/resolve_workspace.ts";
import { parseWorkspaceName } from "../../ready/workspace_name.ts";
import type { Steps } from "../../ready/steps.ts";
import { runSession, type SessionOptions } from "../ssh_session.ts";
import { Again } from "./again.ts";
import { ShellKeeper } from "./keeper.ts";

export interface KeptRun {
  readonly connect: ConnectOptions;
  /** What a session needs besides the connection. */
  readonly prepare: (connected: Connected) => Promise<SessionOptions>;
  readonly interrupt: { readonly exitCode: number | undefined };
  readonly options: SshOptions;
}

/**
 * Runs until the shell has ended or was left, or lists the shells there are; the exit code. Throws as `runSession` does for what no
 * other attempt mends.
 */
export async function runPersistent(steps: Steps, kept: KeptRun): Promise<number> {
  if (!kept.options.listPersistent) return await runKept(steps, kept);
  const { listKept, onlyLooking } = await import("./list.ts");
  const { connect: options, prepare } = kept;
  const { input, hostPrefix, hostnameSuffix } = options;
  const name = parseWorkspaceName(input, { hostPrefix, hostnameSuffix });
  const workspace = await findWorkspace(steps, name);
  if (needsStart(workspace)) {
    steps.progress.line(`Workspace "${workspace.name}" does not run: no shell is kept there`);
    return 0;
  }
  await using connected = await connect(steps, { ...options, wait: "no", disableAutostart: true });
  const session = await prepare(connected);
  return await runSession(steps, connected, {
    ...session,
    options: onlyLooking(session.options),
    keep: listKept,
  });
}

async function runKept(steps: Steps, kept: KeptRun): Promise<number> {
  const { options: { persist: name }, connect: options, prepare, interrupt } = kept;
  const named = name === DEFAULT_SHELL_NAME ? "" : `=${name}`;
  const wayBack = `${options.command} --persist${named} ${options.input}`;
  const keeper = new ShellKeeper({ name, wayBack, onShell: () => again.handleShell() });
  const again = new Again(steps, {
    interrupt,
    keptWords: () => {
      if (keeper.keeper === undefined) return undefined;
      return keeper.keeper === "agent"
        ? "The workspace agent keeps the shell for five minutes"
        : `The shell is kept by ${keeper.keeper}`;
    },
    leftWords: () => keeper.leftWords(),
    connect: async ({ isAgain, input }) => {
      // Whoever stopped it has not asked for it to be started: the first time alone it is started.
      await using connected = await connect(
        steps,
        isAgain ? { ...options, disableAutostart: true } : options,
      );
      again.handleReady(connected.target.workspace.id);
      const session = await prepare(connected);
      const { options: asked } = session;
      return await runSession(steps, connected, {
        ...session,
        // What was there the first time and is missing now is said, and costs nobody the shell.
        options: isAgain
          ? { ...asked, isAgentExplicit: false, exitOnForwardFailure: false }
          : asked,
        lendInput: () => input.lend(),
        keep: (running) => keeper.run(running, connected),
      });
    },
  });
  return await again.run();
}
