/** What a connection's owner has yet to hear of: each kind at most once, so that nothing here grows with traffic. */

/** A set of bits, in the order in which an owner must hear them. */
export const SocketEvent = {
  accepted: 1,
  connected: 2,
  readable: 4,
  writable: 8,
  closed: 16,
} as const;
export type SocketEvent = (typeof SocketEvent)[keyof typeof SocketEvent];

const IN_ORDER: readonly SocketEvent[] = Object.values(SocketEvent);

export class OwnerNews {
  #events = 0;
  /** The owner knows that there is something to read, and has not read since. */
  #isReadableTold = false;
  /** The owner could not write all it had. */
  #isWriterWaiting = false;

  get isNothing(): boolean {
    return this.#events === 0;
  }

  get isWriterWaiting(): boolean {
    return this.#isWriterWaiting;
  }

  add(event: SocketEvent): void {
    this.#events |= event;
  }

  /** There is something to read; told unless the owner knows. */
  addReadable(): void {
    if (this.#isReadableTold) return;
    this.#isReadableTold = true;
    this.add(SocketEvent.readable);
  }

  /** There is room to write; told to an owner that waits for it. */
  addWritable(): void {
    if (!this.#isWriterWaiting) return;
    this.#isWriterWaiting = false;
    this.add(SocketEvent.writable);
  }

  /** The owner reads: what comes from now on is news. */
  handleRead(): void {
    this.#isReadableTold = false;
  }

  /** The owner could not write all it had. */
  handleShortWrite(): void {
    this.#isWriterWaiting = true;
  }

  /** The next in order; `undefined` when all was told. */
  take(): SocketEvent | undefined {
    for (const event of IN_ORDER) {
      if ((this.#events & event) === 0) continue;
      this.#events &= ~event;
      return event;
    }
    return undefined;
  }
}
