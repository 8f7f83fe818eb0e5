/**
 * `port-forward --auto`: every port on which something in the workspace listens, as it comes and goes, on the same port here, or on
 * any other where that one is taken.
 */
import { ExpectedError, UserError } from "../../../base/errors.ts";
import { describe } from "../../../coder/errors.ts";
import { getListeningPorts, type ListeningPort } from "../../../coder/ports.ts";
import { stripToLine } from "../../../coder/text.ts";
import type { ForwardSet } from "../../../ssh/forwards.ts";
import type { Steps } from "../../ready/steps.ts";
import { forward, type ListenHost } from "./listeners.ts";

const LOOK_MS = 2_000;
const LOOPBACK = "127.0.0.1";
/** Listeners at a time; beyond that new ports are left alone. */
const MAX_FORWARDS = 256;

export interface AutoOptions {
  /** The agent at the moment. */
  readonly agentId: () => string;
  /** Ports of the workspace that have a forward already. */
  readonly taken: ReadonlySet<number>;
}

interface Forwarded {
  readonly set: ForwardSet;
  readonly localPort: number;
  readonly name: string;
}

export class AutoForwards implements AsyncDisposable {
  readonly #steps: Steps;
  readonly #host: ListenHost;
  readonly #options: AutoOptions;
  readonly #forwarded = new Map<number, Forwarded>();
  #problem = "";
  #saidFull = false;

  constructor(steps: Steps, host: ListenHost, options: AutoOptions) {
    this.#steps = steps;
    this.#host = host;
    this.#options = options;
  }

  /** Looks again and again until the signal aborts. */
  async run(): Promise<void> {
    const { host: { clock }, signal } = this.#steps;
    for (;;) {
      const ports = await this.#look();
      if (ports !== undefined) await this.#update(ports);
      await clock.sleep(LOOK_MS, signal);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(Array.from(this.#forwarded.values(), ({ set }) => set.close()));
  }

  /** `undefined` when the agent does not say, which is said once. */
  async #look(): Promise<readonly ListeningPort[] | undefined> {
    const { client, signal } = this.#steps;
    try {
      const ports = await getListeningPorts(client, this.#options.agentId(), { signal });
      this.#problem = "";
      return ports;
    } catch (error) {
      if (signal.aborted || !(error instanceof ExpectedError)) throw error;
      const [problem = ""] = describe(error).split("\n", 1);
      if (problem !== this.#problem) this.#host.say(`Cannot see what listens: ${problem}`);
      this.#problem = problem;
      return undefined;
    }
  }

  async #update(ports: readonly ListeningPort[]): Promise<void> {
    const listening = new Map(
      ports.filter(({ network }) => network === "tcp").map((one) => [one.port, one]),
    );
    for (const [port, { set, name }] of this.#forwarded) {
      if (listening.has(port)) continue;
      this.#forwarded.delete(port);
      await set.close();
      this.#host.say(`- ${name}: nothing listens there any more`);
    }
    for (const port of listening.values()) await this.#add(port);
  }

  async #add({ port, processName }: ListeningPort): Promise<void> {
    if (this.#forwarded.has(port) || this.#options.taken.has(port)) return;
    // Where the workspace is this machine, our own listeners are seen there too.
    if (Array.from(this.#forwarded.values()).some(({ localPort }) => localPort === port)) return;
    if (this.#forwarded.size >= MAX_FORWARDS) {
      if (!this.#saidFull) {
        this.#host.say(`More than ${MAX_FORWARDS} ports: the others are left alone`);
      }
      this.#saidFull = true;
      return;
    }
    const set = await this.#listen(port);
    const [target] = set.listening;
    const localPort = target?.kind === "tcp" ? target.port : port;
    const process = processName === "" ? "" : ` (${stripToLine(processName)})`;
    const name = `http://localhost:${localPort} -> ${port}${process}`;
    this.#forwarded.set(port, { set, localPort, name });
    this.#host.say(`+ ${name}`);
  }

  async #listen(port: number): Promise<ForwardSet> {
    try {
      return await forward(this.#host, { address: LOOPBACK, local: port, remote: port });
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      return await forward(this.#host, { address: LOOPBACK, local: 0, remote: port });
    }
  }
}
