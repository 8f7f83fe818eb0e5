/**
 * `ssh --persist`: connection after connection to one shell, until that has ended or the user leaves it. Between them the terminal
 * is as it was, what is waited for is said, Enter tries at once and Ctrl-C leaves.
 */
import { StreamError } from "../../../base/stream.ts";
import { describe, findCause } from "../../../coder/errors.ts";
import { isRetryable } from "../../../coder/retry.ts";
import { getWorkspace } from "../../../coder/workspaces.ts";
import { TunnelError } from "../../../base/tunnel.ts";
import { SshLostError } from "../../../ssh/ends.ts";
import { AgentLeavingError } from "../../ready/agent_leaving.ts";
import type { SshOptions } from "../../grammar/flags_ssh.ts";
import { DEFAULT_SHELL_NAME } from "../../grammar/persist_name.ts";
import { needsStart } from "../../ready/autostart.ts";
import { connect, type Connected, type ConnectOptions } from "../../ready/connect.ts";
import { findWorkspace } from "../../ready/resolve_workspace.ts";
import { parseWorkspaceName } from "../../ready/workspace_name.ts";
import type { Steps } from "../../ready/steps.ts";
import { ExitError } from "../../terminal/errors.ts";
import { runSession, SessionLost, type SessionOptions } from "../ssh_session.ts";
import { BackOff } from "./back_off.ts";
import { LastingInput } from "./lasting_input.ts";
import { ShellKeeper } from "./keeper.ts";

export interface KeptRun {
  readonly connect: ConnectOptions;
  /** What a session needs besides the connection. */
  readonly prepare: (connected: Connected) => Promise<SessionOptions>;
  readonly interrupt: { readonly exitCode: number | undefined };
  readonly options: SshOptions;
}

const LOOK_MS = 3_000;

/**
 * Runs until the shell has ended or was left, or lists the shells there are; the exit code. Throws as `runSession` does for what no
 * other attempt mends.
 */
