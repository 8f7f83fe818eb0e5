/**
 * The logs of a build and of its agents, as lines in the official command's form, so far or as they come (docs/protocol/api.md#streams). A stream
 * that drops is opened again behind the last line.
 */
import { ProtocolError, UserError } from "../../base/errors.ts";
import { type TextStream, TransportError } from "../../base/http.ts";
import type { Agent } from "../../coder/agent_model.ts";
import { followAgentLogs, getAgentLogs } from "../../coder/agents.ts";
import { followBuildLogs, getBuild, getBuildLogs } from "../../coder/builds.ts";
import { ApiError, describe, StepError } from "../../coder/errors.ts";
import {
  type AgentLog,
  type BuildLog,
  parseAgentLogs,
  parseBuildLog,
} from "../../coder/log_stream.ts";
import { stripToLine } from "../../coder/text.ts";
import { readMessages } from "../../coder/text_stream.ts";
import { getWorkspace } from "../../coder/workspaces.ts";
import { inStep, type Steps } from "../ready/steps.ts";

const FIRST_DELAY_MS = 1_000;
const MAX_DELAY_MS = 8_000;

export interface LogLine {
  readonly atMs: number;
  readonly text: string;
}

/** What one log has to say, and where it goes on. */
interface LogSource<Entry extends { readonly id: number }> {
  readonly what: string;
  readonly fetch: () => Promise<readonly Entry[]>;
  readonly follow: (after: number) => Promise<TextStream>;
  readonly parse: (message: string) => readonly Entry[];
  readonly lineOf: (entry: Entry) => LogLine;
  /** Whether a stream that ended will not go on. */
  readonly isOver: () => Promise<boolean>;
}

/** One log: lines so far, then those that come. */
export class FollowedLog<Entry extends { readonly id: number }> {
  readonly #steps: Steps;
  readonly #source: LogSource<Entry>;
  #last = 0;

  constructor(steps: Steps, source: LogSource<Entry>) {
    this.#steps = steps;
    this.#source = source;
  }

  async soFar(): Promise<readonly LogLine[]> {
    const { what } = this.#source;
    const fetch = () => this.#source.fetch();
    return this.#take(await inStep(this.#steps.signal, `failed to get ${what}`, fetch));
  }

  /** Until the log is over. Rejects with the signal's reason, or when the server refuses. */
  async follow(say: (lines: readonly LogLine[]) => Promise<void>): Promise<void> {
    const { host: { clock }, log, signal } = this.#steps;
    for (let failures = 0;; failures++) {
      const before = this.#last;
      try {
        const stream = await this.#source.follow(before);
        for await (const message of readMessages(stream, signal)) {
          await say(this.#take(this.#source.parse(message)));
        }
        if (await this.#source.isOver()) return;
      } catch (error) {
        if (signal.aborted || !isPassing(error)) {
          throw signal.aborted
            ? error
            : new StepError(`failed to follow ${this.#source.what}`, error);
        }
        log.warn("log lost", { what: this.#source.what, error: describe(error), after: before });
      }
      if (this.#last > before) failures = 0;
      await clock.sleep(Math.min(FIRST_DELAY_MS * 2 ** failures, MAX_DELAY_MS), signal);
    }
  }

  /** A server that repeats itself must not double lines. */
  #take(entries: readonly Entry[]): readonly LogLine[] {
    const fresh = entries.filter(({ id }) => id > this.#last);
    this.#last = fresh.reduce((last, { id }) => Math.max(last, id), this.#last);
    return fresh.map(this.#source.lineOf);
  }
}

function isPassing(error: unknown): boolean {
  if (error instanceof ApiError) return error.status >= 500 || error.status === 429;
  return [StepError, UserError, TransportError, ProtocolError].some((kind) =>
    error instanceof kind
  );
}

export function buildLog(steps: Steps, buildId: string): FollowedLog<BuildLog> {
  const { client, signal } = steps;
  return new FollowedLog(steps, {
    what: "build logs",
    fetch: () => getBuildLogs(client, buildId, { signal }),
    follow: (after) => followBuildLogs(client, buildId, { after, signal }),
    parse: (message) => [parseBuildLog(message)],
    lineOf: ({ createdAtMs = 0, level, stage, output }) => ({
      atMs: createdAtMs,
      text: `${timeOf(createdAtMs)} [${word(level)}] [provisioner|${stage}] ${output}`,
    }),
    isOver: async () =>
      (await getBuild(client, buildId, { signal })).job.completedAtMs !== undefined,
  });
}

export function agentLog(
  steps: Steps,
  agent: Agent,
  of: { readonly workspaceId: string; readonly buildId: string },
): FollowedLog<AgentLog> {
  const { client, signal } = steps;
  const name = agent.name === "" ? "" : `.${word(agent.name)}`;
  return new FollowedLog(steps, {
    what: "agent logs",
    fetch: () => getAgentLogs(client, agent.id, { signal }),
    follow: (after) => followAgentLogs(client, agent.id, { after, signal }),
    parse: parseAgentLogs,
    lineOf: ({ createdAtMs = 0, level, output, sourceId }) => {
      const source = agent.logSources.get(sourceId) ?? "";
      const from = source === "" ? "" : `|${word(source)}`;
      return {
        atMs: createdAtMs,
        text: `${timeOf(createdAtMs)} [${word(level)}] [agent${name}${from}] ${output}`,
      };
    },
    // The agents of a build that was replaced write no more.
    isOver: async () =>
      (await getWorkspace(client, of.workspaceId, { signal })).latestBuild.id !== of.buildId,
  });
}

function word(text: string): string {
  return stripToLine(text);
}

/** RFC 3339 in UTC, as servers write it, to the second. */
function timeOf(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
