/**
 * An agent that is reached through the deployment alone: when that has lost it, nothing tells the session, and when it is back the old
 * way to it leads nowhere. So its return ends the session, for another way to be made.
 */
import { untilAborted } from "../../base/abort.ts";
import type { Workspace } from "../../coder/workspace_model.ts";

export interface AgentReturnOptions {
  readonly agentId: string;
  /** Prints a line for the user. */
  readonly say: (line: string) => void;
  /** Ends the watch. */
  readonly signal: AbortSignal;
}

export class AgentReturn {
  readonly #options: AgentReturnOptions;
  readonly #returned = Promise.withResolvers<"back">();
  #isGone = false;

  constructor(options: AgentReturnOptions) {
    this.#options = options;
  }

  /** Should be called with every state of the workspace that is seen. */
  readonly onWorkspace = ({ latestBuild }: Workspace): void => {
    const { agentId, say } = this.#options;
    const agent = latestBuild.agents.find(({ id }) => id === agentId);
    if (agent?.status === "disconnected" && !this.#isGone) {
      this.#isGone = true;
      say("The deployment has lost the workspace agent: waiting for it");
    } else if (agent?.status === "connected" && this.#isGone) {
      this.#returned.resolve("back");
    }
  };

  /** Resolves when the agent was lost and is back. Rejects only with the signal's reason. */
  async run(): Promise<"back"> {
    return await untilAborted(this.#returned.promise, this.#options.signal);
  }
}
