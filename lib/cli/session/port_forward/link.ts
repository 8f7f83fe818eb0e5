/**
 * The way into a workspace for as long as forwards are wanted: over restarts of the workspace, which bring another agent. While it is
 * stopped connections are refused with the reason; otherwise they wait for the agent, which is said, and no longer than people do.
 */
import { untilAborted } from "../../../base/abort.ts";
import type { DatagramFlow } from "../../../base/datagrams.ts";
import { formatElapsed } from "../../../base/duration.ts";
import { ExpectedError, UserError } from "../../../base/errors.ts";
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
import { waitWords } from "../../ready/tunnel_words.ts";
import { sayingSilences } from "../silence_wait.ts";
import { runUsageHeartbeat } from "../usage.ts";

/** How often to look whether a workspace was started again. */
const LOOK_MS = 3_000;
/** So long a connection waits for an agent that does not answer; after so long it is said that it does. */
const PATIENCE_MS = 30_000;
const SAY_WAITING_MS = 3_000;
/** What ends is ended by then, or never. */
const GOODBYE_MS = 500;

export class WorkspaceLink implements AsyncDisposable {
  readonly #steps: Steps;
  readonly #options: ConnectOptions;
  #connected: Connected;
  /** The next one, while it is being made. */
  #next: PromiseWithResolvers<Connected> | undefined;
  /** Why there will be none until somebody does something about it. */
  #refusal: string | undefined;
  /** What was said last of what connections wait for. */
  #said = "";

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
    return await this.#open(({ tunnel }, stop) => tunnel.openUdp(port, stop), signal);
  }

  /** Whatever the agent at the moment can reach on its own machine. */
  get farSide(): FarSide {
    const { host: { clock } } = this.#steps;
    return {
      open: async (target) => {
        if (target.kind !== "tcp") throw new TypeError("A tunnel carries TCP alone");
        return await this.#open(({ tunnel }, stop) => tunnel.openTcp(target.port, stop));
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
      const { tunnel, target: { workspace, build, agent } } = this.#connected;
      const scope = new AbortController();
      const both = AbortSignal.any([signal, scope.signal]);
      const usage = runUsageHeartbeat(this.#steps, {
        workspaceId: workspace.id,
        agentId: agent.id,
        app: "unnamed",
        signal: both,
      });
      const saying = sayingSilences(this.#steps, { tunnel, workspace: workspace.name });
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
        this.#next ??= Promise.withResolvers();
        if (how === "stopped") this.#refusal = `workspace "${workspace.name}" is stopped`;
        if (how === "deleted") throw new UserError(`workspace "${workspace.name}" was deleted`);
        progress.line(
          how === "stopped"
            ? `Workspace "${workspace.name}" was stopped: waiting until it is started again`
            : `Workspace "${workspace.name}" was started anew: connecting to it again`,
        );
      } finally {
        scope.abort();
        await Promise.all([usage, saying[Symbol.asyncDispose]()]);
      }
      await this.#started(workspace.id);
      this.#refusal = undefined;
      const next = await connect(this.#steps, { ...this.#options, disableAutostart: true });
      const last = this.#connected;
      this.#connected = next;
      this.#next?.resolve(next);
      this.#next = undefined;
      await last[Symbol.asyncDispose]();
      await this.reachable();
      progress.line("Ready!");
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connected[Symbol.asyncDispose]();
  }

  /** Opens something over the agent at the moment, or the next one. Rejects with what to say. */
  async #open<T>(
    open: (connected: Connected, signal: AbortSignal) => Promise<T>,
    wanted?: AbortSignal,
  ): Promise<T> {
    if (this.#refusal !== undefined) throw new ExpectedError(this.#refusal);
    const { host: { clock }, progress, signal } = this.#steps;
    const done = new AbortController();
    const late = new AbortController();
    const stop = AbortSignal.any([signal, late.signal, ...wanted === undefined ? [] : [wanted]]);
    const keepTime = async () => {
      await clock.sleep(SAY_WAITING_MS, done.signal);
      const words = `A connection waits for ${this.#waitsFor()}`;
      if (words !== this.#said) progress.line(words);
      this.#said = words;
      await clock.sleep(PATIENCE_MS - SAY_WAITING_MS, done.signal);
      late.abort(
        new ExpectedError(
          `no answer within ${formatElapsed(PATIENCE_MS)}, waiting for ${this.#waitsFor()}`,
        ),
      );
    };
    const timing = keepTime().catch((error: unknown) => {
      if (!done.signal.aborted) throw error;
    });
    try {
      const connected = this.#next === undefined
        ? this.#connected
        : await untilAborted(this.#next.promise, stop);
      const opened = await open(connected, stop);
      this.#said = "";
      return opened;
    } finally {
      done.abort();
      await timing;
    }
  }

  #waitsFor(): string {
    if (this.#next !== undefined) return "the workspace to be ready";
    const { tunnel } = this.#connected;
    const silence = tunnel.silence();
    const status = silence?.endedAgoMs === undefined ? silence?.status : undefined;
    const now = status ?? tunnel.status();
    return now.step === "reachable" ? "the workspace agent to answer" : waitWords(now);
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
