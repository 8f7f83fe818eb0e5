/**
 * The course of `ssh` once its arguments are read: configuration, workspace, tunnel, then raw bytes or a session. Shared by
 * `ssh`, `vscodessh` and `demo`.
 */
import { untilAborted } from "../../base/abort.ts";
import type { Log } from "../../base/log.ts";
import { TunnelError } from "../../base/tunnel.ts";
import { findCause } from "../../coder/errors.ts";
import { createClient } from "../config/client.ts";
import { readConfiguration } from "../config/config.ts";
import { connect, type Connected, type ConnectOptions } from "../ready/connect.ts";
import { containerEnv } from "./containers.ts";
import { type GlobalOptions, sharesTunnel } from "../grammar/flags_global.ts";
import type { SshOptions } from "../grammar/flags_ssh.ts";
import type { Host } from "../../base/host.ts";
import { Interrupt } from "../terminal/interrupt.ts";
import { prepareNetworkInfo } from "./network_info.ts";
import { pickWorkspace } from "../ready/picker.ts";
import type { Progress } from "../terminal/progress.ts";
import { runStdio } from "./ssh_stdio.ts";
import { EarlyInput } from "./stdio_pipe.ts";
import { EarlySsh, mayShareSsh } from "./early_ssh.ts";
import { createSteps } from "../ready/steps.ts";
import { mayGoInstead } from "./web_terminal/check.ts";

export interface SshPlan {
  readonly global: GlobalOptions;
  readonly options: SshOptions;
  /** As typed; `undefined` lets the user pick one. */
  readonly workspace: string | undefined;
  /** Empty: a shell. */
  readonly command: string;
  /** The full name, e.g. `hawser ssh`. */
  readonly name: string;
  readonly progress: Progress;
  readonly log: Log;
}

/** Thrown to itself when OpenSSH went away while there was no session yet. */
class ClientGone extends Error {
  override name = "ClientGone";
}

/** A network that let nobody in lately is tried for so long again: people come and go. */
const OUT_OF_REACH_MS = 2_000;
/** How often to look whether whoever started us is still there. */
const PARENT_POLL_MS = 1_000;

