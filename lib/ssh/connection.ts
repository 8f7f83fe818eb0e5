/**
 * An SSH connection to a workspace agent over a `ByteStream`: handshake with a time limit, host key check, sessions, forwards,
 * keepalive, and an end with a reason. Authentication is `none`: the tunnel below has authenticated both sides.
 */
import { UserError } from "../base/errors.ts";
import type { Instant } from "../base/core.ts";
import type { ByteStream } from "../base/stream.ts";
import type { SshClock } from "./host.ts";
import { Keepalive, type KeepaliveOptions } from "./keepalive.ts";
import { CONNECTION_LOST_TEXT, type ConnectionEnd, SshLostError } from "./ends.ts";
import { RemoteFiles } from "./remote_files.ts";
import type { SessionRequest } from "../base/session.ts";
import { PreparedSession, type SshSession } from "./session.ts";
import type { SshChannel } from "./ssh2_channel.ts";
import { type IncomingConnection, SshTransport } from "./ssh2_client.ts";
import { loadSsh2 } from "./ssh2_load.ts";

const HANDSHAKE_TIMEOUT_MS = 30_000;
const CLOSE_TIMEOUT_MS = 2_000;
/** A goodbye in haste waits for this many round trips, between these limits. */
const HASTE_ROUND_TRIPS = 4;
const MIN_HASTE_MS = 100;

export interface SshConnectionOptions {
  readonly clock: SshClock;
  /** The agent ignores it. @default "coder" */
  readonly username?: string;
  /** Decides on the server's public key (blob of RFC 4253 §6.6); throws to refuse. @default any key is accepted */
  readonly verifyHostKey?: (key: Uint8Array) => Promise<void>;
  /** Connects to the local SSH agent, for sessions that ask for agent forwarding. */
  readonly dialAgent?: () => Promise<ByteStream>;
  /** @default no keepalives */
  readonly keepalive?: KeepaliveOptions;
  /** @default 30_000 */
  readonly handshakeTimeoutMs?: number;
  /** A session will be opened, and is asked for together with the authentication: the first that is prepared. @default false */
  readonly opensSession?: boolean;
  /** Gives up the handshake; once that is done, as `SshConnection.leave`. */
  readonly signal?: AbortSignal;
}

/** Takes connections from the workspace for one forward. */
export type IncomingHandler = (connection: IncomingConnection) => void;

/** A session channel, and how long it took. */
interface OpenedChannel {
  readonly channel: SshChannel;
  readonly tookMs: number;
}

export class SshConnection implements AsyncDisposable {
  /** Resolves once, when the connection is over; never rejects. */
  readonly closed: Promise<ConnectionEnd>;
  readonly #transport: SshTransport;
  readonly #clock: SshClock;
  readonly #forwards: Map<string, IncomingHandler>;
  readonly #over = new AbortController();
  readonly #handshakeMs: number;
  /** Asked for with the authentication, and not used yet. */
  #ahead: Promise<OpenedChannel> | undefined;
  #isClosing = false;
  #deadMessage: string | undefined;
  /** The shortest time that a request and its answer took. */
  #roundTripMs: number | undefined;
  /** The instant at which whatever still waits for the workspace is given up. */
  #leaveAt: Instant | undefined;

