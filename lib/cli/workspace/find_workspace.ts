/** A workspace as one names it for commands about all of it: `ws`, `owner/ws`, an id. */
import type { Workspace } from "../../coder/workspace_model.ts";
import { findWorkspace } from "../ready/resolve_workspace.ts";
import { inStep, type Steps } from "../ready/steps.ts";
import { parseWorkspaceName } from "../ready/workspace_name.ts";

/** Throws `ApiError` or `UserError`; `step` says what for. An agent behind the name does not matter. */
export async function lookUp(steps: Steps, input: string, step?: string): Promise<Workspace> {
  const name = parseWorkspaceName(input);
  const find = () => findWorkspace(steps, name);
  return step === undefined ? await find() : await inStep(steps.signal, step, find);
}
