/** The workspace's side of forwards for `TestSshServer`: dials and listens on the sockets it is handed, as the agent does. */
import { type ByteStream, type StreamEnd, StreamError } from "../../lib/base/stream.ts";
import type { LocalListener, LocalSockets, LocalTarget } from "../../lib/ssh/host.ts";
import { joinStreams } from "../../lib/ssh/join.ts";
import { NodeSource } from "../../lib/ssh/node_stream.ts";
import type {
  ForwardDetails,
  ServerChannel,
  ServerConnection,
  TestSshServerOptions,
} from "./ssh_server.ts";

/** A server channel as a `ByteStream`, with half-closes, which ssh2's own `end()` on this side has not. */
export function serverStream(channel: ServerChannel): ByteStream {
  channel.destroy = () => channel;
  const source = new NodeSource(channel);
  const closed = new Promise<StreamEnd>((resolve) => {
    channel.on("close", () => resolve({ kind: "closed" }));
  });
  let isWriteEnded = false;
  const closeWhenDone = () => {
    if (isWriteEnded && source.isEnded) channel.close();
  };
  channel.on("end", closeWhenDone);
  return {
    closed,
    read: (into) => source.read(into),
    write: (bytes) =>
      new Promise((resolve, reject) => {
        const broken = () => reject(new StreamError({ kind: "reset", message: "channel closed" }));
        closed.then(broken);
        channel.write(bytes.slice(), (error) => error ? broken() : resolve());
      }),
    closeWrite: () => {
      isWriteEnded = true;
      channel.eof();
      closeWhenDone();
      return Promise.resolve();
    },
    abort: () => channel.close(),
  };
}

/** All forwards of one server. */
export class ForwardingWorkspace {
  readonly #sockets: LocalSockets;
  readonly #listeners = new Map<string, LocalListener>();
  connection: ServerConnection | undefined;

  constructor(sockets: LocalSockets) {
    this.#sockets = sockets;
  }

  /** For `TestSshServer.start`. */
  readonly options: Required<Pick<TestSshServerOptions, "onTcp" | "onUnix" | "onForward">> = {
    onTcp: ({ destIP, destPort }, answers) =>
      void this.#dial({ kind: "tcp", host: destIP, port: destPort }, answers),
    onUnix: ({ socketPath }, answers) =>
      void this.#dial({ kind: "unix", path: socketPath }, answers),
    onForward: (name, details, accept, reject) => {
      if (name.startsWith("cancel-")) this.#unlisten(details, accept, reject);
      else void this.#listen(name, details, { accept, reject });
    },
  };

  /** Where the workspace listens now. */
  get listening(): string[] {
    return [...this.#listeners.keys()];
  }

  close(): void {
    for (const listener of this.#listeners.values()) listener.close();
    this.#listeners.clear();
  }

  async #dial(
    target: LocalTarget,
    answers: {
      accept: (() => ServerChannel) | undefined;
      reject: (() => void) | undefined;
    },
  ): Promise<void> {
    try {
      const stream = await this.#sockets.connect(target);
      const channel = answers.accept?.();
      if (channel !== undefined) await joinStreams(stream, serverStream(channel));
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      answers.reject?.();
    }
  }

  async #listen(
    name: string,
    details: ForwardDetails,
    answers: { accept: (port?: number) => void; reject: () => void },
  ): Promise<void> {
    const isUnix = name.startsWith("streamlocal");
    const target: LocalTarget = isUnix
      ? { kind: "unix", path: details.socketPath }
      : { kind: "tcp", host: details.bindAddr, port: details.bindPort };
    let listener: LocalListener;
    try {
      listener = await this.#sockets.listen(target);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      answers.reject();
      return;
    }
    const port = listener.target.kind === "tcp" ? listener.target.port : 0;
    this.#listeners.set(keyOf({ ...details, bindPort: port }), listener);
    answers.accept(port);
    for (
      let stream = await listener.accept();
      stream !== undefined;
      stream = await listener.accept()
    ) {
      void this.#forward(stream, isUnix ? details.socketPath : { host: details.bindAddr, port });
    }
  }

  async #forward(
    stream: ByteStream,
    bound: string | { readonly host: string; readonly port: number },
  ): Promise<void> {
    try {
      const channel = await new Promise<ServerChannel>((resolve, reject) => {
        const done = (error: Error | undefined, channel: ServerChannel) =>
          error ? reject(error) : resolve(channel);
        const connection = this.connection;
        if (connection === undefined) reject(new Error("no connection"));
        else if (typeof bound === "string") connection.openssh_forwardOutStreamLocal(bound, done);
        else connection.forwardOut(bound.host, bound.port, "127.0.0.1", 0, done);
      });
      await joinStreams(stream, serverStream(channel));
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      stream.abort();
    }
  }

  #unlisten(details: ForwardDetails, accept: () => void, reject: () => void): void {
    const listener = this.#listeners.get(keyOf(details));
    if (listener === undefined) return reject();
    this.#listeners.delete(keyOf(details));
    listener.close();
    accept();
  }
}

function keyOf(details: ForwardDetails): string {
  return details.socketPath ?? `${details.bindAddr}:${details.bindPort}`;
}
