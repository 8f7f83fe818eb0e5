/** The agent is going away, with its workspace or to come back as another. */
import { UserError } from "../../base/errors.ts";

export class AgentLeavingError extends UserError {
  override name = "AgentLeavingError";

  constructor(hint: string) {
    super("agent is shutting down", { hint });
  }
}