  /** Use `connectSsh`. */
  constructor(
    transport: SshTransport,
    options: {
      readonly clock: SshClock;
      readonly forwards: Map<string, IncomingHandler>;
      readonly handshakeMs: number;
      readonly ahead: Promise<OpenedChannel> | undefined;
    },
  ) {
    this.#transport = transport;
    this.#clock = options.clock;
    this.#forwards = options.forwards;
    this.#handshakeMs = options.handshakeMs;
    this.#ahead = options.ahead;
    this.closed = transport.closed.then((error) => {
      this.#over.abort();
      if (this.#deadMessage !== undefined) return { kind: "dead", message: this.#deadMessage };
      if (this.#isClosing) return { kind: "closed" };
      return { kind: "lost", message: error?.message ?? "The workspace closed the connection" };
    });
    // What broke it is still told to the other side, which need not take it.
    scope(transport.broken.then(() => this.#endInTime()), transport);
  }

  /** Opens a session and starts its shell or command. Rejects with `UserError` when the workspace refuses a part. */
  async openSession(request: SessionRequest): Promise<SshSession> {
    return await (await this.prepareSession()).start(request);
  }

  /** Opens a session in which nothing runs yet. Rejects with `UserError` when the workspace refuses it. */
  async prepareSession(): Promise<PreparedSession> {
    const opening = this.#ahead ?? openChannel(this.#transport, this.#clock);
    this.#ahead = undefined;
    try {
      const { channel, tookMs } = await opening;
      this.#roundTripMs = Math.min(this.#roundTripMs ?? tookMs, tookMs);
      return new PreparedSession(channel, {
        connectionClosed: this.closed,
        failure: (what, error) => this.#failure(what, error),
      });
    } catch (error) {
      throw await this.#failure("ssh session", error);
    }
  }

  /** A TCP connection from the workspace to `host`, a name or an address there. Rejects when it cannot be made. */
  openTcp(host: string, port: number): Promise<ByteStream> {
    return this.#transport.openTcp(host, port);
  }

  /** A connection from the workspace to a unix socket there. */
  openUnix(path: string): Promise<ByteStream> {
    return this.#transport.openUnix(path);
  }

  /** The files of the workspace. Rejects with `UserError` when it serves none. */
  async openFiles(): Promise<RemoteFiles> {
    try {
      return new RemoteFiles(await this.#transport.openSftp(), this.closed, this.#clock);
    } catch (error) {
      throw await this.#failure("sftp", error);
    }
  }

  /** Makes the workspace listen on a TCP address; resolves to the port. `handler` takes what connects. */
  async listenTcp(address: string, port: number, handler: IncomingHandler): Promise<number> {
    const wanted = `${address}:${port}`;
    // Set before the answer: connections may follow it at once.
    if (port !== 0) this.#forwards.set(wanted, handler);
    try {
      const bound = await this.#transport.listenTcp(address, port);
      this.#forwards.set(`${address}:${bound}`, handler);
      return bound;
    } catch (error) {
      this.#forwards.delete(wanted);
      throw error;
    }
  }

  async unlistenTcp(address: string, port: number): Promise<void> {
    this.#forwards.delete(`${address}:${port}`);
    await this.#transport.unlistenTcp(address, port);
  }

  /** Makes the workspace listen on a unix socket, taking over a file that is there. */
  async listenUnix(path: string, handler: IncomingHandler): Promise<void> {
    this.#forwards.set(path, handler);
    try {
      await this.#transport.listenUnix(path);
    } catch (error) {
      this.#forwards.delete(path);
      throw error;
    }
  }

  async unlistenUnix(path: string): Promise<void> {
    this.#forwards.delete(path);
    await this.#transport.unlistenUnix(path);
  }

  /**
   * Waits for `work` of an orderly end, two seconds at most: a network that is silent must keep nobody from leaving.
   * Never rejects; what failed or came late is dropped.
   */
  async waitToClose(work: Promise<unknown>): Promise<void> {
    const done = new AbortController();
    const over = AbortSignal.any([done.signal, this.#over.signal]);
    const limit = this.#clock.sleep(this.#closeLimitMs(), over).catch(ignoreAbort);
    await Promise.race([Promise.allSettled([work]), limit]);
    done.abort();
    await limit;
  }

  /**
   * Nobody waits for the workspace any more: whatever is still under way, streams, requests and goodbyes, has a few round trips
   * left, then it is broken. A workspace that answers has heard us by then, one that does not keeps nobody. Idempotent.
   */
  leave(): void {
    if (this.#leaveAt !== undefined) return;
    this.#isClosing = true;
    const limitMs = (this.#roundTripMs ?? this.#handshakeMs) * HASTE_ROUND_TRIPS;
    this.#leaveAt = this.#clock.now() +
      Math.min(Math.max(limitMs, MIN_HASTE_MS), CLOSE_TIMEOUT_MS);
    scope(this.#endInTime(), this.#transport);
  }

  /** Says goodbye and waits for the other side, two seconds at most. Idempotent. */
  async close(): Promise<void> {
    this.#isClosing = true;
    this.#transport.end();
    await Promise.all([this.closed, this.#endInTime()]);
  }

  /** Ends the connection by force, unless it has ended by itself before the limit. */
  async #endInTime(): Promise<void> {
    try {
      await this.#clock.sleep(this.#closeLimitMs(), this.#over.signal);
    } catch (error) {
      return ignoreAbort(error);
    }
    this.#transport.destroy(new Error("Connection was not closed in time"));
  }

  #closeLimitMs(): number {
    if (this.#leaveAt === undefined) return CLOSE_TIMEOUT_MS;
    return Math.max(0, this.#leaveAt - this.#clock.now());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Runs keepalives until the connection is over. Called once, by `connectSsh`. */
  async runKeepalive(keepalive: Keepalive): Promise<void> {
    for (;;) {
      const at = keepalive.pollTimeout();
      if (at === undefined || this.#over.signal.aborted) return;
      try {
        await this.#clock.sleep(Math.max(0, at - this.#clock.now()), this.#over.signal);
      } catch (error) {
        if (this.#over.signal.aborted) return;
        throw error;
      }
      if (this.#transport.isHeldUp) keepalive.handleReceived(this.#clock.now());
      keepalive.handleTimeout(this.#clock.now());
      for (let out = keepalive.pollOutput(); out !== undefined; out = keepalive.pollOutput()) {
        if (out.kind === "ping") {
          this.#transport.ping();
        } else {
          this.#deadMessage = out.message;
          this.#transport.destroy(new Error(out.message));
        }
      }
    }
  }

  /** A refused request, or the loss of the connection that hides behind it. */
  async #failure(what: string, error: unknown): Promise<Error> {
    if (!this.#over.signal.aborted) {
      const reason = error instanceof Error ? error.message : String(error);
      return new UserError(`${what}: ${reason}`, { cause: error });
    }
    const end = await this.closed;
    return new SshLostError(CONNECTION_LOST_TEXT, {
      cause: error,
      ...(end.kind === "closed" ? {} : { hint: end.message }),
    });
  }
}

/**
 * Speaks SSH over `stream`, which from then on belongs to the connection. Resolves when sessions can be opened.
 * Rejects with what `verifyHostKey` threw, with `signal.reason`, or with `UserError`; the stream is given up then.
 */
export async function connectSsh(
  stream: ByteStream,
  options: SshConnectionOptions,
): Promise<SshConnection> {
  const { clock, signal } = options;
  const limitMs = options.handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS;
  const ssh2 = await loadSsh2();
  if (signal?.aborted) stream.abort();
  signal?.throwIfAborted();
  const keepalive = new Keepalive(options.keepalive ?? { intervalMs: 0 }, clock.now());
  const forwards = new Map<string, IncomingHandler>();
  let refusal: unknown;
  let ahead: Promise<OpenedChannel> | undefined;
  const transport = new SshTransport(ssh2, stream, {
    now: () => clock.now(),
    username: options.username ?? "coder",
    verifyHostKey: async (key) => {
      try {
        await options.verifyHostKey?.(key);
      } catch (error) {
        refusal = error;
        throw error;
      }
    },
    ...(options.dialAgent === undefined ? {} : { dialAgent: options.dialAgent }),
    onIncoming: (incoming) => {
      const handler = forwards.get(incoming.boundTo);
      if (handler === undefined) incoming.reject();
      else handler(incoming);
    },
    onReceived: () => keepalive.handleReceived(clock.now()),
    onAsked: () => {
      if (options.opensSession !== true) return;
      ahead = openChannel(transport, clock);
      ahead.catch(() => {}); // told to whoever prepares a session
    },
  });
  const startedAt = clock.now();
  const done = new AbortController();
  const late = clock.sleep(limitMs, done.signal).then(
    () => transport.destroy(new Error(`No SSH handshake within ${limitMs / 1_000} s`)),
    ignoreAbort,
  );
  let giveUp = () => transport.destroy(new Error("Connecting was given up"));
  const onAbort = () => giveUp();
  signal?.addEventListener("abort", onAbort, { once: true });
  transport.closed.then(() => signal?.removeEventListener("abort", onAbort));
  try {
    await transport.ready;
  } catch (error) {
    transport.destroy(new Error("SSH handshake failed"));
    signal?.throwIfAborted();
    if (refusal !== undefined) throw refusal;
    const reason = error instanceof Error ? error.message : String(error);
    throw new SshLostError(`ssh client: ${reason}`, { cause: error });
  } finally {
    done.abort();
    await late;
  }
  const handshakeMs = clock.now() - startedAt;
  const connection = new SshConnection(transport, { clock, forwards, handshakeMs, ahead });
  giveUp = () => connection.leave();
  if (signal?.aborted) connection.leave();
  scope(connection.runKeepalive(keepalive), transport);
  return connection;
}

async function openChannel(transport: SshTransport, clock: SshClock): Promise<OpenedChannel> {
  const askedAt = clock.now();
  const channel = await transport.openSession();
  return { channel, tookMs: clock.now() - askedAt };
}

/** A task of the connection that fails takes it with it, and the reason into the end. */
function scope(task: Promise<void>, transport: SshTransport): void {
  task.catch((error: unknown) =>
    transport.destroy(error instanceof Error ? error : new Error(String(error)))
  );
}

/** The sleep was cut short because what it waited for had come. */
function ignoreAbort(error: unknown): void {
  if (error instanceof DOMException && error.name === "AbortError") return;
  throw error;
}
