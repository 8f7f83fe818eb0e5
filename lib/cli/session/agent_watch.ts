/**
 * An agent that vanished without a word, as one that was killed or whose machine is gone: the deployment notices and tells who
 * watches the workspace. Its word alone ends nothing, since agents lose the deployment and go on working: only an agent that
 * does not answer us either is spoken of, and given up after a minute.
 */
import { untilAborted } from "../../base/abort.ts";
import type { HostClock } from "../../base/host.ts";
import type { Workspace } from "../../coder/workspace_model.ts";
import { localTime } from "../terminal/local_time.ts";
import { answerWithin, Silence } from "./silence.ts";

export interface AgentWatchOptions {
  readonly agentId: string;
  /** One round trip to the agent; `undefined` when nothing came back in time. */
  readonly ping: () => Promise<unknown>;
  readonly clock: HostClock;
  /** Prints a line for the user. */
  readonly say: (line: string) => void;
  /** Ends the watch. */
  readonly signal: AbortSignal;
}

/** A relay may be dialled anew while we ask: several questions, each a second after the last. */
const QUESTIONS = 5;
const QUESTION_PAUSE_MS = 1_000;
const ASK_AGAIN_MS = 5_000;
const GIVE_UP_MS = 60_000;
/** More than one round of questions takes. */
const MAX_STEP_MS = 30_000;

export class AgentWatch {
  readonly #options: AgentWatchOptions;
  #isDisconnected = false;
  #changed = Promise.withResolvers<void>();

  constructor(options: AgentWatchOptions) {
    this.#options = options;
  }

  /** Should be called with every state of the workspace that is seen. */
  readonly onWorkspace = (workspace: Workspace): void => {
    const { agentId } = this.#options;
    const agent = workspace.latestBuild.agents.find(({ id }) => id === agentId);
    // An agent of a build that was replaced is another one's business.
    const isDisconnected = agent?.status === "disconnected";
    if (isDisconnected === this.#isDisconnected) return;
    this.#isDisconnected = isDisconnected;
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  };

  /** Resolves when the agent was given up. Rejects only with the signal's reason. */
  async run(): Promise<"gone"> {
    const { signal } = this.#options;
    for (;;) {
      signal.throwIfAborted();
      if (!this.#isDisconnected) await untilAborted(this.#changed.promise, signal);
      else if (await this.#follow() === "gone") return "gone";
    }
  }

  /** From the deployment's word that the agent is gone to its return, or to its being given up. */
  async #follow(): Promise<"gone" | "back"> {
    const { clock, say, signal } = this.#options;
    const silence = new Silence(MAX_STEP_MS);
    const since = localTime(clock, clock.wallMs()).slice("2006-01-02 ".length, -".000".length);
    let isTold = false;
    while (this.#isDisconnected) {
      const isAnswered = await this.#ask();
      const silentMs = silence.observe(isAnswered, clock.now());
      if (isAnswered && isTold) {
        say("The workspace agent answers again");
        isTold = false;
      }
      if (silentMs >= GIVE_UP_MS) return "gone";
      if (!isAnswered && !isTold) {
        isTold = true;
        say(
          `The workspace agent is gone since ${since}: the deployment has lost it, and it does not answer. ` +
            "The session is given up after a minute",
        );
      }
      await clock.sleep(ASK_AGAIN_MS, signal);
    }
    return "back";
  }

  /** Whether any of a few questions is answered; a late answer to one is an answer to the next. */
  async #ask(): Promise<boolean> {
    const { ping, clock, signal } = this.#options;
    for (let asked = 0; asked < QUESTIONS; asked++) {
      const pong = await answerWithin(QUESTION_PAUSE_MS, ping(), { clock, signal });
      if (pong !== undefined) return true;
    }
    return false;
  }
}
