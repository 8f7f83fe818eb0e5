/**
 * `--stdio`: raw bytes between standard input and output and the agent's SSH server (docs/protocol/ssh.md#stdio), through our own
 * tunnel or through Coder Connect (docs/protocol/ssh.md#coder-connect), whichever is open first.
 */
import type { ByteStream } from "../../base/stream.ts";
import { AGENT_SSH_PORT } from "../../tailnet/agent_ports.ts";
import type { RaceResult } from "../ready/coder_connect.ts";
import {
  coderConnectHost,
  dialCoderConnect,
  isInCoderConnect,
  raceCoderConnect,
} from "../ready/coder_connect.ts";
import { type Connected, openAgentPort } from "../ready/connect.ts";
import type { Early } from "../ready/early.ts";
import { sayGoodbye } from "../ready/goodbye.ts";
import { ExitError } from "../terminal/errors.ts";
import type { SshOptions } from "../grammar/flags_ssh.ts";
import { lossWithSilence } from "./silence_words.ts";
import { SessionEnded, startBackground } from "./ssh_background.ts";
import { type EarlyInput, pipeStdio } from "./stdio_pipe.ts";
import type { Steps } from "../ready/steps.ts";

export interface StdioOptions {
  readonly options: SshOptions;
  readonly input: EarlyInput;
  /** Has opened the agent's port, perhaps. */
  readonly early: Early<ByteStream>;
  /** Called when the agent's port is open. */
  readonly onOpen: () => void;
}

const CONNECTION_LOST_CODE = 255;

/** Carries bytes until the agent ends the stream; the exit code. Throws `ExitError` 255 when the transport was lost. */
export async function runStdio(
  steps: Steps,
  connected: Connected,
  { input, options, early, onOpen }: StdioOptions,
): Promise<number> {
  const { host, signal, progress, log } = steps;
  const { stream, via } = await openSsh(steps, connected, { options, early });
  early.giveUp();
  onOpen();
  log.info("connected", { via });
  await using background = await startBackground(steps, connected, { options, via });
  const over = AbortSignal.any([signal, background.ended]);
  // OpenSSH ends its ProxyCommand with SIGHUP: both sides get their goodbye.
  const onAbort = () => stream.abort("Interrupted");
  over.addEventListener("abort", onAbort, { once: true });
  try {
    const end = await pipeStdio(stream, { input, output: host.stdout, signal: over });
    const isReset = signal.aborted || end.kind === "unread" || end.kind === "failed";
    if (isReset && via === "tunnel") await sayGoodbye(host, connected.tunnel);
    if (end.kind === "failed") throw end.error;
    const { reason } = background.ended;
    if (reason instanceof SessionEnded) {
      if (reason.isLost) throw new ExitError(CONNECTION_LOST_CODE, reason.message);
      progress.line(reason.message);
    } else if (end.kind === "lost") {
      const stopped = await background.whyLost();
      if (stopped !== undefined) {
        progress.line(stopped.message);
        return 0;
      }
      const why = lossWithSilence(end.message, connected.tunnel.silence());
      throw new ExitError(
        CONNECTION_LOST_CODE,
        `hawser: connection to the workspace lost: ${why}`,
      );
    }
    return 0;
  } finally {
    over.removeEventListener("abort", onAbort);
  }
}

async function openSsh(
  steps: Steps,
  connected: Connected,
  { options, early }: Pick<StdioOptions, "options" | "early">,
): Promise<RaceResult> {
  const { host, signal } = steps;
  const { clock, sockets } = host;
  const { workspace, agent } = connected.target;
  const tunnel = (stop: AbortSignal) =>
    openAgentPort(steps, connected.tunnel, { port: AGENT_SSH_PORT, early, signal: stop });
  const hostname = coderConnectHost(
    { agent: agent.name, workspace: workspace.name, owner: workspace.ownerName },
    connected.info.hostnameSuffix,
  );
  if (hostname === undefined || options.forceNewTunnel) {
    return { via: "tunnel", stream: await tunnel(signal) };
  }
  return await raceCoderConnect({
    tunnel,
    coderConnect: async (stop) => {
      const isThere = await isInCoderConnect(hostname, {
        clock,
        lookupIpv6: (name, stop) => host.lookupIpv6(name, stop),
        signal: stop,
      });
      if (!isThere) return undefined;
      return await dialCoderConnect(hostname, {
        clock,
        connect: (target, stop) => sockets.connect(target, stop),
        signal: stop,
      });
    },
    signal,
  });
}
