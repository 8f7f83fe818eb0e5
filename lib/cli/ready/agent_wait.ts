/**
 * Waiting for the workspace's agent and its start-up scripts (docs/protocol/ssh.md#waiting-for-the-agent), in the official command's words.
 * The log of the scripts is `agent_logs.ts`. Old servers: `--wait=auto` reads what they have (docs/protocol/ssh.md#wait).
 */
import { isEarly } from "../../base/version.ts";
import type { Instant } from "../../base/core.ts";
import { type Agent, isReady, isShuttingDown, isStarting } from "../../coder/agent_model.ts";
import { getAgent } from "../../coder/agents.ts";
import { AgentLeavingError } from "./agent_leaving.ts";
import { AgentLogFollower } from "./agent_logs.ts";
import type { Wait } from "../terminal/progress.ts";
import { inStep, retrying, type Steps } from "./steps.ts";

export interface AgentWaitOptions {
  readonly agentId: string;
  /** As it was seen a moment ago: one that is ready is not asked for again. @default not seen yet */
  readonly last?: Agent;
  /** Whether to wait for the start-up scripts. @default asked of the template, as `--wait=auto` */
  readonly wait: "yes" | "no" | "auto";
  /** Where the documentation is, without slash at the end. */
  readonly docsUrl: string;
}

const CONNECT_STAGE = "Waiting for the workspace agent to connect";
const LOST_STAGE = "The workspace agent lost connection";
const SCRIPTS_STAGE = "Running workspace agent startup scripts";
const HURRY_HINT = "To connect immediately, reconnect with --wait=no or CODER_SSH_WAIT=no, " +
  "see --help for more information.";

/** How long to wait between looks after `elapsedMs` of waiting (docs/protocol/ssh.md#waiting-for-the-agent). */
export function pollIntervalMs(elapsedMs: number): number {
  if (elapsedMs < 60_000) return 500;
  if (elapsedMs < 120_000) return 1_000;
  if (elapsedMs < 300_000) return 2_000;
  if (elapsedMs < 600_000) return 4_000;
  return 8_000;
}

/** Waits until the agent can be connected to; the agent as last seen. Throws `UserError` when it is going away. */
export async function waitForAgent(steps: Steps, options: AgentWaitOptions): Promise<Agent> {
  if (isEarly(steps.client.serverVersion)) {
    const { waitForEarlyAgent } = await import("./early_agent_wait.ts");
    return await waitForEarlyAgent(steps, options);
  }
  return await steps.progress.during(
    "Asking for the state of the workspace agent",
    (wait) => new AgentWaiter(steps, options, wait).run(),
  );
}

class AgentWaiter {
  readonly #steps: Steps;
  readonly #options: AgentWaitOptions;
  readonly #wait: Wait;
  readonly #startedAt: Instant;
  readonly #logs: AgentLogFollower;
  #hasWaited = false;

  constructor(steps: Steps, options: AgentWaitOptions, wait: Wait) {
    this.#steps = steps;
    this.#options = options;
    this.#wait = wait;
    this.#startedAt = steps.host.clock.now();
    this.#logs = new AgentLogFollower(steps, options.agentId);
  }

  async run(): Promise<Agent> {
    const { last } = this.#options;
    const isEnough = last?.status === "connected" && isReady(last.lifecycle);
    let agent = isEnough ? last : await this.#fetch();
    for (;;) {
      this.#checkAlive(agent);
      switch (agent.status) {
        case "connected":
          if (!this.#hasWaited && isReady(agent.lifecycle)) return agent;
          agent = await this.#runScripts(agent);
          if (agent.status === "connected") return agent;
          break;
        case "disconnected":
          agent = await this.#awaitReturn(agent);
          break;
        default: // connecting, timeout, and words of newer servers: not ready, not gone
          agent = await this.#awaitFirstContact(agent);
      }
    }
  }

  async #awaitFirstContact(first: Agent): Promise<Agent> {
    const { stages } = this.#steps;
    this.#hasWaited = true;
    this.#wait.now(CONNECT_STAGE);
    stages.start(CONNECT_STAGE);
    let agent = first;
    let hasWarned = false;
    while (agent.status !== "connected" && agent.status !== "disconnected") {
      if (agent.status === "timeout" && !hasWarned) {
        hasWarned = true;
        stages.notice(
          "The workspace agent is having trouble connecting, wait for it to connect or restart " +
            "your workspace.",
        );
        stages.notice(this.#moreAbout("agent-connection-issues", agent));
      }
      agent = await this.#next();
    }
    this.#end(CONNECT_STAGE, "done", { from: agent.createdAtMs, to: agent.firstConnectedAtMs });
    return agent;
  }

  async #awaitReturn(first: Agent): Promise<Agent> {
    const { stages } = this.#steps;
    // An agent that was ready before it was lost has no scripts worth a stage when it is back.
    this.#hasWaited = isStarting(first.lifecycle);
    this.#wait.now(LOST_STAGE);
    stages.start(LOST_STAGE);
    stages.notice("Wait for it to reconnect or restart your workspace.", "warn");
    stages.notice(this.#moreAbout("agent-connection-issues", first), "warn");
    let agent = first;
    while (agent.status === "disconnected") agent = await this.#next();
    this.#end(LOST_STAGE, "done", { from: first.disconnectedAtMs, to: agent.lastConnectedAtMs });
    return agent;
  }

  /** The start-up script stage. Comes back early, without a word, when the agent loses its connection meanwhile. */
  async #runScripts(first: Agent): Promise<Agent> {
    const { stages } = this.#steps;
    const wait = this.#shouldWait(first);
    const follow = wait && isStarting(first.lifecycle);
    const stage = follow ? SCRIPTS_STAGE : `${SCRIPTS_STAGE} (non-blocking)`;
    this.#wait.now(stage);
    stages.start(stage);
    if (follow) stages.info(HURRY_HINT);
    let agent = first;
    if (follow) {
      this.#logs.start(first.logSources);
      try {
        while (isStarting(agent.lifecycle) && agent.status === "connected") {
          agent = await this.#next({ stage });
        }
      } finally {
        await this.#logs.stop();
      }
      if (agent.status !== "connected") {
        this.#hasWaited = true;
        return agent;
      }
    }
    if (wait) await this.#logs.printRest(agent.logSources);
    this.#reportScripts(stage, agent);
    return agent;
  }

