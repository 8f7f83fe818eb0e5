/**
 * Waiting for a build, with its log (docs/protocol/ssh.md#build-output, docs/protocol/api.md#build-logs). Unlike the official command, a log stream that drops
 * is opened again where it ended, and a log that cannot be shown does not end the wait.
 */
import { ExpectedError, UserError } from "../../base/errors.ts";
import { followBuildLogs, getBuild } from "../../coder/builds.ts";
import { ApiError, CanceledError, describe } from "../../coder/errors.ts";
import { type BuildLog, parseBuildLog } from "../../coder/log_stream.ts";
import { readMessages } from "../../coder/text_stream.ts";
import type { Build, Job } from "../../coder/workspace_model.ts";
import type { StageEnd } from "../terminal/stages.ts";
import { inStep, retrying, type Steps } from "./steps.ts";

const POLL_MS = 1_000;
/** How long the end of the log may come after the end of the build. */
const LOG_GRACE_MS = 2_000;
const MAX_LOG_DELAY_MS = 8_000;

/** The stage before the job begins; with a place in the queue it is shown with that, and ends under this name alone. */
const QUEUED = "Queued";

/** Where stages are written to. */
export interface BuildStageSink {
  start(stage: string): void;
  end(stage: string, how: { readonly end: StageEnd; readonly durationMs: number }): void;
  log(text: string, options: { readonly atMs: number | undefined; readonly level: string }): void;
}

/** The stages of one build, as they can be told from its job and its log. */
export class BuildStages {
  readonly #sink: BuildStageSink;
  #stage = "";
  #startedAtMs: number;
  #isQueued = true;
  /** `undefined` until the server told it. */
  #queuePosition: number | undefined;

  /** `wallMs`: now; the queue is ours until the server says when the job began. */
  constructor(sink: BuildStageSink, wallMs: number) {
    this.#sink = sink;
    this.#startedAtMs = wallMs;
  }

  /** What is being waited for. */
  get current(): string {
    return this.#isQueued ? queuedStage(this.#queuePosition ?? 0) : this.#stage;
  }

  handleJob(job: Job): void {
    if (!this.#isQueued) return;
    if (job.startedAtMs !== undefined) {
      if (this.#stage === "") this.#start(QUEUED, this.#startedAtMs);
      this.#isQueued = false;
      this.#move("Running", job.startedAtMs);
      return;
    }
    const isFirst = this.#queuePosition === undefined;
    const position = Math.max(0, job.queuePosition);
    const isNews = position !== this.#queuePosition && position > 0;
    this.#queuePosition = position;
    this.#stage = QUEUED;
    // Whoever leads the queue is about to run, which is said then.
    if (isFirst || isNews) this.#sink.start(queuedStage(position));
  }

  handleLog(log: BuildLog): void {
    if (log.stage !== "" && log.stage !== this.#stage) {
      this.#move(log.stage, log.createdAtMs ?? this.#startedAtMs);
      return;
    }
    this.#sink.log(log.output, { atMs: log.createdAtMs, level: log.level });
  }

  /** Should be called once, when the job is over and its log is told. */
  finish(job: Job): void {
    const end = job.status === "succeeded" ? "done" : "failed";
    if (this.#stage !== "") this.#end(end, job.completedAtMs ?? this.#startedAtMs);
  }

  #start(stage: string, atMs: number): void {
    this.#stage = stage;
    this.#startedAtMs = atMs;
    this.#sink.start(stage);
  }

  #move(stage: string, atMs: number): void {
    this.#end("done", atMs);
    this.#start(stage, atMs);
  }

  #end(end: StageEnd, atMs: number): void {
    this.#sink.end(this.#stage, { end, durationMs: Math.max(0, atMs - this.#startedAtMs) });
  }
}

function queuedStage(position: number): string {
  if (position <= 0) return QUEUED;
  return position === 1 ? `${QUEUED} (next)` : `${QUEUED} (position: ${position})`;
}

/**
 * Waits until the build's job is over; the build with its agents. Throws `CanceledError` when it was canceled,
 * `UserError` with the job's error when it failed.
 */