/** Runs to the end; the exit code. Throws what `reportError` can tell. */
export async function runSsh(host: Host, plan: SshPlan): Promise<number> {
  const { global, options, log, progress } = plan;
  using interrupt = new Interrupt(host);
  // From the first instant: OpenSSH speaks first.
  const input = options.stdio ? new EarlyInput(host.stdin) : undefined;
  const isWebOnly = options.webTerminal === "yes";
  const mayShare = !isWebOnly && sharesTunnel(global) && mayShareSsh(options);
  const loading = new SessionLoading();
  const opening = new AbortController();
  if (input !== undefined) watchInput(host, input, { interrupt, signal: opening.signal });
  try {
    const configuration = await readConfiguration(host, { ...global, log }, interrupt.signal);
    const client = createClient(host, {
      configuration,
      command: plan.name,
      log: log.child("api"),
      ...(global.debugHttp ? { onHttp: (line: string) => progress.line(line) } : {}),
    });
    if (options.networkInfoDir !== "") await prepareNetworkInfo(host, options.networkInfoDir);
    if (global.disableDirectConnections) progress.line("Direct connections disabled.");
    const steps = createSteps({ host, client, progress, log, signal: interrupt.signal });
    const workspace = plan.workspace ?? await pickWorkspace(steps, options);
    if (workspace === undefined) return 1;
    // Loading SSH takes as long as reaching the workspace, and nothing else runs meanwhile: it begins when the network is waited for.
    // Raw bytes never pay for it.
    const onOwn = () => input === undefined && loading.begin();
    using early = new EarlySsh(steps, { mayShare, onOwn });
    const connectOptions: ConnectOptions = {
      configuration,
      command: plan.name,
      input: workspace,
      hostPrefix: options.sshHostPrefix,
      hostnameSuffix: options.hostnameSuffix,
      disableAutostart: options.disableAutostart,
      wait: options.wait,
      noVersionWarning: global.noVersionWarning,
      noFeatureWarning: global.noFeatureWarning,
      disablesDirect: global.disableDirectConnections,
      sharesTunnel: sharesTunnel(global),
      keepsSsh: mayShare,
    };
    const prepare = async (connected: Connected) => ({
      options,
      configuration,
      interrupt,
      command: plan.command,
      wayBack: `${plan.name} --persist ${workspace}`,
      containerVariables: await containerEnv(steps, {
        agentId: connected.agent.id,
        container: options.container,
        containerUser: options.containerUser,
      }),
    });
    const shell = {
      command: plan.command,
      isTerminal: host.stdin.isTerminal && host.stdout.isTerminal,
    };
    /** Throws what is not for the web terminal to mend. */
    const goInstead = async (error: unknown) => {
      if (findCause(error, TunnelError) === undefined) throw error;
      const { goesInstead } = await import("./web_terminal/instead.ts");
      if (!goesInstead(error, { ...shell, options, progress })) throw error;
    };
    if (options.persist !== "" || options.listPersistent) {
      onOwn();
      const { runPersistent } = await import("./persist/run.ts");
      try {
        return await runPersistent(steps, { connect: connectOptions, prepare, interrupt, options });
      } catch (error) {
        await goInstead(error); // never: it says so, and throws
      }
    } else if (!isWebOnly) {
      await using connected = await connect(steps, { ...connectOptions, early });
      const session = await prepare(connected);
      if (input !== undefined) {
        const onOpen = () => opening.abort();
        return await runStdio(steps, connected, { options, input, early: early.port, onOpen });
      }
      if (mayShare) {
        const { runHeldSession } = await import("./held_session.ts");
        const code = await runHeldSession(steps, connected, { ...session, early: early.held });
        if (code !== undefined) return code;
      }
      const { runSession } = await loading.begin();
      const isHasty = connected.wasOutOfReach && mayGoInstead(options, shell);
      const patienceMs = isHasty ? OUT_OF_REACH_MS : undefined;
      try {
        return await runSession(steps, connected, { ...session, early: early.port, patienceMs });
      } catch (error) {
        await goInstead(error);
        connected.noteWebTerminal();
      }
    }
    const { runWebTerminal } = await import("./web_terminal/run.ts");
    return await runWebTerminal(steps, { connect: connectOptions, options, interrupt });
  } catch (error) {
    if (error instanceof ClientGone) return 0;
    throw error;
  } finally {
    opening.abort();
  }
}

/**
 * While there is no session yet: input that cannot be read ends us, and so does the end of the input when whoever started us has
 * gone as well, as an SSH client that was killed. The end alone does not: there is still an answer to give.
 */
function watchInput(
  host: Host,
  input: EarlyInput,
  { interrupt, signal }: { readonly interrupt: Interrupt; readonly signal: AbortSignal },
): void {
  const { parentPid, clock } = host;
  const watch = async () => {
    await untilAborted(input.ended, signal);
    if (input.failure !== undefined) throw input.failure;
    while (host.parentPid === parentPid) await clock.sleep(PARENT_POLL_MS, signal);
    throw new ClientGone();
  };
  watch().catch((reason: unknown) => {
    if (!signal.aborted) interrupt.cancel(reason);
  });
}

/** The code of a session of our own, loaded once. */
class SessionLoading {
  #loading: Promise<typeof import("./ssh_session.ts")> | undefined;

  begin(): Promise<typeof import("./ssh_session.ts")> {
    if (this.#loading === undefined) {
      this.#loading = loadSession();
      this.#loading.catch(() => {}); // told by whoever waits for it
    }
    return this.#loading;
  }
}

async function loadSession(): Promise<typeof import("./ssh_session.ts")> {
  const [session, { loadSsh2 }] = await Promise.all([
    import("./ssh_session.ts"),
    import("../../ssh/ssh2_load.ts"),
  ]);
  loadSsh2().catch(() => {}); // told by the session, which loads it again
  return session;
}
