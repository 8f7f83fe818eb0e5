/**
 * Telling the deployment that the workspace is in use, so that it is not stopped under a session (docs/protocol/ssh.md#usage-heartbeat).
 * Failures are logged and nothing more: the agent's own statistics tell the same story more coarsely.
 */
import { ExpectedError } from "../../base/errors.ts";
import { describe } from "../../coder/errors.ts";
import { postUsage, type UsageOptions } from "../../coder/workspaces.ts";
import type { Steps } from "../ready/steps.ts";

const INTERVAL_MS = 60_000;

export type UsageApp = NonNullable<UsageOptions["appName"]>;

/** What `--usage-app` stands for: unknown words count as `ssh`, or as what the session goes by; `disable` as nothing at all. */
export function usageAppOf(text: string, via?: string): UsageApp | undefined {
  switch (text.toLowerCase()) {
    case "disable":
      return undefined;
    case "vscode":
      return "vscode";
    case "jetbrains":
      return "jetbrains";
    default:
      return via === "web-terminal" ? "reconnecting-pty" : "ssh";
  }
}

export interface HeartbeatOptions {
  readonly workspaceId: string;
  readonly agentId: string;
  /** `undefined`: nothing is sent; `unnamed`: that something uses the workspace. */
  readonly app: UsageApp | "unnamed" | undefined;
  /** Ends the heartbeat. */
  readonly signal: AbortSignal;
}

/** Posts at once and each minute until the signal aborts; then it resolves. Run it beside the session. */
export async function runUsageHeartbeat(steps: Steps, options: HeartbeatOptions): Promise<void> {
  const { client, host, log } = steps;
  const { workspaceId, agentId, app, signal } = options;
  if (app === undefined) return;
  const appName = app === "unnamed" ? undefined : app;
  while (!signal.aborted) {
    try {
      await postUsage(client, workspaceId, { agentId, appName, signal });
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof ExpectedError)) throw error;
      log.warn("failed to post usage", { error: describe(error) });
    }
    try {
      await host.clock.sleep(INTERVAL_MS, signal);
    } catch (error) {
      if (signal.aborted) return;
      throw error;
    }
  }
}
