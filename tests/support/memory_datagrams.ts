/** UDP sockets in memory: what is sent arrives at once and in order, or nowhere. */
import type { DatagramAddress, LocalDatagrams } from "../../lib/base/datagrams.ts";
import { formatHostPort } from "../../lib/base/sockets.ts";

interface Received {
  readonly data: Uint8Array;
  readonly from: DatagramAddress;
}

export class MemoryDatagrams implements LocalDatagrams {
  readonly address: DatagramAddress;
  readonly #all: Map<string, MemoryDatagrams>;
  readonly #waiting: Received[] = [];
  #wake: (() => void) | undefined;
  #isClosed = false;

  /** `all` are the sockets of the machine by their address; whoever makes it puts it there. */
  constructor(address: DatagramAddress, all: Map<string, MemoryDatagrams>) {
    this.address = address;
    this.#all = all;
  }

  async receive(): Promise<Received | undefined> {
    for (;;) {
      const received = this.#waiting.shift();
      if (received !== undefined || this.#isClosed) return received;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  send(data: Uint8Array, to: DatagramAddress): Promise<void> {
    this.#all.get(formatHostPort(to.host, to.port))?.handle({
      data: data.slice(),
      from: this.address,
    });
    return Promise.resolve();
  }

  handle(received: Received): void {
    this.#waiting.push(received);
    this.#wake?.();
  }

  close(): void {
    this.#isClosed = true;
    this.#all.delete(formatHostPort(this.address.host, this.address.port));
    this.#wake?.();
  }
}
