/** What sessions have in common, whoever's SSH connection they run in: their terminal, and how they end. */
import type { Host, HostInput, HostOutput } from "../../base/host.ts";
import type { Log } from "../../base/log.ts";
import { CONNECTION_LOST_CODE, type SessionOutcome } from "../../ssh/ends.ts";
import {
  type TerminalHost,
  type TerminalSessionOptions,
  wantsPty,
} from "../../ssh/terminal_session.ts";
import type { Configuration } from "../config/config.ts";
import type { SshOptions } from "../grammar/flags_ssh.ts";
import type { Connected } from "../ready/connect.ts";
import type { Steps } from "../ready/steps.ts";
import { ExitError } from "../terminal/errors.ts";
import type { Interrupt } from "../terminal/interrupt.ts";
import { printText } from "../terminal/print.ts";
import { silenceLine } from "./silence_line.ts";
import { sayingSilences } from "./silence_wait.ts";
import { lossWithSilence } from "./silence_words.ts";
import { type Background, SessionEnded } from "./ssh_background.ts";
import { escapeCharOf } from "./ssh_checks.ts";

export interface SessionBasics {
  readonly options: SshOptions;
  readonly configuration: Configuration;
  readonly interrupt: Interrupt;
  /** Empty: a shell. */
  readonly command: string;
  /** The command for a shell that is kept, e.g. `hawser ssh --persist dev`. */
  readonly wayBack: string;
}

/** The way to the workspace was lost, or the workspace itself: ends the command with 255. */
export class SessionLost extends ExitError {
  override name = "SessionLost";
  /** Whether the workspace itself stopped, and all that ran there. */
  readonly isGone: boolean;

  constructor(message: string, options: { readonly isGone?: boolean } = {}) {
    super(CONNECTION_LOST_CODE, message);
    this.isGone = options.isGone ?? false;
  }
}

/** A session, and what goes on around it. */
export interface Surroundings {
  readonly steps: Steps;
  readonly connected: Connected;
  readonly session: SessionBasics;
  readonly background: Background;
}

/** Whose session it was, as far as its end goes. */
export interface EndOf {
  readonly log: Log;
  readonly background: Background;
  /** What to say of a session whose way was lost, in whole lines. */
  readonly lostWords: (lost: { readonly message: string; readonly detail: string }) => string;
}

/** The exit code of a session that ended by itself. Throws `ExitError` when there is something to say, 255 when it was lost. */
export async function endOf(
  { message, detail, exitCode }: SessionOutcome,
  { log, background, lostWords }: EndOf,
): Promise<number> {
  if (detail !== undefined) log.warn("session lost", { reason: detail });
  if (message === undefined) return exitCode;
  if (detail === undefined) throw new ExitError(exitCode, message);
  const stopped = await background.whyLost();
  if (stopped !== undefined) throw goneOrLost(stopped);
  throw new SessionLost(lostWords({ message, detail }));
}

/** The same of a session by SSH over a tunnel. */
export async function exitCodeOf(
  outcome: SessionOutcome,
  { steps: { log }, connected, session, background }: Surroundings,
): Promise<number> {
  return await endOf(outcome, {
    log,
    background,
    lostWords: ({ message, detail }) => {
      const why = lossWithSilence(detail, connected.tunnel.silence());
      const help = why === detail ? "" : adviceFor(session);
      return `${message}\n${why}${help}`;
    },
  });
}

/** What to say of a session that `error` ended: what was told from outside comes first, then the signal that ended us. */
export function reasonOf(
  error: unknown,
  { background, interrupt }: {
    readonly background: Background;
    readonly interrupt: Pick<Interrupt, "exitCode">;
  },
): unknown {
  const { aborted, reason } = background.ended;
  if (aborted && reason instanceof SessionEnded) return goneOrLost(reason);
  if (interrupt.exitCode !== undefined) return new ExitError(interrupt.exitCode);
  return error;
}

/** What would go on over such an outage. */
function adviceFor({ options, command, wayBack }: SessionBasics): string {
  if (options.stdioForward !== "" || options.noCommand || options.persist !== "") return "";
  return command === ""
    ? `; next time, "${wayBack}" keeps the shell`
    : "; a command that is to outlive this runs under nohup or in tmux";
}

/** Why a session was ended from outside, as what ends the command. */
function goneOrLost({ message, isLost }: SessionEnded): SessionLost {
  return new SessionLost(message, { isGone: !isLost });
}

/**
 * Says a silence while a session lasts that draws on no terminal: a command whose output goes elsewhere, for whoever sees standard error,
 * and `-N`. Bytes of other programs, as with `-W`, mostly have somebody else's terminal around them.
 */
export function sayingSilencesOf(
  { steps, connected: { tunnel, target }, session: { options, command } }: Pick<
    Surroundings,
    "steps" | "connected" | "session"
  >,
): AsyncDisposable | undefined {
  const { stdin, stdout, stderr } = steps.host;
  const isPlain = command !== "" && options.stdioForward === "" &&
    !wantsPty({ command, tty: options.tty, stdin });
  const isShown = options.noCommand || (isPlain && !stdout.isTerminal && stderr.isTerminal);
  return isShown ? sayingSilences(steps, { tunnel, workspace: target.workspace.name }) : undefined;
}

/** The line for a silence, on a terminal that can take it back. */
export function silenceLineOf(
  { steps: { host, progress }, connected: { tunnel, target }, session: { options, command } }: Pick<
    Surroundings,
    "steps" | "connected" | "session"
  >,
): Pick<TerminalSessionOptions, "statusLine"> {
  if (host.env("TERM") === "dumb") return {};
  const isTyped = wantsPty({
    command: command === "" ? undefined : command,
    tty: options.tty,
    stdin: host.stdin,
  });
  const escapeChar = isTyped ? escapeCharOf(options.escapeChar) : "none";
  const workspace = target.workspace.name;
  return {
    statusLine: silenceLine({ tunnel, clock: host.clock, progress, workspace, escapeChar }),
  };
}

/** The session's own bytes as they are; what we say among them, as the list of forwards, like any words of ours. */
function sessionErrors(stderr: HostOutput): HostOutput {
  return {
    isTerminal: stderr.isTerminal,
    size: () => stderr.size(),
    write: (bytes) => stderr.write(bytes),
    print: (text) => printText(stderr, text),
  };
}

/** This machine's terminal, with the keyboard `stdin`. */
export function terminalOf({ host }: { readonly host: Host }, stdin: HostInput): TerminalHost {
  return {
    stdin,
    stdout: host.stdout,
    stderr: sessionErrors(host.stderr),
    onResize: (handler: () => void) => host.onSignal("SIGWINCH", handler),
    ...(host.suspend === undefined ? {} : { suspend: host.suspend }),
  };
}
