/**
 * One connection's way into a kept shell: what keeps it is asked of the workspace, then the terminal is joined to it, by a program
 * over SSH or by the agent's own terminal beside it.
 */
import { randomBytes } from "../../../base/core.ts";
import { toHex } from "../../../base/bytes.ts";
import { UserError } from "../../../base/errors.ts";
import { CLOSED_TEXT, type SessionOutcome } from "../../../ssh/ends.ts";
import { KeptShell, type KeptShellOptions } from "../../../ssh/kept_shell.ts";
import { terminalId } from "../../../ssh/reconnecting_frames.ts";
import { ReconnectingTerminal } from "../../../ssh/reconnecting_terminal.ts";
import { dropOutput, readPast, runRemote } from "../../../ssh/remote_command.ts";
import type { RemoteSession } from "../../../base/session.ts";
import { ptyFor, runAtTerminal } from "../../../ssh/terminal_session.ts";
import { RECONNECTING_TERMINAL_PORT } from "../../../tailnet/agent_ports.ts";
import { type Connected, openAgentPort } from "../../ready/connect.ts";
import { escapeCharOf } from "../ssh_checks.ts";
import { silenceLineOf } from "../session_end.ts";
import type { Running } from "../ssh_session.ts";
import { clientOf, parseProbe, type Probed } from "./answers.ts";
import {
  attachCommand,
  type Client,
  holdLinkCommand,
  type Keeper,
  LINK_MARK,
  probeCommand,
  terminalCommand,
} from "./scripts.ts";

const NONCE_BYTES = 8;
/** What an agent without a shell to ask runs, and cannot tell the end of. */
const NO_SCRIPT: Probed = { keeper: "agent", isKept: false, hasLink: false, linkPath: "" };
const FIVE_MINUTES = "for five minutes after its last client left";

export interface ShellKeeperOptions {
  readonly name: string;
  /** How one gets back to it from elsewhere, e.g. `hawser ssh --persist dev`. */
  readonly wayBack: string;
  /** Should be called each time that the shell is there. */
  readonly onShell: () => void;
}

/** Knows the shell over all connections to it. */
export class ShellKeeper {
  readonly #options: ShellKeeperOptions;
  #keeper: Keeper | undefined;
  #lastClient: Client | undefined;

  constructor(options: ShellKeeperOptions) {
    this.#options = options;
  }

  /** What keeps the shell; `undefined` as long as there was none. */
  get keeper(): Keeper | undefined {
    return this.#keeper;
  }

  /** Joins the terminal to the shell, until that or the connection ends. */
  async run(running: Running, connected: Connected): Promise<SessionOutcome> {
    const { steps, connection } = running;
    const { name } = this.#options;
    const nonce = toHex(randomBytes(steps.host.random, NONCE_BYTES));
    const probed = connected.agent.operatingSystem === "windows"
      ? undefined
      : parseProbe((await runRemote(connection, probeCommand(name), { env: running.env })).stdout);
    const { keeper, isKept, hasLink, linkPath } = probed ?? NO_SCRIPT;
    if (running.forwardsAgent && isKept && !hasLink) {
      steps.progress.line(
        `The shell began without a forwarded agent: from now on it is at SSH_AUTH_SOCK=${linkPath}`,
      );
    }
    const say = (isNew: boolean) => this.#welcome(keeper, { isNew });
    const joined = { running, connected, nonce, isScripted: probed !== undefined, isKept };
    if (keeper === "agent") return await this.#joinTerminal(joined, say);
    const words = say(!isKept);
    if (words !== undefined) steps.progress.line(words);
    return await this.#joinProgram(joined, { keeper, isKept });
  }

