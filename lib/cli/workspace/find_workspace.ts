/** A workspace as one names it for commands about all of it: `ws`, `owner/ws`, an id. */
import { StepError } from "../../coder/errors.ts";
import type { Workspace } from "../../coder/workspace_model.ts";
import { findWorkspace } from "../ready/resolve_workspace.ts";
import type { Steps } from "../ready/steps.ts";
import { parseWorkspaceName } from "../ready/workspace_name.ts";

/** Throws `ApiError` or `UserError`; `step` says what for. An agent behind the name does not matter. */
export async function lookUp(steps: Steps, input: string, step?: string): Promise<Workspace> {
  const name = parseWorkspaceName(input);
  try {
    return await findWorkspace(steps, name);
  } catch (error) {
    if (steps.signal.aborted || step === undefined) throw error;
    throw new StepError(step, error);
  }
}
