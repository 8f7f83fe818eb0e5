/**
 * Packets that wait for one client of the relay, as finished RecvPacket frames in a byte ring that grows up to a bound.
 * When full the oldest is dropped (coder/tailscale `derp/derp_server.go`, `sendPkt`): for what is inside, old is worthless.
 */
import { FRAME_HEADER_BYTES, RECV_PACKET_HEADER_BYTES, writeRecvPacketHeader } from "./frame.ts";

const INITIAL_RING_BYTES = 16 * 1024;

export interface PacketQueueOptions {
  readonly maxPackets: number;
  /** Of frames, headers included. */
  readonly maxBytes: number;
}

export class PacketQueue {
  /** Packets that were dropped to make room, or that never fitted. */
  dropped = 0;

  readonly #options: PacketQueueOptions;
  readonly #header = new Uint8Array(RECV_PACKET_HEADER_BYTES);
  #ring = new Uint8Array(0);
  #head = 0;
  #lengthBytes = 0;
  #count = 0;

  constructor(options: PacketQueueOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#count;
  }

  /** Appends a copy of `packet` from `source`. */
  push(source: Uint8Array, packet: Uint8Array): void {
    const { maxPackets, maxBytes } = this.#options;
    const frameBytes = RECV_PACKET_HEADER_BYTES + packet.length;
    if (frameBytes > maxBytes || maxPackets === 0) {
      this.dropped++;
      return;
    }
    while (this.#count >= maxPackets || this.#lengthBytes + frameBytes > maxBytes) {
      this.#removeHead(this.#headFrameBytes());
      this.dropped++;
    }
    this.#reserve(this.#lengthBytes + frameBytes);
    writeRecvPacketHeader(this.#header, 0, source, packet.length);
    this.#append(this.#header);
    this.#append(packet);
    this.#count++;
  }

  /** Moves whole frames into `into` from `offset` on, as many as fit. Returns the offset behind the last. */
  moveInto(into: Uint8Array, offset: number): number {
    let at = offset;
    while (this.#count > 0) {
      const frameBytes = this.#headFrameBytes();
      if (at + frameBytes > into.length) break;
      const tail = Math.min(frameBytes, this.#ring.length - this.#head);
      into.set(this.#ring.subarray(this.#head, this.#head + tail), at);
      if (tail < frameBytes) into.set(this.#ring.subarray(0, frameBytes - tail), at + tail);
      this.#removeHead(frameBytes);
      at += frameBytes;
    }
    return at;
  }

  #headFrameBytes(): number {
    let length = 0;
    for (let i = 1; i < FRAME_HEADER_BYTES; i++) {
      length = length * 256 + (this.#ring[(this.#head + i) % this.#ring.length] ?? 0);
    }
    return FRAME_HEADER_BYTES + length;
  }

  #removeHead(frameBytes: number): void {
    this.#head = (this.#head + frameBytes) % this.#ring.length;
    this.#lengthBytes -= frameBytes;
    this.#count--;
  }

  #append(bytes: Uint8Array): void {
    const at = (this.#head + this.#lengthBytes) % this.#ring.length;
    const tail = Math.min(bytes.length, this.#ring.length - at);
    this.#ring.set(tail === bytes.length ? bytes : bytes.subarray(0, tail), at);
    if (tail < bytes.length) this.#ring.set(bytes.subarray(tail), 0);
    this.#lengthBytes += bytes.length;
  }

  #reserve(lengthBytes: number): void {
    if (lengthBytes <= this.#ring.length) return;
    const doubled = Math.min(2 * this.#ring.length, this.#options.maxBytes);
    const grown = new Uint8Array(Math.max(lengthBytes, doubled, INITIAL_RING_BYTES));
    const tail = Math.min(this.#lengthBytes, this.#ring.length - this.#head);
    grown.set(this.#ring.subarray(this.#head, this.#head + tail));
    grown.set(this.#ring.subarray(0, this.#lengthBytes - tail), tail);
    this.#ring = grown;
    this.#head = 0;
  }
}
