/**
 * Connection after connection to one shell, until that has ended or the user leaves it. Between them the terminal is as it was, what is
 * waited for is said, Enter tries at once and Ctrl-C leaves.
 */
import { StreamError } from "../../../base/stream.ts";
import { TunnelError } from "../../../base/tunnel.ts";
import { describe, findCause } from "../../../coder/errors.ts";
import { isRetryable } from "../../../coder/retry.ts";
import { getWorkspace } from "../../../coder/workspaces.ts";
import { SshLostError } from "../../../ssh/ends.ts";
import { AgentLeavingError } from "../../ready/agent_leaving.ts";
import { needsStart } from "../../ready/autostart.ts";
import type { Steps } from "../../ready/steps.ts";
import { ExitError } from "../../terminal/errors.ts";
import { SessionLost } from "../session_end.ts";
import { BackOff } from "./back_off.ts";
import { LastingInput } from "./lasting_input.ts";

export interface AgainPlan {
  readonly interrupt: { readonly exitCode: number | undefined };
  /** Makes a connection and runs it to its end; the exit code. What it throws is told, if another connection may do better. */
  readonly connect: (again: Again) => Promise<number>;
  /** Who keeps the shell, as the beginning of a sentence; `undefined` as long as there was none. */
  readonly keptWords: () => string | undefined;
  /** What is said when we go and the shell stays. */
  readonly leftWords: () => string;
}

const LOOK_MS = 3_000;

/** One shell's connections. */
export class Again {
  /** The keyboard, which each connection is lent. */
  readonly input: LastingInput;
  readonly #steps: Steps;
  readonly #plan: AgainPlan;
  readonly #backOff: BackOff;
  #workspaceId: string | undefined;
  /** What was said last of why there is no connection. */
  #said = "";
  /** Whether the shell went with its workspace. */
  #isGone = false;

  constructor(steps: Steps, plan: AgainPlan) {
    this.#steps = steps;
    this.#plan = plan;
    const { host } = steps;
    this.input = new LastingInput(host.stdin);
    this.#backOff = new BackOff(host.random);
  }

  /** Whether the workspace was reached before: then nobody has asked for it to be started again. */
  get isAgain(): boolean {
    return this.#workspaceId !== undefined;
  }

  /** Should be called each time that the shell is there. */
  handleShell(): void {
    this.#isGone = false;
    this.#said = "";
    this.#backOff.handleConnected(this.#steps.host.clock.now());
  }

  /** Should be called each time that the workspace is ready. */
  handleReady(workspaceId: string): void {
    this.#workspaceId = workspaceId;
  }

  async run(): Promise<number> {
    const { host: { clock } } = this.#steps;
    const { connect, interrupt, keptWords, leftWords } = this.#plan;
    try {
      for (;;) {
        try {
          await this.#awaitStart();
          return await connect(this);
        } catch (error) {
          if (keptWords() === undefined || !isLoss(error)) throw error;
          this.#tell(error);
        }
        await this.#pause(this.#backOff.handleLost(clock.now()));
      }
    } catch (error) {
      const { exitCode } = interrupt;
      if (exitCode === undefined) throw error;
      if (keptWords() !== undefined && !this.#isGone) this.#steps.progress.line(leftWords());
      throw new ExitError(exitCode);
    } finally {
      this.input.giveBack();
    }
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
    progress.line(
      `${this.#plan.keptWords()}: connecting again. Enter tries at once, Ctrl-C gives up`,
    );
  }

  /** Until the time is over, or something was typed. Rejects with the signal's reason. */
  async #pause(ms: number): Promise<void> {
    const { host: { clock }, progress, signal } = this.#steps;
    const over = new AbortController();
    const typed = this.input.watch(() => over.abort());
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
      if (signal.aborted) this.input.giveBack();
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
