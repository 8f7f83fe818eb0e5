/** What became of an agent, in words for whoever held a stream to it. */
import type { AgentLoss } from "../tailnet/agent_session_events.ts";

/** One line. */
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
