/**
 * The log of an agent's start-up scripts while one waits for them (docs/protocol/ssh.md#waiting-for-the-agent, docs/protocol/api.md#agent-logs). A stream that drops is
 * opened again behind the last line shown; lines are never doubled.
 */
import { ExpectedError } from "../../base/errors.ts";
import { followAgentLogs, getAgentLogs } from "../../coder/agents.ts";
import { ApiError, describe } from "../../coder/errors.ts";
import { type AgentLog, parseAgentLogs } from "../../coder/log_stream.ts";
import { readMessages } from "../../coder/text_stream.ts";
import { inStep, retrying, type Steps } from "./steps.ts";

const FIRST_DELAY_MS = 1_000;
const MAX_DELAY_MS = 8_000;

/** Display names by the id of the source. */
type LogSources = ReadonlyMap<string, string>;

export class AgentLogFollower {
  readonly #steps: Steps;
  readonly #agentId: string;
  #sources: LogSources = new Map();
  #lastId = 0;
  #scope = new AbortController();
  #running: Promise<void> | undefined;

  constructor(steps: Steps, agentId: string) {
    this.#steps = steps;
    this.#agentId = agentId;
  }

  /** Begins to print lines as they are written. */
  start(sources: LogSources): void {
    this.#sources = sources;
    this.#scope = new AbortController();
    this.#running = this.#follow(AbortSignal.any([this.#steps.signal, this.#scope.signal]));
  }

  /** Stops; resolves when nothing runs any more. */
  async stop(): Promise<void> {
    this.#scope.abort();
    await this.#running;
    this.#running = undefined;
  }

  /** Prints what was written since the last line shown. */
  async printRest(sources: LogSources): Promise<void> {
    const { client, signal } = this.#steps;
    this.#sources = sources;
    const after = this.#lastId;
    const fetch = () =>
      retrying(this.#steps, () => getAgentLogs(client, this.#agentId, { after, signal }));
    this.#print(await inStep(signal, "fetch workspace agent startup logs", fetch));
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const { host, log, progress } = this.#steps;
    for (let failures = 0; !signal.aborted; failures++) {
      const startedWith = this.#lastId;
      try {
        await this.#followOnce(signal);
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof ApiError && error.status < 500 && error.status !== 429) {
          progress.line(`Cannot show the startup logs: ${describe(error).split("\n", 1)[0]}`);
          return;
        }
        if (!(error instanceof ExpectedError)) throw error;
        log.warn("agent log lost", { error: describe(error), after: this.#lastId });
      }
      if (this.#lastId > startedWith) failures = 0;
      try {
        await host.clock.sleep(Math.min(FIRST_DELAY_MS * 2 ** failures, MAX_DELAY_MS), signal);
      } catch (error) {
        if (signal.aborted) return;
        throw error;
      }
    }
  }

  async #followOnce(signal: AbortSignal): Promise<void> {
    const { client } = this.#steps;
    const stream = await followAgentLogs(client, this.#agentId, { after: this.#lastId, signal });
    for await (const message of readMessages(stream, signal)) this.#print(parseAgentLogs(message));
  }

  #print(logs: readonly AgentLog[]): void {
    for (const entry of logs) {
      if (entry.id <= this.#lastId) continue;
      this.#lastId = entry.id;
      const source = this.#sources.get(entry.sourceId) ?? "";
      const text = source === "" ? entry.output : `${source}: ${entry.output}`;
      this.#steps.stages.log(text, { atMs: entry.createdAtMs, level: entry.level });
    }
  }
}
