/**
 * The beginning of a tunnel, as early as can be: to the agent that the last run found, while this one still asks for it. A guess
 * that proves wrong is closed, and has cost nothing but its own work.
 */
import type { ConnectionInfo } from "../../coder/agents.ts";
import { getConnectionInfo } from "../../coder/agents.ts";
import { ProtocolError, UserError } from "../../base/errors.ts";
import type { AgentTunnel } from "../../base/tunnel.ts";
import { userAgentOf } from "../config/client.ts";
import type { Configuration } from "../config/config.ts";
import type { EarlyStart } from "./early.ts";
import {
  isLikeTrace,
  type Memory,
  type MemoryPlace,
  networkAfter,
  recall,
  remember,
  type Remembered,
} from "./memory.ts";
import { retrying, type Steps } from "./steps.ts";

export interface BeginningOptions {
  readonly configuration: Configuration;
  /** The command's full name, e.g. `hawser ssh`. */
  readonly command: string;
  /** The workspace as typed. */
  readonly input: string;
  /** The user's word; the deployment's counts as well. */
  readonly disablesDirect: boolean;
  /** With other runs of this program. @default false */
  readonly sharesTunnel?: boolean;
  /** Whether an SSH connection is to be held as well for sessions of others. @default false */
  readonly keepsSsh?: boolean;
  /** Begun over whichever tunnel has begun. @default nothing */
  readonly early?: EarlyStart | undefined;
}

/** A tunnel that has begun, and what it was begun with. */
export interface Begun {
  readonly info: ConnectionInfo;
  readonly tunnel: AgentTunnel;
}

interface Guess {
  readonly known: Remembered;
  readonly tunnel: AgentTunnel;
  /** What the server says now; rejects as the request does. */
  readonly info: Promise<ConnectionInfo>;
}

export class TunnelBeginning {
  readonly #steps: Steps;
  readonly #options: BeginningOptions;
  readonly #place: MemoryPlace;
  readonly #memory: Promise<Memory>;
  readonly #guess: Promise<Guess | undefined>;
  #begun: Promise<Begun> | undefined;
  /** What the tunnel was begun with. */
  #used: Remembered | undefined;
  #wentByWebTerminal = false;
  /** What must have ended when we are closed. */
  readonly #ending: Promise<void>[] = [];

  constructor(steps: Steps, options: BeginningOptions) {
    this.#steps = steps;
    this.#options = options;
    this.#place = { host: steps.host, deployment: steps.client.url, log: steps.log };
    this.#memory = recall(this.#place, options.input);
    this.#guess = this.#makeGuess();
    this.#guess.catch(() => {}); // told by `begun`
  }

  /** The agent is known. */
  begin(agentId: string): void {
    this.#begun ??= this.#begin(agentId);
    this.#begun.catch(() => {}); // told by `begun`
  }

  /** The tunnel to the agent that `begin` was told. Rejects with `UserError`, `ApiError`, or the signal's reason. */
  async begun(): Promise<Begun> {
    if (this.#begun === undefined) throw new TypeError("begin() comes first");
    return await this.#begun;
  }

  /** Whether no relay was reached lately, and a shell went through the web terminal. */
  async wasOutOfReach(): Promise<boolean> {
    return (await this.#memory).webTerminalUntilMs !== undefined;
  }

  /** Should be called when a shell goes through the web terminal, because no relay was reached. */
  noteWebTerminal(): void {
    this.#wentByWebTerminal = true;
  }

  /** Closes whatever has begun; keeps for the next run what was learnt, which would only be in the way before. */
  async close(): Promise<void> {
    await this.#remember();
    const tunnels = [this.#guess, this.#begun].map(async (begun) => {
      // Why there is none was told by `begun`, or the caller has another reason to give up.
      const tunnel = await begun?.then((it) => it?.tunnel, () => undefined);
      await tunnel?.close();
    });
    await Promise.all(tunnels);
    await Promise.all(this.#ending);
  }

  async #remember(): Promise<void> {
    const used = this.#used;
    if (used === undefined) return;
    const memory = await this.#memory;
    const { tunnel } = await this.begun();
    const trace = tunnel.trace?.();
    const isKnown = used === memory.agent &&
      (trace === undefined || isLikeTrace(used.trace, trace));
    const agent = trace === undefined ? used : { ...used, trace };
    const { relayTransport } = await tunnel.diagnostics();
    const after = networkAfter(this.#place, memory, {
      transport: relayTransport,
      wentByWebTerminal: this.#wentByWebTerminal,
    });
    const { webTerminalUntilMs } = after;
    // Where the deployment wants it so, it will say so again.
    const { websocketUntilMs } = agent.info.derpForceWebsockets ? memory : after;
    if (
      isKnown && websocketUntilMs === memory.websocketUntilMs &&
      webTerminalUntilMs === memory.webTerminalUntilMs
    ) return;
    const learnt = { agent, websocketUntilMs, webTerminalUntilMs };
    this.#ending.push(remember(this.#place, this.#options.input, learnt));
  }