export async function runPersistent(steps: Steps, kept: KeptRun): Promise<number> {
  if (!kept.options.listPersistent) return await new KeptShellRun(steps, kept).run();
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

class KeptShellRun {
  readonly #steps: Steps;
  readonly #kept: KeptRun;
  readonly #input: LastingInput;
  readonly #backOff: BackOff;
  readonly #keeper: ShellKeeper;
  #workspaceId: string | undefined;
  /** What was said last of why there is no connection. */
  #said = "";
  /** Whether the shell went with its workspace. */
  #isGone = false;

  constructor(steps: Steps, kept: KeptRun) {
    this.#steps = steps;
    this.#kept = kept;
    const { host } = steps;
    this.#input = new LastingInput(host.stdin);
    this.#backOff = new BackOff(host.random);
    const { options: { persist: name }, connect: { command, input } } = kept;
    const named = name === DEFAULT_SHELL_NAME ? "" : `=${name}`;
    const wayBack = `${command} --persist${named} ${input}`;
    const onShell = () => {
      this.#isGone = false;
      this.#said = "";
      this.#backOff.handleConnected(host.clock.now());
    };
    this.#keeper = new ShellKeeper({ name, wayBack, onShell });
  }

  async run(): Promise<number> {
    const { host: { clock } } = this.#steps;
    try {
      for (;;) {
        try {
          return await this.#connect();
        } catch (error) {
          if (this.#keeper.keeper === undefined || !isLoss(error)) throw error;
          this.#tell(error);
        }
        await this.#pause(this.#backOff.handleLost(clock.now()));
      }
    } catch (error) {
      const { exitCode } = this.#kept.interrupt;
      if (exitCode === undefined) throw error;
      const isThere = this.#keeper.keeper !== undefined && !this.#isGone;
      if (isThere) this.#steps.progress.line(this.#keeper.leftWords());
      throw new ExitError(exitCode);
    } finally {
      this.#input.giveBack();
    }
  }

  async #connect(): Promise<number> {
    const steps = this.#steps;
    const { connect: options, prepare } = this.#kept;
    const isAgain = this.#workspaceId !== undefined;
    if (isAgain) await this.#awaitStart();
    // Whoever stopped it has not asked for it to be started: the first time alone it is started.
    await using connected = await connect(
      steps,
      isAgain ? { ...options, disableAutostart: true } : options,
    );
    this.#workspaceId = connected.target.workspace.id;
    const session = await prepare(connected);
    const { options: asked } = session;
    return await runSession(steps, connected, {
      ...session,
      // What was there the first time and is missing now is said, and costs nobody the shell.
      options: isAgain ? { ...asked, isAgentExplicit: false, exitOnForwardFailure: false } : asked,
      lendInput: () => this.#input.lend(),
      keep: (running) => this.#keeper.run(running, connected),
    });
  }

  /** Waits until the workspace runs. One request, without its own retries: those are ours, and are said once. */
  async #awaitStart(): Promise<void> {
    const { client, host: { clock }, progress, signal } = this.#steps;
    const id = this.#workspaceId;
    if (id === undefined) return;
    let isWaiting = false;
    await progress.during("Looking whether the workspace runs", async (wait) => {
      for (;;) {
        const workspace = await getWorkspace(client, id, { signal });
        const { latestBuild } = workspace;
        if (latestBuild.transition === "delete") {
          throw new ExitError(255, `Workspace "${workspace.name}" was deleted`);
        }
        if (!needsStart(workspace) && latestBuild.job.status !== "failed") return;
        if (!isWaiting) {
          const words =
            `Workspace "${workspace.name}" was stopped: waiting until it is started again`;
          progress.line(words);
          wait.now(words);
        }
        isWaiting = true;
        await clock.sleep(LOOK_MS, signal);
      }
    });
  }

  #tell(error: unknown): void {
    const { progress, log } = this.#steps;
    const why = error instanceof SessionLost ? error.message : describe(error);
    log.warn("connection to the kept shell lost", { error: why });
    const [first = "", ...more] = why.split("\n");
    if (error instanceof SessionLost && error.isGone) this.#isGone = true;
    if (first === this.#said) return;
    this.#said = first;
    for (const line of [first, ...more]) progress.line(line);
    if (!(error instanceof SessionLost) || this.#isGone) return;
    const limit = this.#keeper.keeper === "agent"
      ? "The workspace agent keeps the shell for five minutes"
      : `The shell is kept by ${this.#keeper.keeper}`;
    progress.line(`${limit}: connecting again. Enter tries at once, Ctrl-C gives up`);
  }

  /** Until the time is over, or something was typed. Rejects with the signal's reason. */
  async #pause(ms: number): Promise<void> {
    const { host: { clock }, progress, signal } = this.#steps;
    const over = new AbortController();
    const typed = this.#input.watch(() => over.abort());
    const what = `Connecting again in ${Math.max(1, Math.round(ms / 1_000))}s`;
    try {
      await progress.during(what, async () => {
        try {
          await clock.sleep(ms, AbortSignal.any([signal, over.signal]));
        } catch (error) {
          signal.throwIfAborted();
          if (!over.signal.aborted) throw error;
        }
      });
    } finally {
      if (signal.aborted) this.#input.giveBack();
      // It goes on while we connect: what is typed meanwhile is for nobody. A failure of the keyboard is the session's to tell.
      typed.catch(() => {});
    }
  }
}

/** Whether another attempt may do better: the way to the workspace failed, not what we are or may. */
function isLoss(error: unknown): boolean {
  if (error instanceof SessionLost || isRetryable(error)) return true;
  return findCause(error, TunnelError) !== undefined ||
    findCause(error, StreamError) !== undefined ||
    findCause(error, SshLostError) !== undefined ||
    findCause(error, AgentLeavingError) !== undefined;
}
