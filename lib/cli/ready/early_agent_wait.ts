/**
 * Waiting for the agent of a server before v0.25, in the words of the command of its time (coder/coder `cli/cliui/agent.go` at
 * v0.24.0, docs/protocol/ssh.md#waiting-for-the-agent): a spinner, and messages instead of stages. Logs are not shown. Deviation:
 * a message stays where it is, and none is drawn over the one before; an agent that shuts down ends every wait.
 */
import type { Instant } from "../../base/core.ts";
import { type Agent, isReady, isShuttingDown } from "../../coder/agent_model.ts";
import { getAgent } from "../../coder/agents.ts";
import { StepError } from "../../coder/errors.ts";
import type { Wait } from "../terminal/progress.ts";
import { AgentLeavingError } from "./agent_leaving.ts";
import { inStep, retrying, type Steps } from "./steps.ts";

const POLL_MS = 500;
/** What is normal is told only to those who have waited for so long. */
const PATIENCE_MS = 30_000;
const COLUMNS = 56;
const FIRST_INDENT = " > ";
const INDENT = "   ";

export interface EarlyAgentWaitOptions {
  readonly agentId: string;
  /** Scripts are waited for where the template says that they block the login, unless this is `no`. */
  readonly wait: "yes" | "no" | "auto";
}

/** Waits until the agent can be connected to; the agent as last seen. Throws `StepError`. */
export async function waitForEarlyAgent(
  steps: Steps,
  options: EarlyAgentWaitOptions,
): Promise<Agent> {
  return await steps.progress.during(
    "Asking for the state of the workspace agent",
    (wait) => new EarlyWaiter(steps, options, wait).run(),
  );
}

class EarlyWaiter {
  readonly #steps: Steps;
  readonly #options: EarlyAgentWaitOptions;
  readonly #wait: Wait;
  readonly #startedAt: Instant;
  #told: string | undefined;

  constructor(steps: Steps, options: EarlyAgentWaitOptions, wait: Wait) {
    this.#steps = steps;
    this.#options = options;
    this.#wait = wait;
    this.#startedAt = steps.host.clock.now();
  }

  async run(): Promise<Agent> {
    const { host, signal } = this.#steps;
    let agent = await this.#fetch();
    if (agent.status === "connected" && !isShuttingDown(agent.lifecycle)) {
      if (!agent.startBlocksLogin || isReady(agent.lifecycle)) return agent;
      if (!this.#waitsForScripts(agent)) {
        this.#tell(agent);
        return agent;
      }
    }
    while (!this.#isEnough(agent)) {
      this.#wait.now(waitWords(agent));
      if (this.#isWorthTelling(agent)) this.#tell(agent);
      await host.clock.sleep(POLL_MS, signal);
      agent = await this.#fetch();
    }
    return agent;
  }

  /** Throws when the agent is going away. */
  #isEnough(agent: Agent): boolean {
    if (isShuttingDown(agent.lifecycle)) {
      this.#tell(agent);
      throw new StepError(
        "await agent",
        new AgentLeavingError("Wait until the workspace has stopped, then start it"),
      );
    }
    if (agent.status !== "connected") return false;
    if (!this.#waitsForScripts(agent) || isReady(agent.lifecycle)) return true;
    if (agent.lifecycle !== "start_error") return false;
    this.#tell(agent); // whoever logs in may mend it
    return true;
  }

  #isWorthTelling(agent: Agent): boolean {
    const isNormal = agent.status === "connected"
      ? agent.lifecycle !== "start_timeout"
      : agent.status !== "timeout" && agent.status !== "disconnected";
    return !isNormal || this.#steps.host.clock.now() - this.#startedAt >= PATIENCE_MS;
  }

  #waitsForScripts(agent: Agent): boolean {
    return agent.startBlocksLogin && this.#options.wait !== "no";
  }

  #tell(agent: Agent): void {
    const text = message(agent, { waits: this.#waitsForScripts(agent) });
    if (text === this.#told) return;
    this.#told = text;
    const { progress } = this.#steps;
    progress.line("");
    for (const [at, line] of wrap(text, COLUMNS).entries()) {
      progress.line((at === 0 ? FIRST_INDENT : INDENT) + line);
    }
    progress.line("");
  }

  async #fetch(): Promise<Agent> {
    const { client, signal } = this.#steps;
    const { agentId } = this.#options;
    const fetch = () => retrying(this.#steps, () => getAgent(client, agentId, { signal }));
    return await inStep(signal, "await agent", () => inStep(signal, "fetch", fetch));
  }
}

function waitWords({ status, name }: Agent): string {
  return status === "connected"
    ? `Waiting for ${name} to become ready...`
    : `Waiting for connection from ${name}...`;
}

function message(agent: Agent, { waits }: { readonly waits: boolean }): string {
  const { troubleshootingUrl: url } = agent;
  const help = url === ""
    ? " Wait for it to (re)connect or restart your workspace."
    : ` See troubleshooting instructions at:\n${url}`;
  switch (agent.lifecycle) {
    case "shutdown_timeout":
      return "The workspace is shutting down, but is taking longer than expected to shut down " +
        `and the agent shutdown script is still executing.${help}`;
    case "shutdown_error":
      return "The workspace ran into a problem while shutting down, the agent shutdown script " +
        `exited with non-zero status.${help}`;
    case "shutting_down":
      return "The workspace is shutting down.";
    case "off":
      return "The workspace is not running.";
  }
  switch (agent.status) {
    case "timeout":
      return `The workspace agent is having trouble connecting.${help}`;
    case "disconnected":
      return `The workspace agent lost connection!${help}`;
    case "connected":
      break;
    default:
      return "Don't panic, your workspace is booting up!";
  }
  switch (agent.lifecycle) {
    case "start_timeout":
      return "The workspace is taking longer than expected to get ready, the agent startup " +
        `script is still executing.${help}`;
    case "start_error":
      return "The workspace ran into a problem while getting ready, the agent startup script " +
        `exited with non-zero status.${help}`;
    default:
      return waits
        ? "Don't panic, your workspace agent has connected and the workspace is getting ready!"
        : "Your workspace is still getting ready, it may be in an incomplete state.";
  }
}

/** Lines of at most `columns` characters, broken at spaces; a longer word has a line of its own. */
function wrap(text: string, columns: number): string[] {
  const lines: string[] = [];
  for (const paragraph of text.split("\n")) {
    let line = "";
    for (const word of paragraph.split(" ")) {
      if (line !== "" && line.length + 1 + word.length > columns) {
        lines.push(line);
        line = word;
      } else line = line === "" ? word : `${line} ${word}`;
    }
    lines.push(line);
  }
  return lines;
}
