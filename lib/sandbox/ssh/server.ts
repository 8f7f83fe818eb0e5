/**
 * The agent's SSH server over streams of the tunnel: npm ssh2, loaded when the first client comes (or by `prepare`).
 * Any user is let in with authentication `none`: the tunnel has proven who it is (docs/protocol/agent.md#the-ssh-server).
 */
import type { ByteStream } from "../../base/stream.ts";
import { ByteStreamDuplex } from "../../ssh/duplex.ts";
import { Observers } from "../model/observers.ts";
import { LoudTasks } from "../loud_tasks.ts";
import { AgentForward } from "./agent_forward.ts";
import type { SessionNames, SessionSurroundings } from "./environment.ts";
import { SshForwards } from "./forwards.ts";
import type { Program } from "./program.ts";
import { PtyMaker } from "./pty.ts";
import { SshSession } from "./session.ts";
import { loadSsh2Server, type ServerConnection } from "./ssh2_server.ts";

export interface SshServerOptions {
  readonly surroundings: SessionSurroundings;
  readonly names: SessionNames;
  /** PEM; asked for with the first client. */
  readonly hostKey: () => Promise<string>;
}

/** What agents say they are: Go's library. Clients that tell servers apart by it do so here too. */
const IDENT = "Go";

/** Who connected, whatever became of it. */
export interface SshClients {
  readonly came: number;
  readonly open: number;
  /** Bytes that they sent. */
  readonly bytesIn: number;
}

export class SshServer {
  readonly #options: SshServerOptions;
  readonly #tasks = new LoudTasks();
  readonly #changes = new Observers();
  readonly #programs = new Set<Program>();
  readonly #terminals = new PtyMaker();
  readonly #duplexes = new Set<ByteStreamDuplex>();
  #seen: SshClients = { came: 0, open: 0, bytesIn: 0 };
  #loading: Promise<Loaded> | undefined;
  #isStopped = false;

  constructor(options: SshServerOptions) {
    this.#options = options;
  }

  /** Loads what the first client would wait for. */
  prepare(): void {
    this.#tasks.run(this.#load().then(() => {}));
  }

  /** Of the workspace that it serves. */
  get names(): SessionNames {
    return this.#options.names;
  }

  /** Programs that are running. */
  get programCount(): number {
    return this.#programs.size;
  }

  get clients(): SshClients {
    return this.#seen;
  }

  /** Resolves when `isReached` holds of its clients. */
  untilClients(isReached: (clients: SshClients) => boolean): Promise<void> {
    return this.#changes.until(() => isReached(this.#seen));
  }

  /** Resolves when no program runs. */
  whenIdle(): Promise<void> {
    return this.#changes.until(() => this.#programs.size === 0);
  }

  /** Serves a client until it goes. */
  serve(stream: ByteStream): void {
    this.#tasks.run(this.#serve(stream));
  }

  /** Cuts all clients off. */
  cut(): void {
    for (const duplex of this.#duplexes) duplex.destroy(new Error("The connection was cut"));
  }

  /** Ends sessions, programs and forwards; resolves when nothing runs any more. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const duplex of this.#duplexes) duplex.destroy();
    for (const program of this.#programs) program.kill();
    await this.#tasks.settled();
    this.#terminals[Symbol.dispose]();
  }

  #load(): Promise<Loaded> {
    this.#loading ??= Promise.all([loadSsh2Server(), this.#options.hostKey()])
      .then(([make, hostKey]) => ({ make, hostKey }));
    return this.#loading;
  }

  async #serve(stream: ByteStream): Promise<void> {
    const { make, hostKey } = await this.#load();
    if (this.#isStopped) return stream.abort("The agent stopped");
    this.#see({ came: 1, open: 1 });
    const duplex = new ByteStreamDuplex(
      counted(stream, (bytesIn) => this.#see({ bytesIn })),
    );
    duplex.on("error", () => {}); // ssh2 hears of it too
    this.#duplexes.add(duplex);
    const closed = Promise.withResolvers<void>();
    duplex.once("close", () => closed.resolve());
    const server = make({ hostKeys: [hostKey], ident: IDENT, keepaliveInterval: 0 });
    server.on(
      "connection",
      (connection) => this.#handleConnection(connection, duplex, closed.promise),
    );
    server.injectSocket(duplex);
    await closed.promise;
    this.#duplexes.delete(duplex);
    this.#see({ open: -1 });
  }

  #see({ came = 0, open = 0, bytesIn = 0 }: Partial<SshClients>): void {
    this.#seen = {
      came: this.#seen.came + came,
      open: this.#seen.open + open,
      bytesIn: this.#seen.bytesIn + bytesIn,
    };
    this.#changes.notify();
  }

  #handleConnection(
    connection: ServerConnection,
    duplex: ByteStreamDuplex,
    closed: Promise<void>,
  ): void {
    const tasks = this.#tasks;
    const { refusalText } = this.#options.surroundings;
    if (refusalText !== undefined) sayWhenRefusing(connection, refusalText);
    const forwards = new SshForwards(connection, duplex, tasks);
    const agentForward = new AgentForward(connection, forwards, tasks);
    const sessions = new Set<SshSession>();
    connection
      .on("error", () => {}) // the connection ends, which is told by the duplex
      .on("authentication", (context) => context.accept())
      .on("session", (accept) => {
        const session = new SshSession(accept(), {
          surroundings: this.#options.surroundings,
          names: this.#options.names,
          terminals: this.#terminals,
          duplex,
          connection,
          tasks,
          programs: this.#programs,
          onProgramEnded: () => this.#changes.notify(),
          forwardAgent: () => agentForward.socket(),
        });
        sessions.add(session);
      });
    tasks.run(closed.then(async () => {
      for (const session of sessions) session.close();
      forwards.close();
      await agentForward.close();
    }));
  }
}

/** `stream`, whose bytes are told as they are read. */
function counted(stream: ByteStream, onRead: (bytes: number) => void): ByteStream {
  return {
    read: async (into) => {
      const count = await stream.read(into);
      onRead(count ?? 0);
      return count;
    },
    write: (bytes) => stream.write(bytes),
    closeWrite: () => stream.closeWrite(),
    abort: (message) => stream.abort(message),
    closed: stream.closed,
  };
}

/** ssh2 itself refuses channels without a word (RFC 4254 §5.1 has a description). */
function sayWhenRefusing({ _protocol: protocol }: ServerConnection, text: string): void {
  const fail = protocol.channelOpenFail.bind(protocol);
  protocol.channelOpenFail = (channel, reason) => fail(channel, reason, text);
}

interface Loaded {
  readonly make: Awaited<ReturnType<typeof loadSsh2Server>>;
  readonly hostKey: string;
}
