/**
 * Agent forwarding of one connection: a socket in a private folder, each connection to it a channel
 * `auth-agent@openssh.com` to the client (OpenSSH PROTOCOL.agent).
 */
import { SYSTEM_SOCKETS } from "../../io/local_sockets.ts";
import type { LocalListener } from "../../ssh/host.ts";
import type { LoudTasks } from "../loud_tasks.ts";
import type { SshForwards } from "./forwards.ts";
import type { Opened, ServerConnection } from "./ssh2_server.ts";

interface Listening {
  readonly path: string;
  readonly folder: string;
  readonly listener: LocalListener;
}

const WINDOW_BYTES = 2 * 1024 * 1024;
const PACKET_BYTES = 32 * 1024;

export class AgentForward {
  readonly #connection: ServerConnection;
  readonly #forwards: SshForwards;
  readonly #tasks: LoudTasks;
  #listening: Promise<Listening> | undefined;

  constructor(connection: ServerConnection, forwards: SshForwards, tasks: LoudTasks) {
    this.#connection = connection;
    this.#forwards = forwards;
    this.#tasks = tasks;
  }

  /** The path of the socket; one for all sessions of the connection. */
  async socket(): Promise<string> {
    this.#listening ??= this.#listen();
    return (await this.#listening).path;
  }

  async close(): Promise<void> {
    const listening = await this.#listening?.catch(() => undefined);
    if (listening === undefined) return;
    listening.listener.close();
    await Deno.remove(listening.folder, { recursive: true });
  }

  async #listen(): Promise<Listening> {
    const folder = await Deno.makeTempDir({ prefix: "hawser-agent-" }); // the platform makes it 0700
    const path = `${folder}/listener.sock`;
    const listener = await SYSTEM_SOCKETS.listen({ kind: "unix", path });
    this.#tasks.run(this.#forwards.acceptAll(listener, (opened) => this.#openChannel(opened)));
    return { path, folder, listener };
  }

  /** ssh2's server has no public way to open this kind of channel. */
  #openChannel(opened: Opened): void {
    const callback = Object.assign(
      (...answer: Parameters<Opened>) => opened(...answer),
      { type: "auth-agent@openssh.com" },
    );
    const number = this.#connection._chanMgr.add(callback);
    this.#connection._protocol.openssh_authAgent(number, WINDOW_BYTES, PACKET_BYTES);
  }
}
