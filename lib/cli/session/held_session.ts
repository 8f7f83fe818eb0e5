/** A session in the SSH connection that the holder of a shared tunnel keeps: without SSH of our own, and nothing of it loaded. */
import { untilAborted } from "../../base/abort.ts";
import type { HeldSession } from "../../base/session.ts";
import { ptyFor, runAtTerminal, wantsPty } from "../../ssh/terminal_session.ts";
import type { Connected } from "../ready/connect.ts";
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
import { escapeCharOf } from "./ssh_checks.ts";
import { terminalType } from "./terminal_type.ts";

export interface HeldSessionOptions extends SessionBasics {
  readonly early: Early<HeldSession>;
}

/** Runs the session to its end; the exit code. `undefined`: there is none, and nothing was begun. Throws as `runSession` does. */
export async function runHeldSession(
  steps: Steps,
  connected: Connected,
  session: HeldSessionOptions,
): Promise<number | undefined> {
  const { host, signal, log } = steps;
  const { options, interrupt, early } = session;
  const held = await early.take(connected.tunnel, signal);
  if (held === undefined) return undefined;
  try {
    // By our own rules: the holder only tells which key the workspace has.
    await untilAborted(hostKeyVerifier(steps, connected, session)(held.hostKey), signal);
    const terminal = terminalOf(steps, host.stdin);
    const command = session.command === "" ? undefined : session.command;
    const term = terminalType(host.env("TERM"), []);
    const pty = wantsPty({ command, tty: options.tty, stdin: host.stdin });
    const starting = held.start({
      ...(command === undefined ? {} : { command }),
      ...(pty ? { pty: ptyFor(terminal, term) } : {}),
    });
    starting.catch(() => {}); // told below
    await using background = await startBackground(steps, connected, { options, via: "tunnel" });
    const over = AbortSignal.any([signal, background.ended]);
    try {
      const remote = await untilAborted(starting, over);
      if (remote === undefined) {
        log.info("no shared SSH connection", { problem: "its holder does not answer" });
        return undefined;
      }
      log.info("uses the shared SSH connection");
      await using _saying = sayingSilencesOf({ steps, connected, session });
      const outcome = await runAtTerminal(remote, terminal, {
        pty,
        term,
        escapeChar: escapeCharOf(options.escapeChar),
        ...silenceLineOf({ steps, connected, session }),
        onStarted: () => log.info("session started"),
        interruptedBy: () => interrupt.signalName,
        leave: () => {},
        signal: over,
      });
      return await exitCodeOf(outcome, { steps, connected, session, background });
    } catch (error) {
      throw reasonOf(error, { background, interrupt });
    }
  } finally {
    held.abort();
  }
}