  #reportScripts(stage: string, agent: Agent): void {
    const { stages } = this.#steps;
    const span = { from: agent.startedAtMs, to: agent.readyAtMs };
    const say = (text: string, level: string) => stages.log(text, { atMs: undefined, level });
    switch (agent.lifecycle) {
      case "start_timeout":
        // Old servers do not say when.
        if (span.to === undefined) stages.end(stage, { end: "failed", durationMs: 0 });
        else this.#end(stage, "failed", span);
        say(
          "Warning: A startup script timed out and your workspace may be incomplete.",
          "warn",
        );
        break;
      case "start_error":
        this.#end(stage, "failed", span);
        say(
          "Warning: A startup script exited with an error and your workspace may be incomplete.",
          "warn",
        );
        say(this.#moreAbout("startup-script-exited-with-an-error", agent), "warn");
        break;
      case "created":
      case "starting":
        say(
          "Notice: The startup scripts are still running and your workspace may be incomplete.",
          "warn",
        );
        say(this.#moreAbout("your-workspace-may-be-incomplete", agent), "warn");
        break;
      default:
        this.#end(stage, "done", span);
    }
  }

  #shouldWait(agent: Agent): boolean {
    const { wait } = this.#options;
    return wait === "auto" ? agent.startBlocksLogin : wait === "yes";
  }

  #checkAlive(agent: Agent): void {
    if (!isShuttingDown(agent.lifecycle)) return;
    throw new AgentLeavingError(
      "Wait until the workspace has stopped, then connect again to start it",
    );
  }

  /** The agent after the next pause. Throws when it began to shut down. */
  async #next(scripts?: { readonly stage: string }): Promise<Agent> {
    const { host, signal } = this.#steps;
    const elapsedMs = host.clock.now() - this.#startedAt;
    await host.clock.sleep(pollIntervalMs(elapsedMs), signal);
    const agent = await this.#fetch();
    if (isShuttingDown(agent.lifecycle) && scripts !== undefined) {
      this.#end(scripts.stage, "done", { from: agent.startedAtMs, to: agent.readyAtMs });
    }
    this.#checkAlive(agent);
    return agent;
  }

  async #fetch(): Promise<Agent> {
    const { client, signal } = this.#steps;
    const { agentId } = this.#options;
    const fetch = () => retrying(this.#steps, () => getAgent(client, agentId, { signal }));
    return await inStep(signal, "fetch", () => inStep(signal, "fetch workspace agent", fetch));
  }

  #moreAbout(anchor: string, agent: Agent): string {
    const { docsUrl } = this.#options;
    const own = agent.troubleshootingUrl === "" ? "" : ` and ${agent.troubleshootingUrl}`;
    return "For more information and troubleshooting, see " +
      `${docsUrl}/admin/templates/troubleshooting#${anchor}${own}`;
  }

  #end(
    stage: string,
    end: "done" | "failed",
    span: { readonly from: number | undefined; readonly to: number | undefined },
  ): void {
    const { stages } = this.#steps;
    const { from, to } = span;
    if (from === undefined || to === undefined) {
      stages.notice("Warning: Failed to calculate duration from a time being <nil>.", "warn");
    }
    const durationMs = from === undefined || to === undefined ? 0 : to - from;
    stages.end(stage, { end, durationMs });
  }
}