  async #makeGuess(): Promise<Guess | undefined> {
    const { client, log, signal } = this.#steps;
    const { agent: known } = await this.#memory;
    if (known === undefined) {
      // A first run finds no shared tunnel: it needs what it would do without then.
      this.#steps.host.tunnels.prepare();
      this.#options.early?.beginLater();
      return undefined;
    }
    log.debug("begins with the agent of the last run", { agentId: known.agentId });
    const info = getConnectionInfo(client, known.agentId, { signal });
    info.catch(() => {}); // asked again by `#begin`
    return { known, info, tunnel: await this.#start(known) };
  }

  async #begin(agentId: string): Promise<Begun> {
    const { client, log, signal } = this.#steps;
    const guess = await this.#guess;
    if (guess?.known.agentId === agentId) {
      const info = await guess.info.catch((error: unknown) => {
        if (signal.aborted) throw error;
        return undefined;
      });
      const { known, tunnel } = guess;
      const isSame = known.serverVersion === client.serverVersion &&
        JSON.stringify(known.info) === JSON.stringify(info);
      if (info !== undefined && isSame) {
        this.#used = known;
        return { info, tunnel };
      }
    }
    if (guess !== undefined) {
      log.debug("the last run's way to the agent is out of date");
      this.#ending.push(guess.tunnel.close());
    }
    const info = await retrying(
      this.#steps,
      () => getConnectionInfo(client, agentId, { signal }),
    );
    const known = { agentId, info, serverVersion: client.serverVersion };
    const tunnel = await this.#start(known);
    this.#used = known;
    return { info, tunnel };
  }

  async #start({ agentId, info, serverVersion, trace }: Remembered): Promise<AgentTunnel> {
    const { client, host, log } = this.#steps;
    const { configuration, command, disablesDirect, sharesTunnel, keepsSsh = false } =
      this.#options;
    const { websocketUntilMs } = await this.#memory;
    const sharing = sharesTunnel
      ? { sharing: (await import("./sharing.ts")).sharingPlan(host, { keepsSsh }) }
      : undefined;
    try {
      const tunnel = await host.tunnels.start({
        agentId,
        deploymentUrl: client.url,
        network: configuration.network,
        token: configuration.token,
        headers: configuration.headers,
        userAgent: userAgentOf(host, command),
        serverVersion,
        derpMap: info.derpMap,
        fetchDerpMap: async (signal) =>
          (await getConnectionInfo(client, agentId, { signal })).derpMap,
        forcesWebsocket: info.derpForceWebsockets,
        beginsWithWebsocket: websocketUntilMs !== undefined,
        ...(trace === undefined ? {} : { trace }),
        disablesDirect: disablesDirect || info.disableDirectConnections,
        ...sharing,
        log: log.child("net"),
      });
      this.#options.early?.begin(tunnel);
      return tunnel;
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      const hint = "The server may be older or newer than hawser knows";
      throw new UserError(error.message, { hint, cause: error });
    }
  }
}
