/**
 * Datagrams that must leave our UDP sockets, gathered for the driver: packets are written and sealed in the buffer that
 * they leave from, one behind the other, so that equal ones to one address can be handed to the kernel in one piece.
 * There is nothing to dial and nothing to frame. What comes in goes to the node directly.
 */
import { type Endpoint, equalEndpoints } from "../wire/endpoint.ts";
import type { PacketSlot } from "./path.ts";

/** As many full packets as one call can take where the kernel cuts them apart itself (Linux `UDP_MAX_SEGMENTS`). */
export const BATCH_PACKETS = 48;
/** A WireGuard message around an inner packet of 1280 bytes, which is also the longest disco packet. */
export const MAX_DATAGRAM_BYTES = 1_312;
/**
 * Data that a socket holds while nobody reads it: Linux's usual buffer of 208 KiB takes 92 full datagrams with what it keeps
 * of each (measured), and counts up to a quarter of what was read already as still there (`udp_rmem_release`).
 */
const DEFAULT_BURST_BYTES = 72 * 1024;
const DEFAULT_BUFFER_BYTES = 208 * 1024;
/**
 * What the queues on the way take before anything is known of its rate: as little as a narrow link's, or what a way of 50 Mbit/s
 * has under way, for a long one takes many round trips to find its rate. From there on the rate tells.
 */
const LIKELY_QUEUE_BYTES = 128 * 1024;
const LIKELY_BYTES_PER_MS = 6_250;
const MAX_BURST_BYTES = 1024 * 1024;
/** What sealing writes behind a packet before the length is known: padding and tag. */
const SLACK_BYTES = 32;

/** One batch: datagram `i` is `buffer[start(i) .. ends[i])`, to `endpoints[i]`. */
export class DatagramBatch {
  readonly buffer = new Uint8Array(BATCH_PACKETS * MAX_DATAGRAM_BYTES + SLACK_BYTES);
  readonly endpoints: Endpoint[] = [];
  readonly ends: number[] = [];

  get count(): number {
    return this.ends.length;
  }

  /** Where the next datagram begins. */
  get end(): number {
    return this.ends.at(-1) ?? 0;
  }

  startOf(index: number): number {
    return index === 0 ? 0 : this.ends[index - 1] ?? 0;
  }

  lengthOf(index: number): number {
    return (this.ends[index] ?? 0) - this.startOf(index);
  }

  /** A view, valid until the batch is released. */
  datagram(index: number): Uint8Array<ArrayBuffer> {
    return this.buffer.subarray(this.startOf(index), this.ends[index] ?? 0);
  }

  hasRoom(datagramBytes: number): boolean {
    return this.ends.length < BATCH_PACKETS &&
      this.end + datagramBytes + SLACK_BYTES <= this.buffer.length;
  }

  clear(): void {
    this.endpoints.length = 0;
    this.ends.length = 0;
  }
}

export class DatagramPort {
  readonly #slot: { buffer: Uint8Array<ArrayBuffer>; offset: number };
  #filling = new DatagramBatch();
  #spare: DatagramBatch | undefined = new DatagramBatch();
  /** The last endpoint that was sent to: one object for equal ones lets who sends keep what it made of it. */
  #last: Endpoint | undefined;
  /** Packets for which there was no room. */
  dropped = 0;
  #heldBytes = DEFAULT_BURST_BYTES;
  #isShort = false;
  /** A closed port takes nothing. */
  isOpen = false;

  constructor() {
    this.#slot = { buffer: this.#filling.buffer, offset: 0 };
  }

  /** What may come in one go, by a way whose least round trip is that long: our socket and the queues on the way must hold it. */
  burstBytes(rttMs = 0): number {
    const likely = Math.max(LIKELY_QUEUE_BYTES, LIKELY_BYTES_PER_MS * rttMs);
    return Math.floor(Math.min(this.#heldBytes, likely, MAX_BURST_BYTES));
  }

  /** The receive buffers of the sockets, as the kernel counts them; `undefined` for what is usual. */
  setBuffers(buffers: readonly (number | undefined)[]): void {
    const least = Math.min(...buffers.map((bytes) => bytes ?? DEFAULT_BUFFER_BYTES));
    const held = Math.floor(DEFAULT_BURST_BYTES * (least / DEFAULT_BUFFER_BYTES));
    this.#heldBytes = Math.max(DEFAULT_BURST_BYTES, held);
  }

  /** As `Path.slot`. */
  slot(datagramBytes: number): PacketSlot | undefined {
    if (!this.isOpen) return undefined;
    if (!this.#filling.hasRoom(datagramBytes)) {
      this.#isShort = true;
      return undefined;
    }
    this.#slot.buffer = this.#filling.buffer;
    this.#slot.offset = this.#filling.end;
    return this.#slot;
  }

  /** Whether a packet found no room since this was asked last: with a batch that was sent there is some again. */
  takeShortage(): boolean {
    const isShort = this.#isShort;
    this.#isShort = false;
    return isShort;
  }

  /** The datagram that was committed last, a view that holds until the next call. */
  last(): Uint8Array<ArrayBuffer> {
    return this.#filling.datagram(this.#filling.count - 1);
  }

  /** Sends what was written into the last slot. */
  commit(datagramBytes: number, endpoint: Endpoint): void {
    const { endpoints, ends, end } = this.#filling;
    if (this.#last === undefined || !equalEndpoints(this.#last, endpoint)) this.#last = endpoint;
    endpoints.push(this.#last);
    ends.push(end + datagramBytes);
  }

  /** Sends a copy; false when there is no room. */
  send(datagram: Uint8Array, endpoint: Endpoint): boolean {
    if (!this.isOpen || !this.#filling.hasRoom(datagram.length)) {
      this.dropped++;
      return false;
    }
    this.#filling.buffer.set(datagram, this.#filling.end);
    this.commit(datagram.length, endpoint);
    return true;
  }

  /** What was gathered, the caller's until it is released; `undefined` when there is nothing, or the last is not released yet. */
  takeBatch(): DatagramBatch | undefined {
    if (this.#filling.count === 0 || this.#spare === undefined) return undefined;
    const batch = this.#filling;
    this.#filling = this.#spare;
    this.#spare = undefined;
    return batch;
  }

  /** Gives a batch back that was sent. */
  release(batch: DatagramBatch): void {
    batch.clear();
    this.#spare = batch;
  }
}
