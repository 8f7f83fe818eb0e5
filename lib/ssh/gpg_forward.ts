/**
 * GPG forwarding (`-G`): public keys and ownertrust go to the workspace, its agent is stopped, and its agent socket is forwarded to
 * the extra socket of the agent here, which is restricted by design: secret keys never leave this machine.
 */
import { messageOf, UserError } from "../base/errors.ts";
import type { ByteStream } from "../base/stream.ts";
import type { SshConnection } from "./connection.ts";
import {
  type RemoteGpgAgent,
  type RemoteResult,
  runRemote,
  stopRemoteAgent,
} from "./gpg_remote.ts";
import { parseSocketFile, socketGreeting } from "./gpg_socket_file.ts";
import { formatTarget, type LocalSockets, type LocalTarget } from "./host.ts";
import { joinStreams } from "./join.ts";
import type { IncomingConnection } from "./ssh2_client.ts";

const MAX_KEYRING_BYTES = 256 * 1024 * 1024;
/** Programs that sign use one each, for a moment. */
const MAX_CONNECTIONS = 64;

export interface GpgHost {
  /** As `Deno.build.os` names it. */
  readonly os: string;
  readonly sockets: LocalSockets;
  /** As `Host.run`. */
  readonly run: (
    program: string,
    args: readonly string[],
    options: { readonly maxOutputBytes: number },
  ) => Promise<{ readonly code: number; readonly stdout: Uint8Array; readonly stderr: Uint8Array }>;
  /** The bytes of a file; needed on Windows only. */
  readonly readSocketFile: (path: string) => Promise<Uint8Array>;
  /** One line for the user, without its end. */
  readonly print: (line: string) => void;
}

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
    if (imports(await runRemote(connection, command, stdin))) continue;
    // A workspace that keeps its keys in keyboxd needs that started; an agent that comes with it is stopped again.
    const again = await runRemote(connection, command.replace(NO_AUTOSTART, ""), stdin);
    await runRemote(connection, "gpgconf --kill gpg-agent", new Uint8Array(0));
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
  let closing: Promise<void> | undefined;
  const serve = async (incoming: IncomingConnection) => {
    if (open.size >= MAX_CONNECTIONS || closing !== undefined) return incoming.reject();
    let stream: ByteStream;
    try {
      stream = await local.connect(socket);
    } catch (error) {
      incoming.reject();
      host.print(`Dial local address ${socket}: ${messageOf(error)}`);
      return;
    }
    open.add(stream);
    await joinStreams(stream, incoming.accept());
    open.delete(stream);
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

/** GnuPG on this machine. */
class LocalGpg {
  readonly #host: GpgHost;

  constructor(host: GpgHost) {
    this.#host = host;
  }

  gpg(...args: string[]): Promise<Uint8Array> {
    return this.#run("gpg", args);
  }

  /** The path of the extra socket, with an agent behind it: one that is not running is started. */
  async extraSocket(): Promise<string> {
    const [path] = await Promise.all([
      this.#run("gpgconf", ["--list-dir", "agent-extra-socket"]),
      this.#launch(),
    ]);
    const text = new TextDecoder().decode(path).trim();
    if (text === "") throw new Error("gpgconf --list-dir agent-extra-socket gives no path");
    return text;
  }

  async connect(path: string): Promise<ByteStream> {
    try {
      return await this.#dial(path);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      await this.#launch(); // the agent has ended since we looked
      return await this.#dial(path);
    }
  }

  async #dial(path: string): Promise<ByteStream> {
    if (this.#host.os !== "windows") {
      return await this.#host.sockets.connect({ kind: "unix", path });
    }
    const bytes = await this.#host.readSocketFile(path);
    const file = parsed(path, bytes);
    const target: LocalTarget = { kind: "tcp", host: "127.0.0.1", port: file.port };
    const stream = await this.#host.sockets.connect(target);
    try {
      for (const step of socketGreeting(file)) {
        await stream.write(step.send);
        await skip(stream, step.receiveBytes);
      }
      return stream;
    } catch (error) {
      stream.abort();
      throw new Error(
        `Write cookie to local connection: ${formatTarget(target)}: ${messageOf(error)}`,
        {
          cause: error,
        },
      );
    }
  }

  async #launch(): Promise<void> {
    await this.#run("gpgconf", ["--launch", "gpg-agent"]);
  }

  async #run(program: string, args: readonly string[]): Promise<Uint8Array> {
    const result = await this.#host.run(program, args, { maxOutputBytes: MAX_KEYRING_BYTES });
    const decoder = new TextDecoder();
    const command = [program, ...args].join(" ");
    if (result.code !== 0) {
      throw new Error(`\`${command}\` failed: stderr: ${decoder.decode(result.stderr).trim()}`);
    }
    if (result.stdout.length >= MAX_KEYRING_BYTES) {
      throw new Error(`\`${command}\` gives more than ${MAX_KEYRING_BYTES} bytes`);
    }
    return result.stdout;
  }
}

function parsed(path: string, bytes: Uint8Array) {
  try {
    return parseSocketFile(bytes);
  } catch (error) {
    throw new Error(`parse gpg-agent-extra socket file "${path}": ${messageOf(error)}`, {
      cause: error,
    });
  }
}

async function skip(stream: ByteStream, count: number): Promise<void> {
  const buffer = new Uint8Array(count);
  for (let read = 0; read < count;) {
    const more = await stream.read(buffer.subarray(read));
    if (more === null) throw new Error("the agent closed the connection");
    read += more;
  }
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
