/**
 * A session of our own: shell or command over SSH to the agent, with its host key, forwards and terminal (docs/protocol/ssh.md#interactive-session, #exit-codes-and-errors,
 * #remote-forwards), or `-W` and `-N`.
 */
import type { HostInput } from "../../base/host.ts";
import { untilAborted } from "../../base/abort.ts";
import type { SessionRequest } from "../../base/session.ts";
import type { ByteStream } from "../../base/stream.ts";
import type { Agent } from "../../coder/agent_model.ts";
import { prepareAgentForward } from "../../ssh/agent_forward.ts";
import { connectSsh, type SshConnection } from "../../ssh/connection.ts";
import { CONNECTION_LOST_CODE, CONNECTION_LOST_TEXT, type SessionOutcome } from "../../ssh/ends.ts";
import { sshFarSide } from "../../ssh/far_side.ts";
import {
  parseDynamicForward,
  parseLocalForward,
  parseRemoteForward,
  parseStdioForward,
} from "../../ssh/forward_spec.ts";
import { type ForwardSet, startForwards } from "../../ssh/forwards.ts";
import { startGpgForward } from "../../ssh/gpg_forward.ts";
import { runStdioForward } from "../../ssh/stdio_forward.ts";
import { runTerminalSession, type TerminalHost, wantsPty } from "../../ssh/terminal_session.ts";
import { AGENT_SSH_PORT } from "../../tailnet/agent_ports.ts";
import type { SshOptions } from "../grammar/flags_ssh.ts";
import { type Connected, openAgentPort } from "../ready/connect.ts";
import type { Early } from "../ready/early.ts";
import type { Steps } from "../ready/steps.ts";
import { hostKeyVerifier } from "./host_key.ts";
import {
  exitCodeOf,
  reasonOf,
  sayingSilencesOf,
  type SessionBasics,
  silenceLineOf,
  terminalOf,
} from "./session_end.ts";
import { startBackground } from "./ssh_background.ts";
import { type EnvSetting, escapeCharOf, parseEnvSettings } from "./ssh_checks.ts";
import { terminalType } from "./terminal_type.ts";

export interface SessionOptions extends SessionBasics {
  /** Has opened the agent's port, perhaps. @default nothing has */
  readonly early?: Early<ByteStream>;
  /** How long the network is tried before a shell goes another way. @default as long as makes sense */
  readonly patienceMs?: number | undefined;
  /** What leads into a container. */
  readonly containerVariables: readonly EnvSetting[];
  /** The keyboard for this session. @default standard input itself */
  readonly lendInput?: () => HostInput;
  /** What runs in the connection. @default the shell or command, or what `-W` and `-N` say */
  readonly keep?: (running: Running) => Promise<SessionOutcome>;
}

/** Runs the session to its end; the exit code. Throws `ExitError` 255 when the connection was lost. */
export async function runSession(
  steps: Steps,
  connected: Connected,
  session: SessionOptions,
): Promise<number> {
  const { host, signal } = steps;
  const { options, interrupt } = session;
  const stream = await openAgentPort(steps, connected.tunnel, {
    port: AGENT_SSH_PORT,
    early: session.early,
    patienceMs: session.patienceMs,
    signal,
  });
  await using background = await startBackground(steps, connected, { options, via: "tunnel" });
  const over = AbortSignal.any([signal, background.ended]);
  try {
    const dialAgent = await findAgentDialler(steps, options);
    await using connection = await connectSsh(stream, {
      clock: host.clock,
      ...(dialAgent === undefined ? {} : { dialAgent }),
      keepalive: { intervalMs: options.keepaliveIntervalMs, countMax: options.keepaliveCount },
      verifyHostKey: hostKeyVerifier(steps, connected, session),
      opensSession: !options.noCommand && options.stdioForward === "",
      signal: over,
    });
    await using forwards = await makeForwards(steps, connection, options);
    await using _gpg = await forwardGpg(steps, connection, { options, agent: connected.agent });
    const settings = parseEnvSettings(options.env);
    const variables = [...settings, ...session.containerVariables];
    await using _saying = sayingSilencesOf({ steps, connected, session });
    const outcome = await runKind({
      steps,
      connected,
      connection,
      forwards,
      session,
      forwardsAgent: dialAgent !== undefined,
      terminal: terminalOf(steps, session.lendInput?.() ?? host.stdin),
      term: terminalType(host.env("TERM"), settings),
      settings,
      env: variables.map(({ name, value }) => [name, value] as const),
      signal: over,
    });
    return await exitCodeOf(outcome, { steps, connected, session, background });
  } catch (error) {
    throw reasonOf(error, { background, interrupt });
  }
}

