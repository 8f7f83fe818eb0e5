/**
 * What forwards lead to. Channels of an SSH connection reach everything that the workspace can reach, and let it listen for us; a
 * tunnel's TCP reaches the agent's own ports without any SSH.
 */
import type { ByteStream } from "../base/stream.ts";
import type { SshConnection } from "./connection.ts";
import type { LocalTarget } from "./host.ts";
import type { IncomingConnection } from "./ssh2_client.ts";

export interface FarSide {
  /** Opens a stream to a target over there. Rejects with an `Error` whose message says why. */
  open(target: LocalTarget): Promise<ByteStream>;
  /** Makes the other side listen; absent where it cannot. Rejects likewise. `handler` takes what connects. */
  readonly listen?: (
    target: LocalTarget,
    handler: (incoming: IncomingConnection) => void,
  ) => Promise<FarListener>;
  /** Waits for an orderly end, but for no longer than the other side deserves. Never rejects. */
  waitToClose(work: Promise<unknown>): Promise<void>;
}

export interface FarListener {
  /** Where it listens; a port of 0 has become the real one. */
  readonly target: LocalTarget;
  close(): Promise<void>;
}

/** The far side of an SSH connection. */
export function sshFarSide(connection: SshConnection): Required<FarSide> {
  return {
    open: async (target) =>
      target.kind === "tcp"
        ? await connection.openTcp(target.host, target.port)
        : await connection.openUnix(target.path),
    async listen(target, handler) {
      if (target.kind !== "tcp") {
        await connection.listenUnix(target.path, handler);
        return { target, close: () => connection.unlistenUnix(target.path) };
      }
      const { host } = target;
      const port = await connection.listenTcp(host, target.port, handler);
      return { target: { ...target, port }, close: () => connection.unlistenTcp(host, port) };
    },
    waitToClose: (work) => connection.waitToClose(work),
  };
}
