/**
 * The way into a workspace for as long as forwards are wanted: over restarts of the workspace, which bring another agent. Meanwhile
 * connections are refused with the reason.
 */
import type { DatagramFlow } from "../../../base/datagrams.ts";
import { UserError } from "../../../base/errors.ts";
import { watchWorkspace } from "../../../coder/watch_loop.ts";
import { getWorkspace } from "../../../coder/workspaces.ts";
import type { FarSide } from "../../../ssh/far_side.ts";
import { needsStart } from "../../ready/autostart.ts";
import {
  connect,
  type Connected,
  type ConnectOptions,
  whenReachable,
} from "../../ready/connect.ts";
import { retrying, type Steps } from "../../ready/steps.ts";
import { runUsageHeartbeat } from "../usage.ts";

/** How often to look whether a workspace was started again. */
const LOOK_MS = 3_000;
/** What ends is ended by then, or never. */
const GOODBYE_MS = 500;

export class WorkspaceLink implements AsyncDisposable {
  readonly #steps: Steps;
  readonly #options: ConnectOptions;
  #connected: Connected;

  private constructor(steps: Steps, options: ConnectOptions, connected: Connected) {
    this.#steps = steps;
    this.#options = options;
    this.#connected = connected;
  }

  /** Connects, starting the workspace if need be. */
  static async open(steps: Steps, options: ConnectOptions): Promise<WorkspaceLink> {
    return new WorkspaceLink(steps, options, await connect(steps, options));
  }

  /** The agent at the moment. */
  get agentId(): string {
    return this.#connected.agent.id;
  }

  /** Resolves when the agent answers. */
  async reachable(): Promise<void> {
    const { signal } = this.#steps;
    await whenReachable(this.#steps, this.#connected.tunnel, { signal }, () => Promise.resolve());
  }

  /** A flow of datagrams to a port of the agent at the moment. */
  async openUdp(port: number, signal: AbortSignal): Promise<DatagramFlow> {
    const both = AbortSignal.any([signal, this.#steps.signal]);
    return await this.#connected.tunnel.openUdp(port, both);
  }

  /** Whatever the agent at the moment can reach on its own machine. */
  get farSide(): FarSide {
    const { host: { clock }, signal } = this.#steps;
    return {
      open: async (target) => {
        if (target.kind !== "tcp") throw new TypeError("A tunnel carries TCP alone");
        return await this.#connected.tunnel.openTcp(target.port, signal);
      },
      waitToClose: async (work) => {
        const done = new AbortController();
        const limit = clock.sleep(GOODBYE_MS, done.signal).catch((error) => {
          if (!done.signal.aborted) throw error;
        });
        await Promise.race([work, limit]);
        done.abort();
        await limit;
      },
    };
  }

  /** Follows the workspace until it is deleted, which it throws, or the signal aborts. */
  async follow(): Promise<void> {
    const { host, client, log, progress, signal } = this.#steps;
    for (;;) {
      const { workspace, build, agent } = this.#connected.target;
      const scope = new AbortController();
      const both = AbortSignal.any([signal, scope.signal]);
      const usage = runUsageHeartbeat(this.#steps, {
        workspaceId: workspace.id,
        agentId: agent.id,
        app: "unnamed",
        signal: both,
      });
      try {
        const how = await watchWorkspace(client, {
          workspaceId: workspace.id,
          buildId: build.id,
          clock: host.clock,
          sleep: (ms, stop) => host.clock.sleep(ms, stop),
          random: host.random,
          log: log.child("watch"),
          signal,
        });
        if (how === "deleted") throw new UserError(`workspace "${workspace.name}" was deleted`);
        progress.line(
          how === "stopped"
            ? `Workspace "${workspace.name}" was stopped: waiting until it is started again`
            : `Workspace "${workspace.name}" was started anew: connecting to it again`,
        );
      } finally {
        scope.abort();
        await usage;
      }
      await this.#started(workspace.id);
      const next = await connect(this.#steps, { ...this.#options, disableAutostart: true });
      const last = this.#connected;
      this.#connected = next;
      await last[Symbol.asyncDispose]();
      await this.reachable();
      progress.line("Ready!");
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connected[Symbol.asyncDispose]();
  }

  async #started(workspaceId: string): Promise<void> {
    const { client, host, signal } = this.#steps;
    for (;;) {
      const workspace = await retrying(
        this.#steps,
        () => getWorkspace(client, workspaceId, { signal }),
      );
      const isEnding = workspace.latestBuild.job.status === "failed";
      if (!needsStart(workspace) && !isEnding) return;
      await host.clock.sleep(LOOK_MS, signal);
    }
  }
}
