/**
 * Forwarding of one connection: to where the client asks (`direct-tcpip`, `direct-streamlocal@openssh.com`), and from
 * listeners in the workspace (`tcpip-forward`, `streamlocal-forward@openssh.com`), which live as long as the connection
 * (coder/coder `agent/agentssh/forward.go`).
 */
import type { ByteStream } from "../../base/stream.ts";
import { SYSTEM_SOCKETS } from "../../io/local_sockets.ts";
import type { ByteStreamDuplex } from "../../ssh/duplex.ts";
import type { LocalListener, LocalTarget } from "../../ssh/host.ts";
import { joinStreams } from "../../ssh/join.ts";
import { NodeByteStream } from "../../ssh/node_stream.ts";
import type { LoudTasks } from "../loud_tasks.ts";
import type {
  Answer,
  ForwardRequest,
  Opened,
  ServerChannel,
  ServerConnection,
} from "./ssh2_server.ts";

/** The answers to a global request; absent when the client wants none. */
interface Answers {
  readonly accept: ((port?: number) => void) | undefined;
  readonly reject: Answer;
}

const MAX_LISTENERS = 64;
const PRIVATE_FOLDER_MODE = 0o700;
const LOOPBACK = "127.0.0.1";
const GONE = "The SSH connection ended";

export class SshForwards {
  readonly #connection: ServerConnection;
  readonly #duplex: ByteStreamDuplex;
  readonly #tasks: LoudTasks;
  readonly #listeners = new Map<string, LocalListener>();
  readonly #streams = new Set<ByteStream>();
  #isClosed = false;

  constructor(connection: ServerConnection, duplex: ByteStreamDuplex, tasks: LoudTasks) {
    this.#connection = connection;
    this.#duplex = duplex;
    this.#tasks = tasks;
    connection
      .on("tcpip", (accept, reject, { destIP: host, destPort: port }) => {
        tasks.run(this.#connect({ kind: "tcp", host, port }, accept, reject));
      })
      .on("openssh.streamlocal", (accept, reject, { socketPath: path }) => {
        tasks.run(this.#connect({ kind: "unix", path }, accept, reject));
      })
      .on("request", (accept, reject, name, request) => {
        tasks.run(this.#handleRequest(name, request, { accept, reject }));
      });
  }

  /** Ends every listener and what runs through it. */
  close(): void {
    this.#isClosed = true;
    for (const listener of this.#listeners.values()) listener.close();
    this.#listeners.clear();
    for (const stream of this.#streams) stream.abort(GONE);
  }

  /** Takes connections until the listener is closed; each gets a channel of its own. */
  async acceptAll(listener: LocalListener, open: (opened: Opened) => void): Promise<void> {
    for (let local = await listener.accept(); local; local = await listener.accept()) {
      this.#tasks.run(this.#join(local, open));
    }
  }

  async #join(local: ByteStream, open: (opened: Opened) => void): Promise<void> {
    const channel = await new Promise<ServerChannel | undefined>((resolve) => {
      open((error, opened) => resolve(error === undefined ? opened : undefined));
    });
    if (channel === undefined) local.abort("The client refused the connection");
    else await this.#joinChannel(local, channel);
  }

  async #connect(
    target: LocalTarget,
    accept: () => ServerChannel,
    reject: () => void,
  ): Promise<void> {
    let local: ByteStream;
    try {
      local = await SYSTEM_SOCKETS.connect(target);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      return reject(); // ssh2 says: connect failed
    }
    await this.#joinChannel(local, accept());
  }

  async #joinChannel(local: ByteStream, channel: ServerChannel): Promise<void> {
    channel.server = false; // its end() is to be a half-close
    const remote = new NodeByteStream(channel, {
      release: () => channel.close(),
      drained: () => this.#duplex.drained(),
    });
    channel.on("close", () => remote.finish({ kind: "closed" }));
    this.#streams.add(local).add(remote);
    if (this.#isClosed) local.abort(GONE);
    await joinStreams(local, remote);
    this.#streams.delete(local);
    this.#streams.delete(remote);
  }

  async #handleRequest(name: string, request: ForwardRequest, answers: Answers): Promise<void> {
    const { accept, reject } = answers;
    const { bindAddr, bindPort, socketPath } = request;
    try {
      switch (name) {
        case "tcpip-forward":
          return accept?.(await this.#listenTcp(bindAddr, bindPort));
        case "streamlocal-forward@openssh.com":
          await this.#listenUnix(socketPath);
          return accept?.();
        case "cancel-tcpip-forward":
          return this.#cancel(tcpKey(bindAddr, bindPort)) ? accept?.() : reject?.();
        case "cancel-streamlocal-forward@openssh.com":
          return this.#cancel(socketPath) ? accept?.() : reject?.();
        default:
          return reject?.();
      }
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      reject?.();
    }
  }

  async #listenTcp(bindAddress: string, bindPort: number): Promise<number> {
    const listener = await this.#listen({
      kind: "tcp",
      host: hostnameOf(bindAddress),
      port: bindPort,
    });
    const port = listener.target.kind === "tcp" ? listener.target.port : bindPort;
    this.#listeners.set(tcpKey(bindAddress, port), listener);
    // RFC 4254 §7.2: the address as it was asked for. Who connected is not told: it is this machine.
    this.#tasks.run(this.acceptAll(listener, (opened) => {
      this.#connection.forwardOut(bindAddress, port, LOOPBACK, 0, opened);
    }));
    return port;
  }

  async #listenUnix(path: string): Promise<void> {
    const slash = path.lastIndexOf("/");
    if (slash > 0) {
      await Deno.mkdir(path.slice(0, slash), { recursive: true, mode: PRIVATE_FOLDER_MODE });
    }
    await removeIfThere(path);
    const listener = await this.#listen({ kind: "unix", path });
    this.#listeners.set(path, listener);
    this.#tasks.run(this.acceptAll(listener, (opened) => {
      this.#connection.openssh_forwardOutStreamLocal(path, opened);
    }));
  }

  async #listen(target: LocalTarget): Promise<LocalListener> {
    if (this.#listeners.size >= MAX_LISTENERS) {
      throw new RangeError(`${MAX_LISTENERS} listeners are the limit`);
    }
    const listener = await SYSTEM_SOCKETS.listen(target);
    if (!this.#isClosed) return listener;
    listener.close();
    throw new Error(GONE);
  }

  #cancel(key: string): boolean {
    this.#listeners.get(key)?.close();
    return this.#listeners.delete(key);
  }
}

async function removeIfThere(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

function tcpKey(address: string, port: number): string {
  return `${address} ${port}`;
}

/** RFC 4254 §7.1: the empty address means everywhere; a sandbox keeps it to loopback. */
function hostnameOf(address: string): string {
  return address === "" || address === "*" || address === "localhost" ? LOOPBACK : address;
}
