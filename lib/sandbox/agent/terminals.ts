/**
 * Terminals that the agent keeps for whoever comes back (coder/coder `agent/reconnectingpty`): the same id is the same terminal, for many
 * clients at a time. What it showed last is shown to each who comes, and five minutes after the last has gone it ends.
 */
import { concatBytes } from "../../base/bytes.ts";
import { ProtocolError } from "../../base/errors.ts";
import { type ByteStream, StreamError } from "../../base/stream.ts";
import { type TerminalInit, TerminalRequestReader } from "../../ssh/reconnecting_frames.ts";
import {
  argvOf,
  directoryOf,
  environmentOf,
  type SessionNames,
  type SessionSurroundings,
} from "../ssh/environment.ts";
import { type Program, startInTerminal } from "../ssh/program.ts";
import { PtyMaker } from "../ssh/pty.ts";
import type { LoudTasks } from "../loud_tasks.ts";

export interface AgentTerminalsOptions {
  readonly surroundings: SessionSurroundings;
  readonly names: SessionNames;
  /** Waits; returns early when the sandbox stops. */
  readonly pause: (ms: number) => Promise<void>;
  readonly tasks: LoudTasks;
}

const KEEP_MS = 300_000;
/** What is shown again. */
const MAX_SHOWN_BYTES = 65_536;
const READ_BYTES = 32_768;
const DEFAULT_SIZE = { columns: 80, rows: 24 };

export class AgentTerminals {
  readonly #options: AgentTerminalsOptions;
  readonly #maker = new PtyMaker();
  readonly #terminals = new Map<string, Terminal>();
  readonly #ending = new Set<Promise<void>>();
  readonly #webClients = new Set<ByteStream>();
  #isStopped = false;

  constructor(options: AgentTerminalsOptions) {
    this.#options = options;
  }

  /** Serves a client until it goes or the terminal ends. */
  async serve(stream: ByteStream): Promise<void> {
    const reader = new TerminalRequestReader();
    const buffer = new Uint8Array(READ_BYTES);
    let terminal: Terminal | undefined;
    try {
      for (let n = await stream.read(buffer); n !== null; n = await stream.read(buffer)) {
        const requests = reader.handleBytes(buffer.subarray(0, n));
        if (reader.init === undefined) continue;
        terminal ??= this.#attach(stream, reader.init);
        if (terminal === undefined) break;
        for (const { data, size } of requests) {
          if (data !== "") await terminal.program.write(new TextEncoder().encode(data));
          if (size !== undefined) await terminal.program.resize(size);
        }
      }
    } catch (error) {
      // Go's decoder gives up too: the client is left.
      if (!(error instanceof ProtocolError) && !(error instanceof StreamError)) throw error;
    } finally {
      if (terminal !== undefined) this.#leave(terminal, stream);
      stream.abort();
    }
  }

  /** Likewise, for one who came by way of the deployment. */
  async serveWeb(stream: ByteStream): Promise<void> {
    this.#webClients.add(stream);
    try {
      await this.serve(stream);
    } finally {
      this.#webClients.delete(stream);
    }
  }

  /** Cuts those off without a word; their terminals stay. */
  cutWebClients(): void {
    for (const stream of this.#webClients) stream.abort();
  }

  /** Those that nobody has open end. */
  async expire(): Promise<void> {
    for (const terminal of this.#terminals.values()) {
      if (terminal.clients.size === 0) terminal.program.kill();
    }
    await Promise.all(this.#ending);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const { program } of this.#terminals.values()) program.kill();
    await Promise.all(this.#ending);
    this.#maker[Symbol.dispose]();
  }

  #attach(stream: ByteStream, init: TerminalInit): Terminal | undefined {
    if (this.#isStopped) return undefined;
    const size = init.size.rows > 0 && init.size.columns > 0 ? init.size : DEFAULT_SIZE;
    let terminal = this.#terminals.get(init.id);
    if (terminal === undefined) {
      terminal = this.#start(init, size);
    } else {
      this.#options.tasks.run(terminal.program.resize(size));
    }
    terminal.add(stream);
    return terminal;
  }

  #start(init: TerminalInit, size: { readonly columns: number; readonly rows: number }): Terminal {
    const { surroundings, names } = this.#options;
    const program = startInTerminal({
      argv: argvOf(surroundings, init.command === "" ? undefined : init.command),
      env: environmentOf(surroundings, names, new Map()),
      directory: directoryOf(surroundings),
    }, { maker: this.#maker, size, term: "xterm-256color" });
    const terminal = new Terminal(program);
    this.#terminals.set(init.id, terminal);
    const ending = terminal.run().finally(() => {
      this.#terminals.delete(init.id);
      this.#ending.delete(ending);
    });
    this.#ending.add(ending);
    return terminal;
  }

  #leave(terminal: Terminal, stream: ByteStream): void {
    terminal.clients.delete(stream);
    if (terminal.clients.size > 0) return;
    const { tasks, pause } = this.#options;
    const departures = ++terminal.departures;
    tasks.run(
      pause(KEEP_MS).then(() => {
        const isSame = terminal.departures === departures;
        if (isSame && terminal.clients.size === 0) terminal.program.kill();
      }),
    );
  }
}

class Terminal {
  readonly program: Program;
  /** Who has it open, and what is on its way to each. */
  readonly clients = new Map<ByteStream, Promise<void>>();
  /** How often the last client has left. */
  departures = 0;
  #shown = new Uint8Array(0);

  constructor(program: Program) {
    this.program = program;
  }

  add(stream: ByteStream): void {
    this.clients.set(stream, Promise.resolve());
    this.#send(stream, this.#shown);
  }

  /** Until the program is over and all clients have what it wrote. */
  async run(): Promise<void> {
    for (;;) {
      const bytes = await this.program.readOutput();
      if (bytes === null) break;
      this.#shown = concatBytes(this.#shown, bytes).slice(-MAX_SHOWN_BYTES);
      for (const stream of this.clients.keys()) this.#send(stream, bytes);
    }
    for (const [stream, sent] of this.clients) {
      await sent;
      await stream.closeWrite().catch(ignoreBroken);
    }
    await this.program.ended;
  }

  #send(stream: ByteStream, bytes: Uint8Array): void {
    const before = this.clients.get(stream) ?? Promise.resolve();
    this.clients.set(stream, before.then(() => stream.write(bytes)).catch(ignoreBroken));
  }
}

/** A client that went: its reader hears of it. */
function ignoreBroken(error: unknown): void {
  if (!(error instanceof StreamError)) throw error;
}
