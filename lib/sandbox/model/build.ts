/**
 * One build of a workspace and its provisioner job (codersdk `WorkspaceBuild`, `ProvisionerJob`). A script drives it from
 * pending to its end; so does a test that calls the same methods itself.
 */
import { LogBook, type LogLevel } from "./log_book.ts";
import type { SandboxAgent } from "./agent.ts";
import type { ModelHost } from "./host.ts";

export type Transition = "start" | "stop" | "delete";
export type JobStatus = "pending" | "running" | "succeeded" | "canceling" | "canceled" | "failed";

/** Drives a build to its end: `succeed`, `fail` or `cancelNow`. What it leaves unfinished stays as it is. */
export type BuildScript = (build: SandboxBuild) => Promise<void> | void;

export interface BuildLogOptions {
  /** @default "info" */
  readonly level?: LogLevel;
  /** @default "provisioner" */
  readonly source?: "provisioner" | "provisioner_daemon";
}

export interface BuildInit {
  readonly number: number;
  readonly transition: Transition;
  readonly reason: string;
  readonly templateVersionId: string;
  readonly parameters: readonly { readonly name: string; readonly value: string }[];
}

export class SandboxBuild {
  readonly id: string;
  readonly jobId: string;
  readonly fileId: string;
  readonly resourceId: string;
  readonly createdAtMs: number;
  readonly number: number;
  readonly transition: Transition;
  readonly reason: string;
  readonly templateVersionId: string;
  readonly parameters: BuildInit["parameters"];
  readonly logs: LogBook;
  /** A newer build has come, and nothing is told of the agents of this one any more (coder/coder SoftDeletePriorWorkspaceAgents). */
  isSuperseded = false;
  /** Set when the job of a start build succeeds. */
  agents: readonly SandboxAgent[] = [];
  /** Wall-clock milliseconds. */
  deadlineMs: number | undefined;
  maxDeadlineMs: number | undefined;
  jobStatus: JobStatus = "pending";
  jobError: string | undefined;
  startedAtMs: number | undefined;
  completedAtMs: number | undefined;
  canceledAtMs: number | undefined;
  queuePosition = 0;
  queueSize = 0;
  /** How many provisioners there are, and how many of them answer; `undefined`: it is not known. */
  provisioners: { readonly count: number; readonly available: number } | undefined;
  readonly #host: ModelHost;
  readonly #onChange: () => void;

  constructor(init: BuildInit, host: ModelHost, onChange: () => void) {
    this.id = host.newId();
    this.jobId = host.newId();
    this.fileId = host.newId();
    this.resourceId = host.newId();
    this.createdAtMs = host.wallMs();
    this.number = init.number;
    this.transition = init.transition;
    this.reason = init.reason;
    this.templateVersionId = init.templateVersionId;
    this.parameters = init.parameters;
    this.logs = new LogBook(host.logNumbers);
    this.#host = host;
    this.#onChange = onChange;
  }

  /** Over, however it went. */
  get isCompleted(): boolean {
    return this.completedAtMs !== undefined;
  }

  /** The build's status as people see it (docs/protocol/api.md#build). */
  get status(): string {
    switch (this.jobStatus) {
      case "running":
        return { start: "starting", stop: "stopping", delete: "deleting" }[this.transition];
      case "succeeded":
        return { start: "running", stop: "stopped", delete: "deleted" }[this.transition];
      default:
        return this.jobStatus;
    }
  }

  /** Waits in line; 1 is next. */
  queue(position: number, size = position): void {
    this.queuePosition = position;
    this.queueSize = size;
    this.#onChange();
  }

  /** A provisioner took the job. */
  start(): void {
    this.queuePosition = 0;
    this.jobStatus = "running";
    this.startedAtMs = this.#host.wallMs();
    this.#onChange();
  }

  /** A line of the log; an empty one is how stages begin. */
  log(stage: string, output = "", options: BuildLogOptions = {}): void {
    const { level = "info", source = output === "" ? "provisioner_daemon" : "provisioner" } =
      options;
    this.logs.add({ stage, output, level, source, createdAtMs: this.#host.wallMs() });
  }

  /** Waits; returns early when the sandbox stops. */
  pause(ms: number): Promise<void> {
    return this.#host.pause(ms);
  }

  succeed(): void {
    this.#complete("succeeded");
  }

  fail(error: string): void {
    this.jobError = error;
    this.#complete("failed");
  }

  /** Somebody asked for the end of it; the script finds out by `jobStatus`. */
  cancel(): void {
    this.jobStatus = "canceling";
    this.canceledAtMs = this.#host.wallMs();
    this.#onChange();
  }

  cancelNow(): void {
    this.canceledAtMs ??= this.#host.wallMs();
    this.#complete("canceled");
  }

  #complete(status: JobStatus): void {
    if (this.isCompleted) return;
    this.startedAtMs ??= this.#host.wallMs();
    this.jobStatus = status;
    this.completedAtMs = this.#host.wallMs();
    this.#onChange();
    this.logs.end();
  }
}

const STAGE: Readonly<Record<Transition, string>> = {
  start: "Starting workspace",
  stop: "Stopping workspace",
  delete: "Deleting workspace",
};

/** Succeeds at once, with the log of the real server's smallest build. */
export const instantBuild: BuildScript = (build) => {
  build.start();
  build.log("Setting up");
  build.log(STAGE[build.transition]);
  build.log("Cleaning Up");
  build.succeed();
};

/** A build that takes a moment and says what it does, for people to look at. */
export function slowBuild(stepMs = 400): BuildScript {
  return async (build) => {
    await build.pause(stepMs);
    build.start();
    build.log("Setting up");
    await build.pause(stepMs);
    const stage = STAGE[build.transition];
    build.log(stage);
    const verb = { start: "Creating", stop: "Destroying", delete: "Destroying" }[build.transition];
    build.log(stage, `demo_machine.workspace: ${verb}...`);
    await build.pause(stepMs);
    build.log(stage, `demo_machine.workspace: ${verb} complete after ${stepMs / 1_000}s`);
    build.log("Cleaning Up");
    await build.pause(stepMs);
    build.succeed();
  };
}
