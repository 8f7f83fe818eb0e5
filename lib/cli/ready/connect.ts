/**
 * From a workspace's name to a tunnel that answers: the API's side and the network's side by side, each wait said aloud
 * (docs/protocol/ssh.md#names to #dialling). The tunnel is begun as soon as the agent is known, while checks and warnings go on.
 */
import { type Agent, isReady } from "../../coder/agent_model.ts";
import type { ConnectionInfo } from "../../coder/agents.ts";
import { StepError } from "../../coder/errors.ts";
import type { ByteStream } from "../../base/stream.ts";
import { formatElapsed } from "../../base/duration.ts";
import { type AgentTunnel, TunnelError } from "../../base/tunnel.ts";
import { waitForAgent } from "./agent_wait.ts";
import type { Configuration } from "../config/config.ts";
import type { Early, EarlyStart } from "./early.ts";
import { resolveTarget, type Target } from "./resolve_workspace.ts";
import { inStep, type Steps } from "./steps.ts";
import { TunnelBeginning } from "./tunnel_beginning.ts";
import { tunnelFailure, waitWords } from "./tunnel_words.ts";
import { findDocsUrl, warnAboutServer, warnAboutWorkspace } from "./warnings.ts";
import { VERSION } from "../version.ts";

export interface ConnectOptions {
  readonly configuration: Configuration;
  /** The command's full name, e.g. `hawser ssh`. */
  readonly command: string;
  /** The workspace as typed. */
  readonly input: string;
  readonly hostPrefix: string;
  readonly hostnameSuffix: string;
  readonly disableAutostart: boolean;
  readonly wait: "yes" | "no" | "auto";
  readonly noVersionWarning: boolean;
  readonly noFeatureWarning: boolean;
  /** The user's word; the deployment's counts as well. */
  readonly disablesDirect: boolean;
  /** With other runs of this program. */
  readonly sharesTunnel: boolean;
  /** Whether an SSH connection is to be held with it for their sessions. @default false */
  readonly keepsSsh?: boolean;
  /** Begun over the tunnel while the deployment is being asked; given up unless it says at once that the workspace runs. @default nothing */
  readonly early?: EarlyStart;
}

/** A workspace that is ready and a tunnel to it that has begun. Disposing it closes the tunnel. */
export interface Connected extends AsyncDisposable {
  readonly target: Target;
  /** As last seen. */
  readonly agent: Agent;
  readonly info: ConnectionInfo;
  readonly tunnel: AgentTunnel;
  /** Whether no relay was reached lately, and a shell went through the web terminal. */
  readonly wasOutOfReach: boolean;
  /** Should be called when one goes that way now. */
  readonly noteWebTerminal: () => void;
}

const STATUS_POLL_MS = 250;

