/** A session of our own: shell or command over SSH to the agent, with everything that goes with it (behaviour §1.10, §1.14). */
import { UserError } from "../base/errors.ts";
import { StepError } from "../coder/errors.ts";
import { AGENT_SSH_PORT } from "../mod.ts";
import { connectSsh } from "../ssh/connection.ts";
import { CONNECTION_LOST_CODE } from "../ssh/ends.ts";
import { parseEscapeChar } from "../ssh/escape.ts";
import { runTerminalSession, wantsPty } from "../ssh/terminal_session.ts";
import type { Connected } from "./connect.ts";
import { ExitError } from "./errors.ts";
import type { SshOptions } from "./flags_ssh.ts";
import type { Interrupt } from "./interrupt.ts";
import { startBackground, WorkspaceEnded } from "./ssh_background.ts";
import { parseEnvSettings } from "./ssh_checks.ts";
import type { Steps } from "./steps.ts";

export interface SessionOptions {
  readonly options: SshOptions;
  readonly interrupt: Interrupt;
  /** Empty: a shell. */
  readonly command: string;
}

/** Runs the session to its end; the exit code. Throws `ExitError` 255 when the connection was lost. */
export async function runSession(
  steps: Steps,
  connected: Connected,
  session: SessionOptions,
): Promise<number> {
  const { host, signal, log } = steps;
  const { options, interrupt } = session;
  await using background = startBackground(steps, connected, options);
  const over = AbortSignal.any([signal, background.ended]);
  try {
    const stream = await openSsh(steps, connected);
    await using connection = await connectSsh(stream, {
      clock: host.clock,
      keepalive: { intervalMs: options.keepaliveIntervalMs, countMax: options.keepaliveCount },
      signal: over,
    });
    const command = session.command === "" ? undefined : session.command;
    const term = host.env("TERM");
    const outcome = await runTerminalSession(connection, terminalOf(steps), {
      ...(command === undefined ? {} : { command }),
      pty: wantsPty({ command, tty: options.tty, stdin: host.stdin }),
      ...(term ? { term } : {}),
      env: parseEnvSettings(options.env).map(({ name, value }) => [name, value] as const),
      escapeChar: escapeCharOf(options.escapeChar),
      onStarted: () => log.info("session started"),
      interruptedBy: () => interrupt.signalName,
      signal: over,
    });
    if (outcome.detail !== undefined) log.warn("session lost", { reason: outcome.detail });
    if (outcome.message === undefined) return outcome.exitCode;
    const why = outcome.detail === undefined ? "" : `\n${outcome.detail}`;
    throw new ExitError(outcome.exitCode, outcome.message + why);
  } catch (error) {
    if (background.ended.aborted && background.ended.reason instanceof WorkspaceEnded) {
      throw new ExitError(CONNECTION_LOST_CODE, background.ended.reason.message);
    }
    if (interrupt.exitCode !== undefined) throw new ExitError(interrupt.exitCode);
    throw error;
  }
}

async function openSsh(steps: Steps, connected: Connected) {
  try {
    return await connected.tunnel.openTcp(AGENT_SSH_PORT, steps.signal);
  } catch (error) {
    if (steps.signal.aborted) throw error;
    throw new StepError("connect SSH", error);
  }
}

function terminalOf({ host }: Steps) {
  return {
    stdin: host.stdin,
    stdout: host.stdout,
    stderr: host.stderr,
    onResize: (handler: () => void) => host.onSignal("SIGWINCH", handler),
    ...(host.suspend === undefined ? {} : { suspend: host.suspend }),
  };
}

/** The escape character's byte. Throws `UserError` for a text that names none. */
export function escapeCharOf(text: string): number | "none" {
  try {
    return parseEscapeChar(text) ?? "none";
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new UserError(error.message, { hint: "Give --escape-char one character, ^X or none" });
  }
}
