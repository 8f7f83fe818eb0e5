/**
 * GPG forwarding (`-G`): public keys and ownertrust go to the workspace, its agent is stopped, and its agent socket is forwarded to
 * the extra socket of the agent here, which is restricted by design: secret keys never leave this machine.
 */
import { messageOf, UserError } from "../base/errors.ts";
import type { ByteStream } from "../base/stream.ts";
import type { SshConnection } from "./connection.ts";
import { type RemoteGpgAgent, stopRemoteAgent } from "./gpg_remote.ts";
import { type RemoteResult, runRemote } from "./remote_command.ts";
import { type GpgHost, LocalGpg } from "./gpg_local.ts";
import { joinStreams } from "./join.ts";
import type { IncomingConnection } from "./ssh2_client.ts";

/** Programs that sign use one each, for a moment. */
const MAX_CONNECTIONS = 64;

export interface GpgForward {
  /** Ends the forward and undoes what was changed in the workspace. Idempotent. */
  close(): Promise<void>;
}

/** Sets everything up. Rejects with `UserError`; nothing is left behind then. */
export async function startGpgForward(
  connection: SshConnection,
  host: GpgHost,
  options: { readonly workspaceOs: string },
): Promise<GpgForward> {
  if (options.workspaceOs === "windows") {
    throw new UserError("GPG forwarding is not supported for Windows workspaces");
  }
  const local = new LocalGpg(host);
  // Both sides at once: the one waits for programs here, the other for the network.
  const remoteAgent = within(
    "upload GPG public keys and ownertrust to workspace",
    stopRemoteAgent(connection),
  );
  const [keys, trust, socket, remote] = await Promise.allSettled([
    within("export local public keys from GPG", local.gpg("--armor", "--export")),
    within("export local ownertrust from GPG", local.gpg("--export-ownertrust")),
    within("get local GPG agent socket", local.extraSocket()),
    remoteAgent,
  ]);
  const undo = async () => {
    if (remote.status === "fulfilled") await connection.waitToClose(remote.value.release());
  };
  try {
    const agent = valueOf(remote);
    await upload(connection, { keys: valueOf(keys), trust: valueOf(trust), print: host.print });
    return await forward(connection, local, { agent, socket: valueOf(socket), host });
  } catch (error) {
    await undo();
    throw error;
  }
}

interface Upload {
  readonly keys: Uint8Array;
  readonly trust: Uint8Array;
  readonly print: (line: string) => void;
}

/** `gpg` there is told not to start an agent, which would take the socket's place. */
const NO_AUTOSTART = " --no-autostart";

async function upload(connection: SshConnection, what: Upload): Promise<void> {
  const steps = [
    {
      name: "import public keys into workspace",
      command: `gpg --batch${NO_AUTOSTART} --status-fd 1 --import`,
      stdin: what.keys,
    },
    {
      name: "import ownertrust into workspace",
      command: `gpg --batch${NO_AUTOSTART} --import-ownertrust`,
      stdin: what.trust,
    },
  ];
  if (what.keys.length === 0) {
    what.print("GPG forwarding: there are no public keys on this machine");
  }
  for (const { name, command, stdin } of steps) {
    if (stdin.length === 0) continue;
    if (imports(await runRemote(connection, command, { stdin }))) continue;
    // A workspace that keeps its keys in keyboxd needs that started; an agent that comes with it is stopped again.
    const again = await runRemote(connection, command.replace(NO_AUTOSTART, ""), { stdin });
    await runRemote(connection, "gpgconf --kill gpg-agent");
    if (imports(again)) continue;
    throw new UserError(
      `upload GPG public keys and ownertrust to workspace: ${name}: ` +
        `\`${command}\` failed: stderr: ${again.stderr}`,
    );
  }
}

/** gpg fails for one bad key among good ones; what it could read it has imported. */
function imports(result: RemoteResult): boolean {
  const read = /^\[GNUPG:\] IMPORT_RES (\d+)/m.exec(result.stdout)?.[1];
  return result.code === 0 || Number(read ?? 0) > 0;
}

interface Ends {
  readonly agent: RemoteGpgAgent;
  readonly socket: string;
  readonly host: GpgHost;
}

async function forward(
  connection: SshConnection,
  local: LocalGpg,
  { agent, socket, host }: Ends,
): Promise<GpgForward> {
  const open = new Set<ByteStream>();
  /** Connections to our agent that are not made yet. */
  let dialling = 0;
  let closing: Promise<void> | undefined;
  const isClosing = () => closing !== undefined;
  const serve = async (incoming: IncomingConnection) => {
    if (open.size + dialling >= MAX_CONNECTIONS || isClosing()) return incoming.reject();
    let stream: ByteStream;
    dialling++;
    try {
      stream = await local.connect(socket);
    } catch (error) {
      incoming.reject();
      host.print(`Dial local address ${socket}: ${messageOf(error)}`);
      return;
    } finally {
      dialling--;
    }
    if (isClosing()) {
      stream.abort("GPG forward was closed");
      return incoming.reject();
    }
    open.add(stream);
    try {
      await joinStreams(stream, incoming.accept());
    } finally {
      open.delete(stream);
    }
  };
  const { socketPath } = agent;
  await within(
    `forward GPG socket: listen on remote SSH address ${socketPath}`,
    connection.listenUnix(socketPath, (incoming) => {
      serve(incoming).catch((error: unknown) =>
        host.print(`Accept SSH listener connection: ${messageOf(error)}`)
      );
    }),
  );
  const close = async () => {
    for (const stream of open) stream.abort("GPG forward was closed");
    // The connection may be gone, and the listener with it.
    await connection.waitToClose(connection.unlistenUnix(socketPath));
    await connection.waitToClose(agent.release());
  };
  return { close: () => closing ??= close() };
}

/** Says in which step a failure happened. */
async function within<Value>(step: string, work: Promise<Value>): Promise<Value> {
  try {
    return await work;
  } catch (error) {
    throw new UserError(`${step}: ${messageOf(error)}`, { cause: error });
  }
}

function valueOf<Value>(result: PromiseSettledResult<Value>): Value {
  if (result.status === "rejected") throw result.reason;
  return result.value;
}
