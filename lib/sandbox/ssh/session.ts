/**
 * One `session` channel: env, pty-req and auth-agent-req before one of shell, exec or sftp (RFC 4254 §6; what agents accept
 * is in coder/coder `agent/agentssh/agentssh.go`). The program runs until it is over or the client is gone.
 */
import type { ByteStreamDuplex } from "../../ssh/duplex.ts";
import { NodeSource } from "../../ssh/node_stream.ts";
import { messageOf } from "../../base/errors.ts";
import type { LoudTasks } from "../loud_tasks.ts";
import { ChannelWriter } from "./channel_writer.ts";
import {
  argvOf,
  directoryOf,
  environmentOf,
  type SessionNames,
  type SessionSurroundings,
} from "./environment.ts";
import { type Program, startInTerminal, startProgram } from "./program.ts";
import { type PtyMaker, PtyUnavailableError } from "./pty.ts";
import type {
  Answer,
  PtyRequest,
  ServerChannel,
  ServerConnection,
  ServerSession,
} from "./ssh2_server.ts";
import { attack } from "./attacks.ts";
import { serveSftp } from "./sftp.ts";

/** What a session needs of its connection and agent. */
export interface SessionHost {
  readonly surroundings: SessionSurroundings;
  readonly names: SessionNames;
  readonly terminals: PtyMaker;
  readonly duplex: ByteStreamDuplex;
  readonly connection: ServerConnection;
  readonly tasks: LoudTasks;
  /** Programs that run: ended with the agent. */
  readonly programs: Set<Program>;
  onProgramEnded(): void;
  /** The socket that leads to the client's agent, for `SSH_AUTH_SOCK`. */
  forwardAgent(): Promise<string>;
}

/** What agents answer when they cannot start what was asked for (docs/protocol/agent.md#exit-status). */
const CANNOT_START_STATUS = 229;
const NO_TERMINAL_STATUS = 1;
const READ_BYTES = 65_536;
const DEFAULT_SIZE = { columns: 80, rows: 24 };

export class SshSession {
  readonly #session: ServerSession;
  readonly #host: SessionHost;
  readonly #env = new Map<string, string>();
  readonly #closed = Promise.withResolvers<void>();
  #terminal: PtyRequest | undefined;
  #terminalRefusal: string | undefined;
  #agentSocket: Promise<string> | undefined;
  #program: Program | undefined;
  #isClosed = false;

  constructor(session: ServerSession, host: SessionHost) {
    this.#session = session;
    this.#host = host;
    session
      .on("env", (accept, _reject, { key, val }) => {
        this.#env.set(key, val);
        accept?.();
      })
      .on("pty", (accept, reject, request) => this.#handlePty(request, accept, reject))
      .on("window-change", (accept, _reject, { cols, rows }) => {
        this.#program?.resize({ columns: cols, rows });
        accept?.();
      })
      .on("signal", (accept, _reject, { name }) => {
        this.#program?.signal(name);
        accept?.();
      })
      .on("auth-agent", (accept) => {
        this.#agentSocket ??= host.forwardAgent();
        this.#agentSocket.catch(() => {}); // told when the program starts
        accept?.();
      })
      .on("shell", (accept) => host.tasks.run(this.#serve(accept(), undefined)))
      .on("exec", (accept, _reject, { command }) => {
        host.tasks.run(this.#serve(accept(), command));
      })
      .on("sftp", (accept) => {
        host.tasks.run(serveSftp(accept(), directoryOf(host.surroundings), this.#closed.promise));
      })
      // ssh2 would refuse every request after the client's EOF; signals and sizes come later than that.
      .on("eof", () => session._ending = false)
      .on("close", () => this.close());
  }

  /** The client is gone. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#closed.resolve();
    this.#program?.hangUp();
  }

  #handlePty(request: PtyRequest, accept: Answer, reject: Answer): void {
    if (Deno.build.os === "windows") {
      // Said when the shell starts: a refused pty-req has no room for words.
      this.#terminalRefusal = "Terminals are not available on Windows here; run a command instead";
      reject?.();
      return;
    }
    this.#terminal = request;
    accept?.();
  }

  async #serve(channel: ServerChannel, command: string | undefined): Promise<void> {
    // A write that comes too late is told through its callback; the event says the same again.
    channel.on("error", () => {});
    const { attack: how } = this.#host.surroundings;
    if (how !== undefined) return attack(how, { ...this.#host, channel });
    const writer = new ChannelWriter(channel, this.#host.duplex, this.#closed.promise);
    const end = (status: number) => {
      channel.exit(status);
      channel.close();
    };
    let program: Program;
    try {
      if (this.#terminalRefusal !== undefined && command === undefined) {
        throw new PtyUnavailableError(this.#terminalRefusal);
      }
      program = await this.#start(command, writer);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      await writer.writeErrors(new TextEncoder().encode(`hawser sandbox: ${messageOf(error)}\n`));
      return end(error instanceof PtyUnavailableError ? NO_TERMINAL_STATUS : CANNOT_START_STATUS);
    }
    this.#program = program;
    this.#host.programs.add(program);
    this.#host.tasks.run(program.ended.finally(() => {
      this.#host.programs.delete(program);
      this.#host.onProgramEnded();
    }));
    if (this.#isClosed) program.hangUp();
    this.#host.tasks.run(this.#copyInput(channel, program));
    await Promise.all([
      copy(() => program.readOutput(), (bytes) => writer.writeOutput(bytes)),
      copy(() => program.readErrors(), (bytes) => writer.writeErrors(bytes)),
    ]);
    // A program that lives on without its client is waited for by `ended`.
    const status = await Promise.race([program.status, this.#closed.promise]);
    if (status !== undefined) end(status);
  }

  async #start(command: string | undefined, writer: ChannelWriter): Promise<Program> {
    const { surroundings, names, terminals } = this.#host;
    const env = environmentOf(surroundings, names, this.#env);
    if (this.#agentSocket !== undefined) env["SSH_AUTH_SOCK"] = await this.#agentSocket;
    const options = {
      argv: argvOf(surroundings, command),
      env,
      directory: directoryOf(surroundings),
    };
    const terminal = this.#terminal;
    if (terminal === undefined) return startProgram(options);
    if (command === undefined && surroundings.banner !== undefined) {
      const text = surroundings.banner.trim().replaceAll(/\r?\n/g, "\r\n") + "\r\n\r\n";
      await writer.writeOutput(new TextEncoder().encode(text));
    }
    const { cols: columns, rows } = terminal;
    return startInTerminal(options, {
      maker: terminals,
      term: terminal.term === "" ? "dumb" : terminal.term,
      size: columns > 0 && rows > 0 ? { columns, rows } : DEFAULT_SIZE,
    });
  }

  async #copyInput(channel: ServerChannel, program: Program): Promise<void> {
    const source = new NodeSource(channel);
    const buffer = new Uint8Array(READ_BYTES);
    for (;;) {
      const count = await Promise.race([
        source.read(buffer),
        this.#closed.promise,
        program.status.then(() => null),
      ]);
      if (typeof count !== "number") break;
      await program.write(buffer.slice(0, count));
    }
    await program.closeInput();
  }
}

async function copy(
  read: () => Promise<Uint8Array | null>,
  write: (bytes: Uint8Array) => Promise<void>,
): Promise<void> {
  for (let bytes = await read(); bytes !== null; bytes = await read()) await write(bytes);
}
