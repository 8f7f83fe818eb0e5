/** Whether a shell whose session could not begin is to go through the deployment's web terminal, and what is said of that. */
import { TunnelError } from "../../../base/tunnel.ts";
import { findCause } from "../../../coder/errors.ts";
import type { SshOptions } from "../../grammar/flags_ssh.ts";
import type { Progress } from "../../terminal/progress.ts";
import { isShell, unmetNeeds, type WebTerminalSituation } from "./check.ts";

export interface InsteadOptions extends WebTerminalSituation {
  readonly options: SshOptions;
  readonly progress: Progress;
}

/**
 * Whether it is: the workspace network was not reached, and a shell is all that was asked for. What a network says that was reached, as
 * that it does not want us, is nobody's to go around.
 */
export function goesInstead(error: unknown, plan: InsteadOptions): boolean {
  const { options, progress } = plan;
  const failure = findCause(error, TunnelError);
  switch (failure?.failure.kind) {
    case "noRelay":
    case "relayUnreachable":
    case "coordinatorUnreachable":
      break;
    default:
      return false;
  }
  if (options.webTerminal === "no" || !isShell(options, plan)) return false;
  const need = unmetNeeds(options);
  if (need !== undefined) {
    progress.line(`The deployment's web terminal could carry this shell, but not ${need}`);
    return false;
  }
  progress.line(failure?.message ?? "");
  progress.line(
    "The workspace network cannot be reached from here, so this shell goes through the deployment's web terminal",
  );
  return true;
}
