/** `LocalSockets` in memory: every target that is listened on can be connected to, with the errors that a system gives. */
import type { DatagramAddress, LocalDatagrams } from "../../lib/base/datagrams.ts";
import { formatHostPort, SocketError } from "../../lib/base/sockets.ts";
import type { ByteStream } from "../../lib/base/stream.ts";
import {
  formatTarget,
  type LocalListener,
  type LocalSockets,
  type LocalTarget,
} from "../../lib/ssh/host.ts";
import { MemoryDatagrams } from "./memory_datagrams.ts";
import { createBytePipe } from "./byte_pipe.ts";

const FIRST_FREE_PORT = 49_152;
/** Folders that do not exist for anybody. */
const MISSING = "/no/such/";

export class MemorySockets implements LocalSockets {
  readonly #listeners = new Map<string, MemoryListener>();
  readonly #datagrams = new Map<string, MemoryDatagrams>();
  #nextPort = FIRST_FREE_PORT;

  connect(target: LocalTarget): Promise<ByteStream> {
    const name = formatTarget(target);
    const listener = this.#listeners.get(name);
    if (listener === undefined) {
      const reason = target.kind === "tcp" ? "connection refused" : "no such file or directory";
      return Promise.reject(new SocketError(`dial ${name}: ${reason}`));
    }
    return Promise.resolve(listener.connect());
  }

  listen(target: LocalTarget): Promise<LocalListener> {
    const actual = target.kind === "tcp" && target.port === 0
      ? { ...target, port: this.#nextPort++ }
      : target;
    const name = formatTarget(actual);
    if (this.#listeners.has(name)) {
      return Promise.reject(new SocketError(`listen on ${name}: address already in use`));
    }
    if (name.includes(MISSING)) {
      return Promise.reject(new SocketError(`listen on ${name}: no such file or directory`));
    }
    const listener = new MemoryListener(actual, () => this.#listeners.delete(name));
    this.#listeners.set(name, listener);
    return Promise.resolve(listener);
  }

  /** What is sent to an address that nobody has is lost. */
  listenDatagrams({ host, port }: DatagramAddress): Promise<LocalDatagrams> {
    const address = { host, port: port === 0 ? this.#nextPort++ : port };
    const name = formatHostPort(host, address.port);
    if (this.#datagrams.has(name)) {
      return Promise.reject(new SocketError(`listen on ${name}: address already in use`));
    }
    const socket = new MemoryDatagrams(address, this.#datagrams);
    this.#datagrams.set(name, socket);
    return Promise.resolve(socket);
  }
}

class MemoryListener implements LocalListener {
  readonly target: LocalTarget;
  readonly #forget: () => void;
  readonly #waiting: ByteStream[] = [];
  #wake: (() => void) | undefined;
  #isClosed = false;

  constructor(target: LocalTarget, forget: () => void) {
    this.target = target;
    this.#forget = forget;
  }

  connect(): ByteStream {
    const [client, server] = createBytePipe();
    this.#waiting.push(server);
    this.#wake?.();
    return client;
  }

  async accept(): Promise<ByteStream | undefined> {
    for (;;) {
      const stream = this.#waiting.shift();
      if (stream !== undefined || this.#isClosed) return stream;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#forget();
    this.#wake?.();
  }
}
