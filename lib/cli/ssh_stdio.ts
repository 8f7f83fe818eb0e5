/** `--stdio`: raw bytes between standard input and output and the agent's SSH server (behaviour §1.9). */
import { StepError } from "../coder/errors.ts";
import { AGENT_SSH_PORT } from "../mod.ts";
import type { Connected } from "./connect.ts";
import { ExitError } from "./errors.ts";
import type { SshOptions } from "./flags_ssh.ts";
import { type EarlyInput, pipeStdio } from "./stdio_pipe.ts";
import { startBackground, WorkspaceEnded } from "./ssh_background.ts";
import type { Steps } from "./steps.ts";

export interface StdioOptions {
  readonly options: SshOptions;
  readonly input: EarlyInput;
}

/** Carries bytes until the agent ends the stream; the exit code. Throws `ExitError` 255 when the transport was lost. */
export async function runStdio(
  steps: Steps,
  connected: Connected,
  { input, options }: StdioOptions,
): Promise<number> {
  const { host, signal, progress } = steps;
  const { tunnel } = connected;
  const stream = await tunnel.openTcp(AGENT_SSH_PORT, signal).catch((error) => {
    if (signal.aborted) throw error;
    throw new StepError("connect SSH", error);
  });
  // OpenSSH ends its ProxyCommand with SIGHUP: both sides get their goodbye.
  await using background = startBackground(steps, connected, options);
  const over = AbortSignal.any([signal, background.ended]);
  const onAbort = () => stream.abort("Interrupted");
  over.addEventListener("abort", onAbort, { once: true });
  try {
    const end = await pipeStdio(stream, input, host.stdout);
    if (background.ended.aborted && background.ended.reason instanceof WorkspaceEnded) {
      progress.line(background.ended.reason.message);
    } else if (end.kind === "lost" && !over.aborted) {
      throw new ExitError(255, `hawser: connection to the workspace lost: ${end.message}`);
    }
    return 0;
  } finally {
    over.removeEventListener("abort", onAbort);
  }
}
