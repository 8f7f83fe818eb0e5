/**
 * Sockets of this machine for the ssh room: TCP and unix sockets by Deno, Windows named pipes by Node's layer, which is loaded
 * only then. Implements `LocalSockets` of `lib/ssh/host.ts`.
 */
import { type ByteStream, type StreamEnd, StreamError } from "../base/stream.ts";
import { messageOf } from "../base/errors.ts";
import {
  formatTarget,
  type LocalListener,
  type LocalSockets,
  type LocalTarget,
} from "../ssh/host.ts";

const PIPE_FOLDER = "\\\\.\\pipe\\";

export const SYSTEM_SOCKETS: LocalSockets = { connect, listen };

/** The names of the named pipes there are, without their folder; none where the system has none. */
export async function listPipes(): Promise<string[]> {
  if (Deno.build.os !== "windows") return [];
  try {
    const names: string[] = [];
    for await (const entry of Deno.readDir(PIPE_FOLDER)) names.push(entry.name);
    return names;
  } catch (error) {
    // Not to be listed is the same as not being there for who looks for one by its name.
    if (error instanceof Error) return [];
    throw error;
  }
}

/** A file's bytes, for the files that stand for sockets on Windows. Rejects with an `Error` in words for people. */
export async function readSocketFile(path: string): Promise<Uint8Array> {
  try {
    return await Deno.readFile(path);
  } catch (error) {
    throw new Error(`open ${path}: ${reasonOf(error)}`, { cause: error });
  }
}

async function connect(target: LocalTarget, signal?: AbortSignal): Promise<ByteStream> {
  signal?.throwIfAborted();
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
        return await connectPipe(target.path);
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw new Error(`dial ${formatTarget(target)}: ${reasonOf(error)}`, { cause: error });
  }
}

async function connectPipe(path: string): Promise<ByteStream> {
  const [net, { NodeByteStream }] = await Promise.all([
    import("node:net"),
    import("../ssh/node_stream.ts"),
  ]);
  const socket = net.connect(path);
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", () => resolve());
    socket.once("error", reject);
  });
  const stream = new NodeByteStream(socket, { release: () => socket.destroy() });
  socket.once("close", () => stream.finish({ kind: "closed" }));
  return stream;
}

async function listen(target: LocalTarget): Promise<LocalListener> {
  try {
    switch (target.kind) {
      case "tcp": {
        const listener = Deno.listen({ hostname: target.host, port: target.port });
        const { port } = listener.addr;
        return new SystemListener(listener, { ...target, port });
      }
      case "unix":
        await removeStale(target.path);
        return new SystemListener(
          Deno.listen({ transport: "unix", path: target.path }),
          target,
        );
      case "pipe":
        throw new Error("named pipes cannot be listened on");
    }
  } catch (error) {
    throw new Error(`listen on ${formatTarget(target)}: ${reasonOf(error)}`, { cause: error });
  }
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
        throw new Error(`accept on ${formatTarget(this.target)}: ${reasonOf(error)}`, {
          cause: error,
        });
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

/** A `ByteStream` over a Deno connection. */
class ConnStream implements ByteStream {
  readonly closed: Promise<StreamEnd>;
  readonly #connection: Deno.Conn;
  readonly #resolveClosed: (end: StreamEnd) => void;
  #end: StreamEnd | undefined;
  #isReadEnded = false;
  #isWriteEnded = false;

  constructor(connection: Deno.Conn) {
    const { promise, resolve } = Promise.withResolvers<StreamEnd>();
    this.closed = promise;
    this.#resolveClosed = resolve;
    this.#connection = connection;
  }

  async read(into: Uint8Array): Promise<number | null> {
    if (this.#isReadEnded) return null;
    const count = await this.#guard(() => this.#connection.read(into));
    if (count === null) {
      this.#isReadEnded = true;
      this.#finishWhenBothEnded();
    }
    return count;
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      at += await this.#guard(() => this.#connection.write(bytes.subarray(at)));
    }
  }

  async closeWrite(): Promise<void> {
    if (this.#isWriteEnded || this.#end !== undefined) return;
    this.#isWriteEnded = true;
    try {
      await this.#connection.closeWrite();
    } catch (error) {
      // The peer has reset the connection already: `read` will say so.
      if (!(error instanceof Error)) throw error;
    }
    this.#finishWhenBothEnded();
  }

  abort(message = "Connection was aborted"): void {
    this.#finish({ kind: "aborted", message });
  }

  async #guard<Value>(operation: () => Promise<Value>): Promise<Value> {
    if (this.#end !== undefined) throw new StreamError(this.#end);
    try {
      return await operation();
    } catch (error) {
      if (this.#end === undefined) this.#finish({ kind: "reset", message: reasonOf(error) });
      throw new StreamError(this.#end ?? { kind: "reset", message: reasonOf(error) });
    }
  }

  #finishWhenBothEnded(): void {
    if (this.#isReadEnded && this.#isWriteEnded) this.#finish({ kind: "closed" });
  }

  #finish(end: StreamEnd): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    this.#connection.close();
    this.#resolveClosed(end);
  }
}

/** Why a socket call failed, as the system's own tools say it. */
function reasonOf(error: unknown): string {
  const { errors } = Deno;
  if (error instanceof errors.ConnectionRefused) return "connection refused";
  if (error instanceof errors.NotFound) return "no such file or directory";
  if (error instanceof errors.AddrInUse) return "address already in use";
  if (error instanceof errors.AddrNotAvailable) return "cannot assign requested address";
  if (error instanceof errors.PermissionDenied) return "permission denied";
  if (error instanceof errors.ConnectionReset) return "connection reset by peer";
  if (error instanceof errors.BrokenPipe) return "broken pipe";
  if (error instanceof errors.NotCapable) {
    return `not permitted: ${error.message.replace(/, run again.*$/s, "")}`;
  }
  return messageOf(error).replace(/ \(os error \d+\)$/, "");
}
