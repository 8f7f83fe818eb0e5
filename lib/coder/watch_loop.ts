/** Drives a `WorkspaceWatch` over the event stream of `GET /workspaces/{id}/watch` until it says that the session ends. */
import type { Clock, Random } from "../base/core.ts";
import { ExpectedError } from "../base/errors.ts";
import { type Log, SILENT_LOG } from "../base/log.ts";
import { checkJson } from "./answer.ts";
import type { CoderClient } from "./client.ts";
import { describe } from "./errors.ts";
import { MAX_JSON_ELEMENTS, parseJson } from "./json.ts";
import { EventStreamError, EventStreamParser } from "./sse.ts";
import { segment } from "./url.ts";
import { type WatchEnd, WorkspaceWatch } from "./watch.ts";
import { WORKSPACE, type Workspace } from "./workspace_model.ts";

export interface WatchOptions {
  readonly workspaceId: string;
  /** The build the session runs on. */
  readonly buildId: string;
  readonly clock: Clock;
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
  readonly random: Random;
  /** Told of every state the stream shows, e.g. for a moved deadline. */
  readonly onWorkspace?: (workspace: Workspace) => void;
  /** @default silent */
  readonly log?: Log;
  readonly signal: AbortSignal;
}

/** Resolves when the workspace was stopped, rebuilt or deleted. Rejects only with the signal's reason. */
export async function watchWorkspace(
  client: CoderClient,
  options: WatchOptions,
): Promise<WatchEnd> {
  const { clock, signal } = options;
  const watch = new WorkspaceWatch(options);
  watch.start(clock.now());
  for (;;) {
    signal.throwIfAborted();
    const output = watch.pollOutput();
    if (output?.kind === "ended") return output.end;
    if (output?.kind === "connect") {
      await followOnce(client, watch, options);
    } else if (output === undefined) {
      const dueAt = watch.pollTimeout() ?? clock.now();
      await options.sleep(Math.max(0, dueAt - clock.now()), signal);
      watch.handleTimeout(clock.now());
    }
  }
}

/** One stream, from dialling to its end; its silence is timed beside it. */
async function followOnce(
  client: CoderClient,
  watch: WorkspaceWatch,
  options: WatchOptions,
): Promise<void> {
  const { clock, log = SILENT_LOG, signal, workspaceId } = options;
  const scope = new AbortController();
  const both = AbortSignal.any([signal, scope.signal]);
  let silence: Promise<void> | undefined;
  try {
    const path = `/workspaces/${segment(workspaceId)}/watch`;
    const body = await client.openBody(path, { signal: both });
    watch.handleOpened(clock.now());
    silence = timeSilence(watch, options, scope);
    await readEvents(body, watch, options);
  } catch (error) {
    if (signal.aborted || !(scope.signal.aborted || error instanceof ExpectedError)) throw error;
    log.debug("watch lost", { error: describe(error) });
  } finally {
    scope.abort();
    await silence;
  }
  watch.handleClosed(clock.now());
}

/** Aborts `scope` when the core gives the open stream up; ends with the scope. */
async function timeSilence(
  watch: WorkspaceWatch,
  options: WatchOptions,
  scope: AbortController,
): Promise<void> {
  const { clock, sleep } = options;
  for (let dueAt = watch.pollTimeout(); dueAt !== undefined; dueAt = watch.pollTimeout()) {
    try {
      await sleep(Math.max(0, dueAt - clock.now()), scope.signal);
    } catch (error) {
      if (scope.signal.aborted) return;
      throw error;
    }
    watch.handleTimeout(clock.now());
    if (!watch.isOpen) scope.abort();
    if (scope.signal.aborted) return;
  }
}

async function readEvents(
  body: AsyncIterable<Uint8Array>,
  watch: WorkspaceWatch,
  options: WatchOptions,
): Promise<void> {
  const { clock, onWorkspace } = options;
  const parser = new EventStreamParser();
  for await (const chunk of body) {
    parser.handleBytes(chunk);
    for (let event = parser.pollEvent(); event !== undefined; event = parser.pollEvent()) {
      watch.handleSign(clock.now());
      if (event.type !== "data") continue;
      const workspace = checkJson(WORKSPACE, jsonOf(event.data), "a watch event");
      onWorkspace?.(workspace);
      watch.handleBuild(workspace.latestBuild, clock.now());
      if (!watch.isOpen) return;
    }
  }
}

function jsonOf(text: string): unknown {
  const parsed = parseJson(text);
  if (parsed.kind === "json") return parsed.json;
  const problem = parsed.kind === "notJson"
    ? "is not JSON"
    : `has more than ${MAX_JSON_ELEMENTS} elements`;
  throw new EventStreamError(`Cannot read watch event: data ${problem}`, { code: parsed.kind });
}