export async function waitForBuild(steps: Steps, buildId: string): Promise<Build> {
  const { host, progress, signal } = steps;
  const stages = new BuildStages(steps.stages, host.clock.wallMs());
  const scope = new AbortController();
  const both = AbortSignal.any([signal, scope.signal]);
  let logs: LogFollower | undefined;
  let following: Promise<void> = Promise.resolve();
  try {
    return await progress.during("Waiting for the workspace build", async (wait) => {
      for (;;) {
        const build = await fetchBuild(steps, buildId);
        stages.handleJob(build.job);
        wait.now(`Waiting for the workspace build: ${stages.current}`);
        if (logs === undefined && build.job.startedAtMs !== undefined) {
          logs = new LogFollower(steps, { buildId, stages, signal: both });
          following = logs.run();
        }
        if (isOver(build.job)) {
          logs?.finishSoon();
          await Promise.race([following, pause(steps, LOG_GRACE_MS, both)]);
          stages.finish(build.job);
          return resultOf(build);
        }
        await (logs?.nextEnd(POLL_MS) ?? host.clock.sleep(POLL_MS, signal));
      }
    });
  } finally {
    scope.abort();
    await following;
  }
}

async function fetchBuild(steps: Steps, buildId: string): Promise<Build> {
  const { client, signal } = steps;
  const fetch = () => retrying(steps, () => getBuild(client, buildId, { signal }));
  return await inStep(signal, "fetch", fetch);
}

/** `completed_at` is the official command's own test. */
function isOver(job: Job): boolean {
  return job.completedAtMs !== undefined;
}

function resultOf(build: Build): Build {
  const { job } = build;
  if (job.status === "succeeded") return build;
  if (job.status === "canceled") throw new CanceledError();
  throw new UserError(job.error || `the workspace build is ${job.status}`, {
    hint: "Fix what the build log names, or start the workspace again from the dashboard",
  });
}

/** Sleeps; an abort ends the sleep early and is no error. */
async function pause(steps: Steps, ms: number, signal: AbortSignal): Promise<void> {
  try {
    await steps.host.clock.sleep(ms, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

interface FollowOptions {
  readonly buildId: string;
  readonly stages: BuildStages;
  readonly signal: AbortSignal;
}

/** Follows the log of one build over as many streams as it takes. */
class LogFollower {
  readonly #steps: Steps;
  readonly #options: FollowOptions;
  #lastId = 0;
  #isLast = false;
  #endedInOrder = false;
  readonly #rest = new AbortController();
  #streamEnded = Promise.withResolvers<void>();

  constructor(steps: Steps, options: FollowOptions) {
    this.#steps = steps;
    this.#options = options;
  }

  /** The job is over: the stream that is open, or being opened, is the last one. */
  finishSoon(): void {
    this.#isLast = true;
    this.#rest.abort();
  }

  /** Resolves when a stream ended, which often means that the job is over, or after `ms`. */
  async nextEnd(ms: number): Promise<void> {
    const { signal } = this.#options;
    const scope = new AbortController();
    try {
      await Promise.race([
        this.#streamEnded.promise,
        pause(this.#steps, ms, AbortSignal.any([signal, scope.signal])),
      ]);
      signal.throwIfAborted();
    } finally {
      scope.abort();
    }
  }

  /** Ends when the last stream ended or the signal aborted; never rejects for a failure of a stream. */
  async run(): Promise<void> {
    const { signal } = this.#options;
    const restSignal = AbortSignal.any([signal, this.#rest.signal]);
    for (let failures = 0; !signal.aborted; failures++) {
      const startedWith = this.#lastId;
      const isFinal = await this.#followOnce();
      if (isFinal || this.#isLast) return;
      this.#streamEnded.resolve();
      this.#streamEnded = Promise.withResolvers();
      if (this.#lastId > startedWith) failures = 0;
      const delayMs = Math.min(POLL_MS * 2 ** failures, MAX_LOG_DELAY_MS);
      await pause(this.#steps, delayMs, restSignal);
      if (this.#isLast && this.#endedInOrder) return;
    }
  }

  /** Whether there is no sense in another stream. */
  async #followOnce(): Promise<boolean> {
    const { client, log, progress } = this.#steps;
    const { buildId, stages, signal } = this.#options;
    this.#endedInOrder = false;
    try {
      const stream = await followBuildLogs(client, buildId, { after: this.#lastId, signal });
      for await (const message of readMessages(stream, signal)) {
        const entry = parseBuildLog(message);
        // A server that repeats itself after a reconnect must not double lines.
        if (entry.id <= this.#lastId && entry.id > 0) continue;
        this.#lastId = entry.id;
        stages.handleLog(entry);
      }
      this.#endedInOrder = true;
      return false;
    } catch (error) {
      if (signal.aborted) return true;
      const isRefused = error instanceof ApiError && error.status < 500 && error.status !== 429;
      if (isRefused) {
        progress.line(`Cannot show the build log: ${describe(error).split("\n", 1)[0]}`);
        return true;
      }
      if (!(error instanceof ExpectedError)) throw error;
      log.warn("build log lost", { error: describe(error), after: this.#lastId });
      return false;
    }
  }
}
