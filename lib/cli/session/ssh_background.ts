/**
 * What runs beside a session: the watch that ends it when the workspace stops (docs/protocol/ssh.md#watching-the-workspace) or its agent is gone, the usage
 * heartbeat (#usage-heartbeat), the autostop notice (#autostop-notice) and the network file of editors (#network-information-file). None of them delays the session.
 */
import { ExpectedError } from "../../base/errors.ts";
import { describe } from "../../coder/errors.ts";
import { watchWorkspace } from "../../coder/watch_loop.ts";
import type { WatchEnd } from "../../coder/watch.ts";
import type { AgentTunnel } from "../../base/tunnel.ts";
import { AgentReturn } from "./agent_return.ts";
import { AgentWatch } from "./agent_watch.ts";
import { AutostopWatch } from "./autostop/watch.ts";
import type { Connected } from "../ready/connect.ts";
import type { SshOptions } from "../grammar/flags_ssh.ts";
import { reportNetwork, writeCoderConnectInfo } from "./network_info.ts";
import type { Steps } from "../ready/steps.ts";
import { runUsageHeartbeat, usageAppOf } from "./usage.ts";

export interface BackgroundOptions {
  readonly options: SshOptions;
  /** What carries the session; Coder Connect's own side watches the workspace. */
  readonly via: "tunnel" | "coder-connect" | "web-terminal";
}

export interface Background extends AsyncDisposable {
  /** Aborted when the session is to end; the reason is a `SessionEnded`. */
  readonly ended: AbortSignal;
  /**
   * Asked when the agent is gone: why the session was to end anyway, waiting a moment for it. A workspace that stops takes
   * its agent with it, often before the deployment tells us.
   */
  whyLost(): Promise<SessionEnded | undefined>;
}

/** Why a session is ended from outside, in one line. */
export class SessionEnded extends ExpectedError {
  override name = "SessionEnded";
  /** Whether the way to the workspace was lost, rather than the workspace stopped. */
  readonly isLost: boolean;

  constructor(message: string, options: { readonly isLost?: boolean } = {}) {
    super(message);
    this.isLost = options.isLost ?? false;
  }
}

/** The watch tells of a stop within this time of the agent's leaving. */
const WHY_LOST_MS = 1_000;

const WORDS: Readonly<Record<WatchEnd, string>> = {
  stopped: 'Workspace "%" was stopped',
  rebuilt: 'Workspace "%" was started anew, this session belonged to its former build',
  deleted: 'Workspace "%" was deleted',
};

/** What to say of an agent that left while such a build was under way. */
const UNDER_WAY: Readonly<Record<string, string>> = {
  stop: 'Workspace "%" is being stopped',
  delete: 'Workspace "%" is being deleted',
};

/** Starts everything; disposing it stops everything and waits until nothing runs. */
export async function startBackground(
  steps: Steps,
  { target, tunnel }: Pick<Connected, "target"> & Partial<Pick<Connected, "tunnel">>,
  { options, via }: BackgroundOptions,
): Promise<Background> {
  const { host, client, log, progress } = steps;
  const { workspace, build, agent } = target;
  const scope = new AbortController();
  const ended = new AbortController();
  const { signal } = scope;
  // Aborted with what to say when a build begins that will take the agent away.
  const leaving = new AbortController();
  const end = (why: string, options?: { readonly isLost: boolean }) =>
    ended.abort(new SessionEnded(why, options));
  const autostop = new AutostopWatch(steps, {
    workspaceId: workspace.id,
    pollIntervalMs: options.workspacePollIntervalMs,
    signal,
  });
  const usage = runUsageHeartbeat(steps, {
    workspaceId: workspace.id,
    agentId: agent.id,
    app: usageAppOf(options.usageApp, via),
    signal,
  });
  const say = (line: string) => progress.line(line);
  const agentWatch = tunnel === undefined
    ? new AgentReturn({ agentId: agent.id, say, signal })
    : new AgentWatch({
      agentId: agent.id,
      ping: () => tunnel.ping(),
      clock: host.clock,
      say,
      signal,
    });
  const watchAgent = async () => {
    const words = await agentWatch.run() === "gone"
      ? "The workspace agent has been gone for a minute"
      : "The workspace agent is back";
    end(words, { isLost: true });
  };
  const watch = async () => {
    const how = await watchWorkspace(client, {
      workspaceId: workspace.id,
      buildId: build.id,
      clock: host.clock,
      sleep: (ms, stop) => host.clock.sleep(ms, stop),
      random: host.random,
      onWorkspace: (latest) => {
        const words = UNDER_WAY[latest.latestBuild.transition];
        if (words !== undefined) {
          leaving.abort(new SessionEnded(words.replace("%", workspace.name)));
        }
        autostop.onWorkspace(latest);
        agentWatch.onWorkspace(latest);
      },
      log: log.child("watch"),
      signal,
    });
    log.info(how === "rebuilt" ? "new build started" : `workspace ${how}`);
    end(WORDS[how].replace("%", workspace.name));
  };
  const network = async (dir: string, source: AgentTunnel) => {
    await reportNetwork(host, {
      dir,
      intervalMs: options.networkInfoIntervalMs,
      source,
      log: log.child("network"),
      signal,
    });
    end("The workspace agent has not answered for a minute", { isLost: true });
  };
  const dir = options.networkInfoDir;
  if (dir !== "" && via === "coder-connect") await writeCoderConnectInfo(host, { dir, log });
  const tasks: (readonly [string, Promise<void>])[] = [["autostop", autostop.ended], [
    "usage",
    usage,
  ]];
  if (via !== "coder-connect") {
    tasks.push(["watch", watch()], ["agent", watchAgent()]);
    if (dir !== "" && tunnel !== undefined) tasks.push(["network", network(dir, tunnel)]);
  }
  const all = Promise.all(tasks.map(([name, task]) =>
    task.catch((error) => {
      if (!signal.aborted) log.error("background task failed", { name, error: describe(error) });
    })
  ));
  return {
    ended: ended.signal,
    async whyLost() {
      const known = AbortSignal.any([ended.signal, leaving.signal, signal, steps.signal]);
      if (via !== "coder-connect") await host.clock.sleep(WHY_LOST_MS, known).catch(ignoreAbort);
      const { reason } = ended.signal.aborted ? ended.signal : leaving.signal;
      return reason instanceof SessionEnded ? reason : undefined;
    },
    async [Symbol.asyncDispose]() {
      scope.abort();
      await all;
    },
  };
}

/** The wait was cut short, which is all that matters. */
function ignoreAbort(error: unknown): void {
  if (error instanceof SessionEnded || error instanceof DOMException) return;
  throw error;
}