/** Finds and starts the workspace, waits for its agent, and begins a tunnel. Throws `UserError`, `ApiError`, `StepError`, or the signal's reason. */
export async function connect(steps: Steps, options: ConnectOptions): Promise<Connected> {
  // Loading the network takes as long as the first requests: both at once. Who finds a shared tunnel needs none of it.
  if (!options.sharesTunnel) steps.host.tunnels.prepare();
  const beginning = new TunnelBeginning(steps, options);
  try {
    const { target, agent } = await makeReady(steps, options, (id) => beginning.begin(id));
    const { info, tunnel } = await beginning.begun();
    const close = async () => {
      const { bytesIn, bytesOut } = tunnel.traffic;
      steps.log.info("leaving the network", { bytesIn, bytesOut });
      await beginning.close();
    };
    return {
      target,
      agent,
      info,
      tunnel,
      wasOutOfReach: await beginning.wasOutOfReach(),
      noteWebTerminal: () => beginning.noteWebTerminal(),
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await options.early?.close();
    await beginning.close();
    throw error;
  }
}

/** A workspace that runs, and its agent. */
export type Ready = Pick<Connected, "target" | "agent">;

/**
 * Finds and starts the workspace, and waits for its agent, which is told to `onAgent` as soon as it is known. Throws `UserError`,
 * `ApiError`, `StepError`, or the signal's reason.
 */
export async function makeReady(
  steps: Steps,
  options: ConnectOptions,
  onAgent: (agentId: string) => void = () => {},
): Promise<Ready> {
  const docsUrl = findDocsUrl(steps);
  docsUrl.catch(() => {}); // told below
  const { early } = options;
  const target = await resolveTarget(steps, { ...options, onWait: () => early?.giveUp() });
  const { agent: last } = target;
  if (last.status !== "connected" || !isReady(last.lifecycle)) early?.giveUp();
  onAgent(last.id);
  await warnAboutServer(steps, { ...options, version: VERSION });
  await warnAboutWorkspace(steps, target);
  const agent = await waitForAgent(steps, {
    agentId: last.id,
    last,
    wait: options.wait,
    docsUrl: await docsUrl,
  });
  return { target, agent };
}

/**
 * Opens a TCP port of the agent once it answers, and keeps saying what that takes. Throws `StepError`, or the signal's
 * reason.
 */
export async function openAgentPort(
  steps: Steps,
  tunnel: AgentTunnel,
  to: {
    readonly port: number;
    /** Has opened it, perhaps. @default nothing has */
    readonly early?: Early<ByteStream> | undefined;
    /** See `ReachOptions`. */
    readonly patienceMs?: number | undefined;
    readonly signal: AbortSignal;
  },
): Promise<ByteStream> {
  const { port, early, patienceMs, signal } = to;
  const open = () =>
    inStep(
      signal,
      "connect SSH",
      async () => await early?.take(tunnel, signal) ?? await tunnel.openTcp(port, signal),
    );
  return await whenReachable(steps, tunnel, { signal, patienceMs }, open);
}

export interface ReachOptions {
  readonly signal: AbortSignal;
  /** How long relay and coordinator may keep us waiting. @default as long as they are tried */
  readonly patienceMs?: number | undefined;
  /** What people are told while it takes. @default that the agent is being connected to */
  readonly what?: string;
  /** The words before what is waited for. @default "Connecting" */
  readonly lead?: string;
}

/** Runs `body` once the agent answers, and says what that takes. Throws `StepError`, or the signal's reason. */
export async function whenReachable<T>(
  { progress, host }: Steps,
  tunnel: AgentTunnel,
  options: ReachOptions,
  body: () => Promise<T>,
): Promise<T> {
  const { signal, patienceMs, what = "Connecting to the workspace agent", lead = "Connecting" } =
    options;
  return await progress.during(what, async (wait) => {
    const over = new AbortController();
    const now = (words: string) => wait.now(`${lead}: waiting for ${words}`);
    const telling = tell(tunnel, now, { clock: host.clock, signal: over.signal });
    try {
      if (patienceMs !== undefined) {
        await anyAnswer(tunnel, { patienceMs, clock: host.clock, signal });
      }
      await tunnel.reachable(signal);
    } catch (error) {
      if (signal.aborted) throw error;
      throw new StepError("dial agent", tunnelFailure(error));
    } finally {
      over.abort();
      await telling;
    }
    return await body();
  });
}

/** Resolves when the tunnel is reachable, or not for want of a network. Rejects as `reachable` does, and when time is over. */
async function anyAnswer(
  tunnel: AgentTunnel,
  { patienceMs, clock, signal }: {
    readonly patienceMs: number;
    readonly clock: Steps["host"]["clock"];
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const reached = new AbortController();
  const stop = AbortSignal.any([signal, reached.signal]);
  const isLate = clock.sleep(patienceMs, stop).then(() => true);
  try {
    if (!await Promise.race([tunnel.reachable(signal), isLate])) return;
  } finally {
    reached.abort();
    await isLate.catch(() => {}); // called off
  }
  const status = tunnel.status();
  const reason = `no answer within ${formatElapsed(patienceMs)}, nor lately`;
  if (status.step === "relay") {
    const relay = status.relay ?? "nearest";
    throw new TunnelError({ kind: "relayUnreachable", relay, reason });
  }
  if (status.step === "coordinator") {
    throw new TunnelError({ kind: "coordinatorUnreachable", reason });
  }
}

async function tell(
  tunnel: AgentTunnel,
  now: (words: string) => void,
  options: { readonly clock: Steps["host"]["clock"]; readonly signal: AbortSignal },
): Promise<void> {
  const { clock, signal } = options;
  while (!signal.aborted) {
    const status = tunnel.status();
    if (status.step !== "reachable") now(waitWords(status));
    try {
      await clock.sleep(STATUS_POLL_MS, signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }
}
