/**
 * Bytes in, bytes out, first in first out, in one array that grows by doubling up to a bound and slides back when it
 * drains: many small writes cost no object each. The owner checks `writableBytes` first; more is its mistake.
 */

const SMALLEST_BYTES = 1024;

export class ByteQueue {
  readonly #limitBytes: number;
  #buffer = new Uint8Array(0);
  #start = 0;
  #end = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  get length(): number {
    return this.#end - this.#start;
  }

  get writableBytes(): number {
    return this.#limitBytes - this.length;
  }

  /** Copies `bytes` in. Throws `RangeError` when they do not fit. */
  push(bytes: Uint8Array): void {
    if (bytes.length > this.writableBytes) {
      throw new RangeError(`Cannot queue ${bytes.length} bytes: ${this.writableBytes} fit`);
    }
    if (this.#end + bytes.length > this.#buffer.length) this.#makeRoom(bytes.length);
    this.#buffer.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  /** A copy of the next bytes, at most `maxBytes`; removes them. */
  take(maxBytes: number): Uint8Array<ArrayBuffer> {
    const end = Math.min(this.#end, this.#start + maxBytes);
    const taken = this.#buffer.slice(this.#start, end);
    this.#advanceTo(end);
    return taken;
  }

  /** Moves the next bytes into `target`, as many as fit from `offset` on and at most `maxBytes`; the count. */
  takeInto(target: Uint8Array, offset: number, maxBytes: number): number {
    const count = Math.min(this.length, maxBytes, target.length - offset);
    target.set(this.#buffer.subarray(this.#start, this.#start + count), offset);
    this.#advanceTo(this.#start + count);
    return count;
  }

  clear(): void {
    this.#buffer = new Uint8Array(0);
    this.#start = 0;
    this.#end = 0;
  }

  #advanceTo(start: number): void {
    this.#start = start;
    if (this.#start === this.#end) {
      this.#start = 0;
      this.#end = 0;
    }
  }

  #makeRoom(count: number): void {
    const needed = this.length + count;
    let size = Math.max(SMALLEST_BYTES, this.#buffer.length);
    while (size < needed) size *= 2;
    const target = size === this.#buffer.length ? this.#buffer : new Uint8Array(size);
    target.set(this.#buffer.subarray(this.#start, this.#end));
    this.#end = this.length;
    this.#start = 0;
    this.#buffer = target;
  }
}
