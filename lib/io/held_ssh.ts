/**
 * The one SSH connection of a process that holds a tunnel, for the sessions of others. It is made when it is first asked for, and
 * again when it was lost. Whether the server's key is the right one is judged by each who uses it, by his own rules: it is told to
 * them before anything runs.
 */
import { AGENT_SSH_PORT } from "../tailnet/agent_ports.ts";
import { ExpectedError } from "../base/errors.ts";
import type { HostClock } from "../base/host.ts";
import type { AgentTunnel } from "../base/tunnel.ts";
import type { SshConnection } from "../ssh/connection.ts";
import type { PreparedSession } from "../ssh/session.ts";

/**
 * Sessions at once. A session that nobody reads holds its window of 2 MiB at most, and the connection is read until 32 MiB are not:
 * so none is held up by the others.
 */
export const MAX_HELD_SESSIONS = 15;
/** Whoever wants a session does not wait so long. */
const HANDSHAKE_MS = 5_000;

/** There is no session for whoever asked. */
class NoSession extends ExpectedError {
  override name = "NoSession";
}

/** A connection, and the key that its server has. */
interface Held {
  readonly connection: SshConnection;
  readonly hostKey: Uint8Array;
}

export interface PreparedHeld {
  readonly session: PreparedSession;
  readonly hostKey: Uint8Array;
}

export interface HeldSshOptions {
  readonly tunnel: Pick<AgentTunnel, "openTcp">;
  readonly clock: HostClock;
}

export class HeldSsh {
  readonly #options: HeldSshOptions;
  readonly #over = new AbortController();
  #held: Promise<Held> | undefined;
  #sessionCount = 0;

  constructor(options: HeldSshOptions) {
    this.#options = options;
  }

  /** Makes the connection, unless there is one. Rejects with `ExpectedError`. */
  async connect(): Promise<void> {
    await this.#connection();
  }

  /** A session in which nothing runs yet. Rejects with `ExpectedError`. */
  async prepare(): Promise<PreparedHeld> {
    if (this.#sessionCount >= MAX_HELD_SESSIONS) {
      throw new NoSession(`${MAX_HELD_SESSIONS} sessions are held already`);
    }
    this.#sessionCount++;
    const release = () => this.#sessionCount--;
    try {
      const { connection, hostKey } = await this.#connection();
      const session = await connection.prepareSession();
      session.closed.then(release);
      return { session, hostKey };
    } catch (error) {
      release();
      throw error;
    }
  }

  /** Leaves, without waiting for an agent that does not answer. Idempotent. */
  async close(): Promise<void> {
    this.#over.abort(new NoSession("The process that held the shared tunnel was ended"));
    try {
      const held = await this.#held;
      await held?.connection.close();
    } catch (error) {
      if (!(error instanceof ExpectedError)) throw error; // it had come to nothing
    }
  }

  #connection(): Promise<Held> {
    this.#held ??= this.#make();
    return this.#held;
  }

  async #make(): Promise<Held> {
    try {
      const held = await this.#dial();
      held.connection.closed.then(() => this.#held = undefined);
      return held;
    } catch (error) {
      this.#held = undefined;
      throw error;
    }
  }

  async #dial(): Promise<Held> {
    const { tunnel, clock } = this.#options;
    const { signal } = this.#over;
    signal.throwIfAborted();
    const [stream, { connectSsh }] = await Promise.all([
      tunnel.openTcp(AGENT_SSH_PORT, signal),
      import("../ssh/connection.ts"),
    ]);
    let hostKey: Uint8Array = new Uint8Array(0);
    const connection = await connectSsh(stream, {
      clock,
      verifyHostKey: (key) => {
        hostKey = key.slice();
        return Promise.resolve();
      },
      handshakeTimeoutMs: HANDSHAKE_MS,
      signal,
    });
    return { connection, hostKey };
  }
}
