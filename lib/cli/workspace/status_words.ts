/** The state of a workspace in a word, as the official command's tables have it. */
import type { Build } from "../../coder/workspace_model.ts";

const SUCCEEDED = new Map([["start", "Started"], ["stop", "Stopped"], ["delete", "Deleted"]]);
const RUNNING = new Map([["start", "Starting"], ["stop", "Stopping"], ["delete", "Deleting"]]);
const OTHERS = new Map([
  ["pending", "Queued"],
  ["canceling", "Canceling"],
  ["canceled", "Canceled"],
  ["failed", "Failed"],
]);

export function statusWord({ job, transition }: Build): string {
  const words = { succeeded: SUCCEEDED, running: RUNNING };
  const { status } = job;
  const word = status === "succeeded" || status === "running"
    ? words[status].get(transition)
    : OTHERS.get(status);
  return word ?? "Unknown";
}
