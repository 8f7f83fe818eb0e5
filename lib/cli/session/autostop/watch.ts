/**
 * Keeps an eye on a workspace's deadline while a session runs and tells people in time (docs/protocol/ssh.md#autostop-notice). One process for
 * each workspace does: it holds a lock file that the official command uses as well; the others look each interval
 * whether the holder is gone.
 */
import { ExpectedError } from "../../../base/errors.ts";
import { describe } from "../../../coder/errors.ts";
import type { Workspace } from "../../../coder/workspace_model.ts";
import { getWorkspace } from "../../../coder/workspaces.ts";
import { HostError, type HostLock } from "../../../base/host.ts";
import { joinPath } from "../../../base/paths.ts";
import type { Steps } from "../../ready/steps.ts";
import { AutostopNotices, type Notice } from "./notices.ts";
import { type NoticePlace, showNotice } from "./show_notice.ts";

export interface AutostopOptions {
  readonly workspaceId: string;
  /**
   * How often to ask, `--workspace-poll-interval`: from a second to a day; the default when not positive.
   * @default 60_000
   */
  readonly pollIntervalMs?: number;
  /** How to show a notice; for tests. @default on the desktop, or the terminal */
  readonly show?: (notice: Notice, signal: AbortSignal) => Promise<NoticePlace>;
  /** Ends the watch. */
  readonly signal: AbortSignal;
}

const DEFAULT_INTERVAL_MS = 60_000;
const MIN_INTERVAL_MS = 1_000;
const MAX_INTERVAL_MS = 86_400_000;

/** The file that is locked by whoever notifies. */
export function autostopLockPath(
  host: { readonly os: string; readonly tempDir: string },
  workspaceId: string,
): string {
  return joinPath(host.os, host.tempDir, `coder-autostop-notify-${workspaceId}`);
}

export class AutostopWatch {
  /** Resolves when the signal was raised and the lock is free again. Nothing that a server or a desktop does rejects it. */
  readonly ended: Promise<void>;
  readonly #steps: Steps;
  readonly #options: AutostopOptions;
  readonly #intervalMs: number;
  readonly #notices = new AutostopNotices();
  #lock: HostLock | "unavailable" | undefined;
  #wake = new AbortController();

  /** Begins at once. */
  constructor(steps: Steps, options: AutostopOptions) {
    const { pollIntervalMs = DEFAULT_INTERVAL_MS } = options;
    this.#steps = steps;
    this.#options = options;
    this.#intervalMs = pollIntervalMs > 0
      ? Math.min(Math.max(MIN_INTERVAL_MS, pollIntervalMs), MAX_INTERVAL_MS)
      : DEFAULT_INTERVAL_MS;
    this.ended = this.#run();
  }

  /** Should be called with states of the workspace that others saw, e.g. the watcher's, to know a moved deadline at once. */
  readonly onWorkspace = (workspace: Workspace): void => {
    // Whoever does not notify reads the state anew when it gets to.
    if (this.#lock === undefined || workspace.id !== this.#options.workspaceId) return;
    this.#observe(workspace);
    this.#wake.abort();
  };

  async #run(): Promise<void> {
    const { host } = this.#steps;
    const { signal } = this.#options;
    try {
      let pollAt = host.clock.now();
      let floorAt = pollAt;
      while (!signal.aborted) {
        if (host.clock.now() >= pollAt) {
          await this.#poll();
          pollAt = host.clock.now() + this.#intervalMs;
          floorAt = host.clock.now() + MIN_INTERVAL_MS;
        }
        await this.#showDue();
        const noticeAtMs = this.#notices.pollTimeout() ?? Infinity;
        const noticeInMs = Math.ceil(noticeAtMs - host.clock.wallMs());
        const pollInMs = pollAt - host.clock.now();
        // What falls due between two polls is asked for once more: activity may have moved it.
        if (noticeInMs < pollInMs) pollAt = Math.max(floorAt, host.clock.now() + noticeInMs);
        await this.#sleep(Math.max(0, Math.min(noticeInMs, pollInMs)));
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      if (this.#lock !== "unavailable") this.#lock?.release();
    }
  }

  async #poll(): Promise<void> {
    const { client, log } = this.#steps;
    const { workspaceId, signal } = this.#options;
    this.#lock ??= await this.#takeLock();
    if (this.#lock === undefined) return;
    try {
      this.#observe(await getWorkspace(client, workspaceId, { signal }));
    } catch (error) {
      if (!(error instanceof ExpectedError)) throw error;
      log.debug("autostop poll failed", { error: describe(error) });
    }
  }

  async #takeLock(): Promise<HostLock | "unavailable" | undefined> {
    const { host, log } = this.#steps;
    const path = autostopLockPath(host, this.#options.workspaceId);
    try {
      const lock = await host.files.tryLock(path);
      log.debug(lock === undefined ? "another process notifies" : "this process notifies", {
        path,
      });
      return lock;
    } catch (error) {
      if (!(error instanceof HostError)) throw error;
      // Better told twice than not at all.
      log.warn("cannot lock, notifying regardless", { path, error: error.message });
      return "unavailable";
    }
  }

  #observe(workspace: Workspace): void {
    const nowMs = this.#steps.host.clock.wallMs();
    this.#notices.handleDeadline(workspace.name, workspace.latestBuild.deadlineMs, nowMs);
  }

  async #showDue(): Promise<void> {
    const { host, log, progress } = this.#steps;
    const { signal } = this.#options;
    const print = (text: string) => progress.notice(text);
    const { show = (notice, stop) => showNotice(host, notice, { log, print, signal: stop }) } =
      this.#options;
    this.#notices.handleTimeout(host.clock.wallMs());
    for (;;) {
      const notice = this.#notices.pollNotice(host.clock.wallMs());
      if (notice === undefined) return;
      const place = await show(notice, signal);
      log.info("autostop notice", { title: notice.title, place });
    }
  }

  /** Sleeps until something changed at the latest. */
  async #sleep(ms: number): Promise<void> {
    const { signal } = this.#options;
    const wake = this.#wake;
    try {
      await this.#steps.host.clock.sleep(ms, AbortSignal.any([signal, wake.signal]));
    } catch (error) {
      if (signal.aborted || !wake.signal.aborted) throw error;
    }
    this.#wake = new AbortController();
  }
}