/** A connection that stands, and what the session in it is made of. */
export interface Running {
  readonly steps: Steps;
  readonly connected: Connected;
  readonly connection: SshConnection;
  readonly forwards: ForwardSet;
  readonly session: SessionOptions;
  readonly forwardsAgent: boolean;
  readonly terminal: TerminalHost;
  /** The terminal's type for the workspace. */
  readonly term: string;
  /** What `--env` says. */
  readonly settings: readonly EnvSetting[];
  /** Variables of the session: those, and what leads into a container. */
  readonly env: NonNullable<SessionRequest["env"]>;
  readonly signal: AbortSignal;
}

async function runKind(running: Running): Promise<SessionOutcome> {
  const { steps: { host, log }, connection, forwards, session, signal } = running;
  const { options, interrupt } = session;
  if (session.keep !== undefined) return await session.keep(running);
  if (options.stdioForward !== "") {
    const target = parseStdioForward(options.stdioForward);
    return await runStdioForward(connection, host, { ...target, signal });
  }
  if (options.noCommand) return await runForwardsOnly(running);
  const command = session.command === "" ? undefined : session.command;
  return await runTerminalSession(connection, running.terminal, {
    ...(command === undefined ? {} : { command }),
    pty: wantsPty({ command, tty: options.tty, stdin: host.stdin }),
    term: running.term,
    env: running.env,
    forwardAgent: running.forwardsAgent,
    escapeChar: escapeCharOf(options.escapeChar),
    ...silenceLineOf(running),
    listForwards: () => forwards.list(),
    onStarted: () => log.info("session started"),
    interruptedBy: () => interrupt.signalName,
    signal,
  });
}

/** `-N`: nothing runs there; the forwards live until we are interrupted or the connection ends. */
async function runForwardsOnly({ connection, signal }: Running): Promise<SessionOutcome> {
  const end = await untilAborted(connection.closed, signal);
  return {
    exitCode: CONNECTION_LOST_CODE,
    message: CONNECTION_LOST_TEXT,
    ...(end.kind === "closed" ? {} : { detail: end.message }),
  };
}

async function findAgentDialler(steps: Steps, options: SshOptions) {
  if (!options.forwardAgent) return undefined;
  const { host, progress } = steps;
  return await prepareAgentForward({
    lookup: {
      identityAgent: options.identityAgent,
      env: (name) => host.env(name),
      os: host.os,
      ...(host.os === "windows" ? { pipes: await host.sockets.listPipes() } : {}),
    },
    sockets: host.sockets,
    isExplicit: options.isAgentExplicit,
    warn: (line) => progress.line(line),
  });
}

/** The forward of GnuPG's agent; disposing it leaves the workspace clean. `undefined` when it was not asked for. */
async function forwardGpg(
  { host, progress }: Steps,
  connection: SshConnection,
  { options, agent }: { readonly options: SshOptions; readonly agent: Agent },
): Promise<AsyncDisposable | undefined> {
  if (!options.forwardGpg) return undefined;
  const forward = await progress.during(
    "Setting up GPG forwarding",
    () =>
      startGpgForward(connection, {
        os: host.os,
        sockets: host.sockets,
        run: (program, args, limits) => host.run(program, args, limits),
        readSocketFile: (path) => host.sockets.readSocketFile(path),
        env: (name) => host.env(name),
        print: (line) => progress.line(line),
      }, { workspaceOs: agent.operatingSystem }),
  );
  return { [Symbol.asyncDispose]: () => forward.close() };
}

async function makeForwards(
  steps: Steps,
  connection: SshConnection,
  options: SshOptions,
): Promise<ForwardSet> {
  return await startForwards(
    sshFarSide(connection),
    {
      sockets: steps.host.sockets,
      print: (line) => steps.progress.line(line),
      now: () => steps.host.clock.now(),
    },
    {
      local: options.localForwards.map(parseLocalForward),
      dynamic: options.dynamicForwards.map(parseDynamicForward),
      remote: options.remoteForwards.map(parseRemoteForward),
    },
    { exitOnFailure: options.exitOnForwardFailure },
  );
}
