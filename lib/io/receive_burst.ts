/**
 * Datagrams that wait in a socket, taken with one call (recvmmsg(2)). The runtime takes one a call and tells when there is
 * something: what waits behind that one is taken here.
 *   struct mmsghdr, 64 bytes: struct msghdr 56 | received u32 | pad 4
 */
import { type Endpoint, mapIpv4 } from "../wire/endpoint.ts";
import { IPV6_ADDRESS_BYTES } from "../wire/ipv6.ts";
import { MSG_DONTWAIT, type SocketCalls, type SystemSocket } from "./socket_calls.ts";
import {
  addressOf,
  AF_INET,
  AF_INET6,
  IN6_ADDRESS_OFFSET,
  IN_ADDRESS_BYTES,
  IN_ADDRESS_OFFSET,
  IOV_COUNT_OFFSET,
  IOV_OFFSET,
  IOVEC_BYTES,
  IOVEC_LENGTH_OFFSET,
  IS_LITTLE_ENDIAN,
  NAME_BYTES,
  NAME_LENGTH_OFFSET,
  PORT_OFFSET,
  SOCKADDR_IN6_BYTES,
  writePointer,
} from "./socket_layouts.ts";

/** More would keep what they led to waiting. */
export const BURST_DATAGRAMS = 64;
const HEADER_BYTES = 64;
const RECEIVED_OFFSET = 56;

export class ReceiveBurst {
  readonly #calls: SocketCalls;
  readonly #slotBytes: number;
  readonly #slots: Uint8Array<ArrayBuffer>;
  readonly #headers = new Uint8Array(BURST_DATAGRAMS * HEADER_BYTES);
  readonly #headersView = new DataView(this.#headers.buffer);
  /** Held here: the headers have only their addresses. */
  readonly #iovecs = new Uint8Array(BURST_DATAGRAMS * IOVEC_BYTES);
  readonly #names = new Uint8Array(BURST_DATAGRAMS * NAME_BYTES);
  readonly #namesView = new DataView(this.#names.buffer);
  /** Views of the slots as long as the last datagram there was: in bulk all are alike. */
  readonly #views: Uint8Array<ArrayBuffer>[] = [];

  /** What is longer than a slot is cut off. */
  constructor(calls: SocketCalls, slotBytes: number) {
    this.#calls = calls;
    this.#slotBytes = slotBytes;
    this.#slots = new Uint8Array(BURST_DATAGRAMS * slotBytes);
    const slots = addressOf(this.#slots);
    const iovecs = addressOf(this.#iovecs);
    const names = addressOf(this.#names);
    const iovecsView = new DataView(this.#iovecs.buffer);
    const headers = this.#headersView;
    for (let i = 0; i < BURST_DATAGRAMS; i++) {
      const iovec = i * IOVEC_BYTES;
      writePointer(iovecsView, iovec, slots + i * slotBytes);
      iovecsView.setUint32(iovec + IOVEC_LENGTH_OFFSET, slotBytes, IS_LITTLE_ENDIAN);
      const header = i * HEADER_BYTES;
      writePointer(headers, header, names + i * NAME_BYTES);
      writePointer(headers, header + IOV_OFFSET, iovecs + iovec);
      headers.setUint32(header + IOV_COUNT_OFFSET, 1, IS_LITTLE_ENDIAN);
      this.#views.push(this.#slots.subarray(i * slotBytes, i * slotBytes));
    }
  }

  /** How many there were; or the error's number, negative. */
  take(socket: SystemSocket): number {
    for (let i = 0; i < BURST_DATAGRAMS; i++) {
      const offset = i * HEADER_BYTES + NAME_LENGTH_OFFSET;
      this.#headersView.setUint32(offset, SOCKADDR_IN6_BYTES, IS_LITTLE_ENDIAN);
    }
    return this.#calls.recvmmsg(socket.fd, this.#headers, BURST_DATAGRAMS, MSG_DONTWAIT);
  }

  /** A view, valid until the next call of `take`. */
  datagram(index: number): Uint8Array<ArrayBuffer> {
    const received = index * HEADER_BYTES + RECEIVED_OFFSET;
    const length = this.#headersView.getUint32(received, IS_LITTLE_ENDIAN);
    const known = this.#views[index];
    if (known?.length === length) return known;
    const start = index * this.#slotBytes;
    return this.#views[index] = this.#slots.subarray(start, start + length);
  }

  isFrom(index: number, { address, port }: Endpoint): boolean {
    const name = index * NAME_BYTES;
    if (this.#namesView.getUint16(name + PORT_OFFSET) !== port) return false;
    const family = this.#namesView.getUint16(name, IS_LITTLE_ENDIAN);
    const bytes = family === AF_INET ? IN_ADDRESS_BYTES : IPV6_ADDRESS_BYTES;
    const offset = name + (family === AF_INET ? IN_ADDRESS_OFFSET : IN6_ADDRESS_OFFSET);
    const skipped = IPV6_ADDRESS_BYTES - bytes;
    for (let i = 0; i < bytes; i++) {
      if (this.#names[offset + i] !== address[skipped + i]) return false;
    }
    return family === AF_INET6 || isMapped(address);
  }

  /** Nothing for a family that we do not know. */
  sender(index: number): Endpoint | undefined {
    const name = index * NAME_BYTES;
    const port = this.#namesView.getUint16(name + PORT_OFFSET);
    switch (this.#namesView.getUint16(name, IS_LITTLE_ENDIAN)) {
      case AF_INET: {
        const start = name + IN_ADDRESS_OFFSET;
        return { address: mapIpv4(this.#names.subarray(start, start + IN_ADDRESS_BYTES)), port };
      }
      case AF_INET6: {
        const start = name + IN6_ADDRESS_OFFSET;
        return { address: this.#names.slice(start, start + IPV6_ADDRESS_BYTES), port };
      }
      default:
        return undefined;
    }
  }
}

/** `::ffff:0:0/96`, without a view of it. */
function isMapped(address: Uint8Array): boolean {
  const skipped = IPV6_ADDRESS_BYTES - IN_ADDRESS_BYTES;
  for (let i = 0; i < skipped; i++) {
    if (address[i] !== (i < skipped - 2 ? 0 : 0xff)) return false;
  }
  return true;
}
