/** Why there is no tunnel, as an error: data for whoever has better words, and plain ones for everybody else. */
import { ExpectedError, messageOf } from "../base/errors.ts";
import type { AgentLoss, SessionFailure } from "../tailnet/agent_session_events.ts";

/** The agent is not reached. Attempts may go on: `failure` says how it stands. */
export class TunnelError extends ExpectedError {
  override name = "TunnelError";
  readonly failure: SessionFailure | { readonly kind: "closed" };

  constructor(failure: TunnelError["failure"]) {
    super(wordsOf(failure));
    this.failure = failure;
  }
}

/** The tunnel ended by a mistake of this program, its `cause`. */
export class TunnelFault extends Error {
  override name = "TunnelFault";

  constructor(cause: unknown) {
    super(`hawser failed: ${messageOf(cause)}`, { cause });
  }
}

function wordsOf(failure: TunnelError["failure"]): string {
  switch (failure.kind) {
    case "closed":
      return "The connection to the workspace was closed";
    case "noRelay":
      return "The deployment has no relay that a client could use";
    case "relayUnreachable":
      return `Cannot reach the relay "${failure.relay}": ${failure.reason}`;
    case "agentSilent":
      return "The workspace agent does not answer on its relay";
    case "coordinatorUnreachable":
      return `Cannot reach the deployment's network coordinator: ${failure.reason}`;
    case "coordinatorRefused": {
      const { status, reason } = failure;
      return status === undefined
        ? `The network coordinator refused us: ${reason}`
        : `The network coordinator refused us (${status}): ${reason}`;
    }
  }
}

/** One line of what became of the agent, for whoever held a stream to it. */
export function lossWords(loss: AgentLoss): string {
  switch (loss) {
    case "restarted":
      return "The workspace agent was restarted";
    case "disconnected":
      return "The workspace agent disconnected";
    case "gone":
      return "The workspace agent has been gone too long";
  }
}
