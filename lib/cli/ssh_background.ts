/**
 * What runs beside a session: the watch that ends it when the workspace stops (behaviour §1.8), the usage heartbeat (§2.6)
 * and the autostop notice (§1.7). None of them delays the session, and no failure of theirs ends it.
 */
import { describe } from "../coder/errors.ts";
import { watchWorkspace } from "../coder/watch_loop.ts";
import type { WatchEnd } from "../coder/watch.ts";
import { AutostopWatch } from "./autostop/watch.ts";
import type { Connected } from "./connect.ts";
import type { SshOptions } from "./flags_ssh.ts";
import type { Steps } from "./steps.ts";
import { runUsageHeartbeat, usageAppOf } from "./usage.ts";

export interface Background extends AsyncDisposable {
  /** Aborted when the workspace was stopped, rebuilt or deleted; the reason is a `WorkspaceEnded`. */
  readonly ended: AbortSignal;
}

/** Why a session is ended from outside. */
export class WorkspaceEnded extends Error {
  override name = "WorkspaceEnded";
  readonly end: WatchEnd;

  constructor(workspace: string, end: WatchEnd) {
    super(WORDS[end].replace("%", workspace));
    this.end = end;
  }
}

const WORDS: Readonly<Record<WatchEnd, string>> = {
  stopped: 'Workspace "%" was stopped',
  rebuilt: 'Workspace "%" was started anew, this session belonged to its former build',
  deleted: 'Workspace "%" was deleted',
};

/** Starts everything; disposing it stops everything and waits until nothing runs. */
export function startBackground(
  steps: Steps,
  connected: Connected,
  options: SshOptions,
): Background {
  const { host, client, log } = steps;
  const { workspace, build } = connected.target;
  const scope = new AbortController();
  const ended = new AbortController();
  const { signal } = scope;
  const autostop = new AutostopWatch(steps, {
    workspaceId: workspace.id,
    pollIntervalMs: options.workspacePollIntervalMs,
    signal,
  });
  const watch = watchWorkspace(client, {
    workspaceId: workspace.id,
    buildId: build.id,
    clock: host.clock,
    sleep: (ms, stop) => host.clock.sleep(ms, stop),
    random: host.random,
    onWorkspace: autostop.onWorkspace,
    log: log.child("watch"),
    signal,
  }).then((end) => {
    log.info(end === "rebuilt" ? "new build started" : `workspace ${end}`);
    ended.abort(new WorkspaceEnded(workspace.name, end));
  });
  const usage = runUsageHeartbeat(steps, {
    workspaceId: workspace.id,
    agentId: connected.target.agent.id,
    app: usageAppOf(options.usageApp),
    signal,
  });
  const tasks = [
    ["watch", watch],
    ["usage", usage],
    ["autostop", autostop.ended],
  ] as const;
  const all = Promise.all(tasks.map(([name, task]) =>
    task.catch((error) => {
      if (!signal.aborted) log.error("background task failed", { name, error: describe(error) });
    })
  ));
  return {
    ended: ended.signal,
    async [Symbol.asyncDispose]() {
      scope.abort();
      await all;
    },
  };
}
