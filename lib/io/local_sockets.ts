/**
 * Sockets of this machine for the ssh room: TCP and unix sockets by Deno, Windows named pipes by Node's layer, which is loaded
 * only then; UDP is `local_datagrams.ts`. Implements `LocalSockets` of `lib/base/sockets.ts`.
 */
import { isDefect } from "../base/errors.ts";
import {
  formatTarget,
  type LocalListener,
  type LocalSockets,
  type LocalTarget,
  SocketError,
  socketPathProblem,
} from "../base/sockets.ts";
import type { ByteStream } from "../base/stream.ts";
import { MAX_SOCKET_FILE_BYTES } from "../ssh/gpg_socket_file.ts";
import { ConnStream } from "./conn_stream.ts";
import { reasonOf } from "./host_errors.ts";
import { listenDatagrams } from "./local_datagrams.ts";

const PIPE_FOLDER = "\\\\.\\pipe\\";

export const SYSTEM_SOCKETS: LocalSockets = { connect, listen, listenDatagrams };

/** The names of the named pipes there are, without their folder; none where the system has none. */
export async function listPipes(): Promise<string[]> {
  if (Deno.build.os !== "windows") return [];
  try {
    const names: string[] = [];
    for await (const entry of Deno.readDir(PIPE_FOLDER)) names.push(entry.name);
    return names;
  } catch (error) {
    // To somebody who looks for a pipe by its name, a folder that cannot be listed is an empty one.
    if (isDefect(error)) throw error;
    return [];
  }
}

/**
 * The bytes of a file that stands for a socket; of one that is longer than such are, one byte more than those have. Rejects with
 * `SocketError` in words for people, also for what is no file, which might never end.
 */
export async function readSocketFile(path: string): Promise<Uint8Array> {
  try {
    // Before it is opened: a pipe without a writer would not let go of us.
    if (!(await Deno.stat(path)).isFile) throw new SocketError("not a file");
    using file = await Deno.open(path);
    const bytes = new Uint8Array(MAX_SOCKET_FILE_BYTES + 1);
    let length = 0;
    while (length < bytes.length) {
      const count = await file.read(bytes.subarray(length));
      if (count === null) break;
      length += count;
    }
    return bytes.subarray(0, length);
  } catch (error) {
    throw failed(`open ${path}`, error);
  }
}

/** `what` failed of `error`. */
function failed(what: string, error: unknown): SocketError {
  return new SocketError(`${what}: ${reasonOf(error)}`, { cause: error });
}

async function connect(target: LocalTarget, signal?: AbortSignal): Promise<ByteStream> {
  signal?.throwIfAborted();
  checkPath(target, "dial");
  try {
    switch (target.kind) {
      case "tcp": {
        const { host, port } = target;
        const options = { hostname: host, port, ...(signal === undefined ? {} : { signal }) };
        const connection = await Deno.connect(options);
        connection.setNoDelay();
        return new ConnStream(connection);
      }
      case "unix":
        return new ConnStream(await Deno.connect({ transport: "unix", path: target.path }));
      case "pipe":
        return new ConnStream(await (await import("./node_pipe.ts")).connectPipe(target.path));
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw failed(`dial ${formatTarget(target)}`, error);
  }
}

async function listen(target: LocalTarget): Promise<LocalListener> {
  checkPath(target, "listen on");
  try {
    switch (target.kind) {
      case "tcp": {
        const listener = Deno.listen({ hostname: target.host, port: target.port });
        const { port } = listener.addr;
        return new SystemListener(listener, { ...target, port });
      }
      case "unix":
        await removeStale(target.path);
        return new SystemListener(listenPrivately(target.path), target);
      case "pipe":
        throw new SocketError("named pipes cannot be listened on");
    }
  } catch (error) {
    throw failed(`listen on ${formatTarget(target)}`, error);
  }
}

/** Our sockets lead into a workspace: their owner's alone from the first instant, as OpenSSH's (StreamLocalBindMask 0177). */
function listenPrivately(path: string): Deno.Listener {
  const listen = () => Deno.listen({ transport: "unix", path });
  if (Deno.build.os === "windows") return listen();
  let before: number;
  try {
    before = Deno.umask(0o177);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotCapable)) throw error;
    // Not permitted to say so beforehand (`sys`): at once afterwards, or not at all.
    const listener = listen();
    try {
      Deno.chmodSync(path, 0o600);
      return listener;
    } catch (cause) {
      listener.close();
      throw cause;
    }
  }
  try {
    return listen();
  } finally {
    Deno.umask(before);
  }
}

function checkPath(target: LocalTarget, what: string): void {
  if (target.kind !== "unix") return;
  const problem = socketPathProblem(target.path, Deno.build.os);
  if (problem !== undefined) throw new SocketError(`${what} ${target.path}: ${problem}`);
}

/** Removes a socket that nobody listens on; anything else at the path is left for `listen` to fail on. */
async function removeStale(path: string): Promise<void> {
  try {
    const info = await Deno.lstat(path);
    if (info.isSocket !== true) return;
    (await Deno.connect({ transport: "unix", path })).close();
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused) await Deno.remove(path);
    else if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

class SystemListener implements LocalListener {
  readonly target: LocalTarget;
  readonly #listener: Deno.Listener;
  #isClosed = false;

  constructor(listener: Deno.Listener, target: LocalTarget) {
    this.#listener = listener;
    this.target = target;
  }

  async accept(): Promise<ByteStream | undefined> {
    for (;;) {
      if (this.#isClosed) return undefined;
      try {
        return new ConnStream(await this.#listener.accept());
      } catch (error) {
        if (this.#isClosed) return undefined;
        // The client gave up between its SYN and our accept.
        if (error instanceof Deno.errors.ConnectionAborted) continue;
        throw failed(`accept on ${formatTarget(this.target)}`, error);
      }
    }
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#listener.close();
    if (this.target.kind !== "unix") return;
    try {
      Deno.removeSync(this.target.path);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}
