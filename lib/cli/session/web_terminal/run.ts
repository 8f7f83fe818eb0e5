/**
 * A shell through the deployment's web terminal: the way without the workspace network, for those who are let to the API alone. It
 * is a terminal of the agent's keeping, so a cut ends nothing: the same id leads back to the same shell.
 */
import { toHex } from "../../../base/bytes.ts";
import { randomBytes } from "../../../base/core.ts";
import { UserError } from "../../../base/errors.ts";
import type { ByteStream } from "../../../base/stream.ts";
import { openTerminal } from "../../../coder/agents.ts";
import { ApiError } from "../../../coder/errors.ts";
import { isRetryable } from "../../../coder/retry.ts";
import { CLOSED_TEXT, type SessionOutcome } from "../../../ssh/ends.ts";
import { KeptShell } from "../../../ssh/kept_shell.ts";
import { terminalId } from "../../../ssh/reconnecting_frames.ts";
import { ReconnectingTerminal } from "../../../ssh/reconnecting_terminal.ts";
import { ptyFor, runAtTerminal, type TerminalHost } from "../../../ssh/terminal_session.ts";
import type { SshOptions } from "../../grammar/flags_ssh.ts";
import { type ConnectOptions, makeReady, type Ready } from "../../ready/connect.ts";
import type { Steps } from "../../ready/steps.ts";
import { containerEnv } from "../containers.ts";
import { Again } from "../persist/again.ts";
import { startBackground } from "../ssh_background.ts";
import { escapeCharOf } from "../ssh_checks.ts";
import { endOf, reasonOf, SessionLost, terminalOf } from "../session_end.ts";
import { terminalType } from "../terminal_type.ts";
import { shellCommand } from "./script.ts";

export interface WebTerminalRun {
  readonly connect: ConnectOptions;
  readonly options: SshOptions;
  readonly interrupt: { readonly exitCode: number | undefined };
}

const NONCE_BYTES = 8;
const ID_BYTES = 16;
const FORMER = "The former shell is gone: this is a new one";
const LEFT = "The shell in the workspace ends five minutes after we left it";

/** Runs a shell to its end; the exit code. Throws as `runSession` does. */
export async function runWebTerminal(steps: Steps, run: WebTerminalRun): Promise<number> {
  tellLimits(steps);
  return await new WebTerminalRunner(steps, run).run();
}

/** What is not as over the workspace network. */
function tellLimits({ client, progress }: Steps): void {
  progress.line("It has no forwards, no agents and no host key, and the deployment can read along");
  if (client.url.protocol === "http:" && !isHere(client.url)) {
    progress.line(`So can everybody on the way to ${client.url.origin}: it has no TLS`);
  }
}

function isHere({ hostname }: URL): boolean {
  return hostname === "localhost" || hostname === "[::1]" || hostname.startsWith("127.");
}

class WebTerminalRunner {
  readonly #steps: Steps;
  readonly #run: WebTerminalRun;
  readonly #again: Again;
  /** The same over all connections. */
  #id: string | undefined;
  #hasShell = false;

  constructor(steps: Steps, run: WebTerminalRun) {
    this.#steps = steps;
    this.#run = run;
    this.#again = new Again(steps, {
      interrupt: run.interrupt,
      keptWords: () =>
        this.#hasShell ? "The workspace agent keeps the shell for five minutes" : undefined,
      leftWords: () => LEFT,
      connect: () => this.#connect(),
    });
  }

  async run(): Promise<number> {
    return await this.#again.run();
  }

  async #connect(): Promise<number> {
    const steps = this.#steps;
    const { connect, options, interrupt } = this.#run;
    const disableAutostart = connect.disableAutostart || this.#again.isAgain;
    const ready = await makeReady(steps, { ...connect, disableAutostart });
    const { agent, target } = ready;
    this.#again.handleReady(target.workspace.id);
    const { container, containerUser } = options;
    await containerEnv(steps, { agentId: agent.id, container, containerUser });
    await using background = await startBackground(steps, { target }, {
      options,
      via: "web-terminal",
    });
    const signal = AbortSignal.any([steps.signal, background.ended]);
    try {
      return await endOf(await this.#join(ready, signal), {
        log: steps.log,
        background,
        lostWords: ({ detail }) => `The way through the web terminal was lost: ${detail}`,
      });
    } catch (error) {
      throw reasonOf(error, { background, interrupt });
    }
  }

  /** Joins the keyboard to the shell, until that or the way to it ends. */
  async #join({ agent }: Ready, signal: AbortSignal): Promise<SessionOutcome> {
    const { host, log, progress } = this.#steps;
    const { options } = this.#run;
    const terminal = terminalOf(this.#steps, this.#again.input.lend());
    const nonce = toHex(randomBytes(host.random, NONCE_BYTES));
    const isScripted = agent.operatingSystem !== "windows";
    const term = terminalType(host.env("TERM"));
    const command = isScripted ? shellCommand(nonce, term) : "";
    const stream = await this.#open(agent.id, { terminal, command, signal });
    const opened = ReconnectingTerminal.over(stream);
    const shell = new KeptShell(opened, {
      endsSilently: () => !isScripted,
      onBegin: (mark) => {
        // A shell that was there has another nonce at its beginning, if that is shown at all.
        const isNew = mark?.nonce === nonce;
        if (this.#hasShell) progress.line(isNew ? FORMER : "Back in the same shell");
        this.#hasShell = true;
        this.#again.handleShell();
      },
    });
    try {
      const outcome = await runAtTerminal(shell, terminal, {
        pty: true,
        escapeChar: escapeCharOf(options.escapeChar),
        onStarted: () => log.info("session started"),
        leave: () => {},
        signal,
      });
      if (outcome.message === CLOSED_TEXT) progress.line(LEFT);
      return outcome;
    } finally {
      opened.abort();
    }
  }

  async #open(
    agentId: string,
    { terminal, command, signal }: {
      readonly terminal: TerminalHost;
      readonly command: string;
      readonly signal: AbortSignal;
    },
  ): Promise<ByteStream> {
    const { client, host, progress } = this.#steps;
    const { options: { container, containerUser } } = this.#run;
    this.#id ??= terminalId(agentId, toHex(randomBytes(host.random, ID_BYTES)));
    const { size } = ptyFor(terminal);
    const id = this.#id;
    try {
      return await progress.during(
        "Opening the deployment's web terminal",
        () =>
          openTerminal(client, agentId, { id, size, command, container, containerUser, signal }),
      );
    } catch (error) {
      throw openFailure(error);
    }
  }
}

/** Refusals are pages for browsers: what they mean, in words. */
function openFailure(error: unknown): unknown {
  if (!(error instanceof ApiError) || error.status === 401) return error;
  const { status } = error;
  if (status === 404) {
    return new SessionLost("The deployment does not reach the workspace agent");
  }
  if (isRetryable(error)) return error;
  return new UserError(`The deployment's web terminal does not open: it answered ${status}`, {
    hint: "Check that websockets pass between this machine and the deployment",
    cause: error,
  });
}