  async #joinProgram(
    { running, nonce }: Joined,
    { keeper, isKept }: { readonly keeper: Keeper; readonly isKept: boolean },
  ): Promise<SessionOutcome> {
    const { connection, forwardsAgent, terminal, term, env } = running;
    const session = await connection.openSession({
      command: attachCommand({
        name: this.#options.name,
        forwardsAgent,
        nonce,
        keeper,
        isLost: !isKept && this.#keeper !== undefined,
        lastClient: this.#lastClient,
      }),
      pty: ptyFor(terminal, term),
      env,
      forwardAgent: forwardsAgent,
    });
    return await this.#join(running, session, {
      endsSilently: (mark) => mark === undefined,
      onBegin: (mark) => {
        if (mark === undefined) return;
        this.#lastClient = clientOf(mark);
        this.#keeper = keeper;
        this.#options.onShell();
      },
    });
  }

  async #joinTerminal(
    { running, connected, nonce, isScripted, isKept }: Joined,
    welcome: (isNew: boolean) => string | undefined,
  ): Promise<SessionOutcome> {
    const { steps, connection, forwardsAgent, terminal, session, signal } = running;
    const { name } = this.#options;
    const holding = forwardsAgent ? await this.#holdLink(running) : undefined;
    const stream = await openAgentPort(steps, connected.tunnel, {
      port: RECONNECTING_TERMINAL_PORT,
      signal,
    });
    const settings = running.settings;
    let opened: ReconnectingTerminal;
    try {
      opened = await ReconnectingTerminal.open(stream, {
        id: terminalId(connected.agent.id, name),
        size: ptyFor(terminal).size,
        command: isScripted ? terminalCommand({ name, forwardsAgent, nonce, env: settings }) : "",
        container: session.options.container,
        containerUser: session.options.containerUser,
      });
    } catch (error) {
      stream.abort();
      if (!(error instanceof RangeError)) throw error;
      throw new UserError("--env is too long for a shell that the agent keeps", {
        hint: "Set fewer variables, or install tmux in the workspace",
        cause: error,
      });
    }
    try {
      return await this.#join(running, opened, {
        endsSilently: () => !isScripted,
        onBegin: (mark) => {
          // A shell that was there has another nonce at its beginning, if that is shown at all, and first.
          const isNew = mark === undefined ? !isKept : mark.nonce === nonce;
          const words = welcome(isScripted && isNew);
          this.#keeper = "agent";
          this.#options.onShell();
          if (words !== undefined) steps.progress.line(words);
        },
      });
    } finally {
      opened.abort();
      if (holding !== undefined) await connection.waitToClose(holding.release());
    }
  }

  /**
   * A session of its own for the forwarded agent, which lives as long as that. Resolves once the link stands: what the shell does
   * first may need it.
   */
  async #holdLink({ connection, env }: Running) {
    const session = await connection.openSession({
      command: holdLinkCommand(this.#options.name),
      env,
      forwardAgent: true,
    });
    const errors = dropOutput((into) => session.readStderr(into));
    const readStdout = (into: Uint8Array) => session.readStdout(into);
    await readPast(readStdout, LINK_MARK);
    const reading = Promise.all([dropOutput(readStdout), errors]);
    return {
      release: async () => {
        session.abort();
        await Promise.all([reading, session.ended]);
      },
    };
  }

  async #join(
    running: Running,
    session: RemoteSession,
    options: KeptShellOptions,
  ): Promise<SessionOutcome> {
    const { steps, connection, forwards, signal, terminal } = running;
    const shell = new KeptShell(session, options);
    const outcome = await runAtTerminal(shell, terminal, {
      pty: true,
      escapeChar: escapeCharOf(running.session.options.escapeChar),
      ...silenceLineOf(running),
      listForwards: () => forwards.list(),
      onStarted: () => steps.log.info("session started"),
      leave: () => connection.leave(),
      signal,
    });
    if (outcome.message === CLOSED_TEXT || shell.isLeft) steps.progress.line(this.leftWords());
    return outcome;
  }

  /** What is said when we go and the shell stays. */
  leftWords(): string {
    const limit = this.#keeper === "agent" ? `, ${FIVE_MINUTES}` : "";
    return `The shell goes on in the workspace${limit}: ${this.#options.wayBack} returns to it`;
  }

  #welcome(keeper: Keeper, { isNew }: { readonly isNew: boolean }): string | undefined {
    const isAgain = this.#keeper !== undefined;
    if (isNew && isAgain) return "The former shell is gone: this is a new one";
    if (isAgain) return "Back in the same shell";
    const { name } = this.#options;
    const by = keeper === "agent" ? "the workspace agent" : keeper;
    if (!isNew) return `Back in the shell "${name}", which ${by} keeps`;
    if (keeper !== "agent") return undefined;
    return `The workspace has no tmux, screen or zellij: its agent keeps this shell, ${FIVE_MINUTES}`;
  }
}

interface Joined {
  readonly running: Running;
  readonly connected: Connected;
  readonly nonce: string;
  /** Whether there is a `sh` that runs scripts of ours. */
  readonly isScripted: boolean;
  /** Whether the shell was there before us. */
  readonly isKept: boolean;
}
