/** A tunnel to the agent of a workspace that runs, for commands that look at the way to it. Nothing is started for them. */
import { UserError } from "../../base/errors.ts";
import type { AgentTunnel } from "../../base/tunnel.ts";
import type { ConnectionInfo } from "../../coder/agents.ts";
import { whenReachable } from "../ready/connect.ts";
import { resolveTarget, type Target } from "../ready/resolve_workspace.ts";
import { TunnelBeginning } from "../ready/tunnel_beginning.ts";
import type { Surroundings } from "../workspace/surroundings.ts";

export interface Way {
  readonly target: Target;
  readonly info: ConnectionInfo;
  readonly tunnel: AgentTunnel;
}

export interface WayOptions {
  /** The command's full name, e.g. `hawser ping`. */
  readonly command: string;
  /** The workspace as typed. */
  readonly input: string;
  readonly disablesDirect: boolean;
  /** What people are told while it takes. */
  readonly what: string;
  /** Called when the agent is known, before it is waited for. */
  readonly onTarget?: (target: Target) => Promise<void>;
}

/** Runs `body` once the agent answers. Throws `UserError`, `ApiError`, `StepError`, or the signal's reason. */
export async function withTunnel(
  { configuration, steps }: Surroundings,
  options: WayOptions,
  body: (way: Way) => Promise<number>,
): Promise<number> {
  const { command, input, disablesDirect, what, onTarget } = options;
  steps.host.tunnels.prepare();
  const beginning = new TunnelBeginning(steps, {
    configuration,
    command,
    input,
    disablesDirect,
  });
  try {
    const target = await resolveTarget(steps, { input, disableAutostart: true });
    beginning.begin(target.agent.id);
    await onTarget?.(target);
    const { info, tunnel } = await beginning.begun();
    const { signal } = steps;
    await whenReachable(steps, tunnel, { signal, what, lead: what }, () => Promise.resolve());
    return await body({ target, info, tunnel });
  } finally {
    await beginning.close();
  }
}

/** Throws `UserError` when one flag asks for a direct connection and another forbids it. */
export function refuseBoth(wantsDirect: boolean, disablesDirect: boolean): void {
  if (!wantsDirect || !disablesDirect) return;
  throw new UserError("--direct (-d) is incompatible with --disable-direct-connections", {
    hint: "Leave one of them out; CODER_DISABLE_DIRECT_CONNECTIONS counts as the second",
  });
}
