/**
 * Datagrams of one length to one address, handed to the kernel in one piece, which it cuts apart itself (udp(7),
 * UDP_SEGMENT, since Linux 4.18); the last may be shorter.
 *   control: struct cmsghdr, length u64 | level i32 | type i32; then the segment's length u16, padded to 8 bytes
 */
import type { DatagramBatch } from "../tailnet/datagram_port.ts";
import { type Endpoint, unmapIpv4 } from "../wire/endpoint.ts";
import { MSG_DONTWAIT, type SocketCalls, socketOption, type SystemSocket } from "./socket_calls.ts";
import {
  addressOf,
  AF_INET,
  AF_INET6,
  CONTROL_LENGTH_OFFSET,
  CONTROL_OFFSET,
  IN6_ADDRESS_OFFSET,
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
  SOCKADDR_IN_BYTES,
  writePointer,
} from "./socket_layouts.ts";

const SOL_UDP = 17;
const UDP_SEGMENT = 103;

const CMSG_LEVEL_OFFSET = 8;
const CMSG_TYPE_OFFSET = 12;
const CMSG_DATA_OFFSET = 16;
/** `CMSG_LEN` and `CMSG_SPACE` of two bytes. */
const CMSG_LENGTH = 18;
const CMSG_BYTES = 24;

/** All in one piece: header, iovec, control message, name. */
const IOVEC = 64;
const CONTROL = IOVEC + IOVEC_BYTES;
const NAME = CONTROL + CMSG_BYTES;
const TOTAL_BYTES = NAME + NAME_BYTES;

/** Older kernels do not know the control message, and would send all of it as one long datagram. */
export function knowsSegments(calls: SocketCalls, { fd }: SystemSocket): boolean {
  return socketOption(calls, fd, SOL_UDP, UDP_SEGMENT) !== undefined;
}

/** Behind the last datagram that can leave together with the first. A batch is never too much for one call. */
export function endOfRun(batch: DatagramBatch, first: number): number {
  const endpoint = batch.endpoints[first];
  const bytes = batch.lengthOf(first);
  let end = first + 1;
  while (end < batch.count && batch.endpoints[end] === endpoint) {
    const next = batch.lengthOf(end);
    // An empty one would add nothing to cut off.
    if (next === 0 || next > bytes) break;
    end++;
    if (next < bytes) break;
  }
  return end;
}

export class SendBurst {
  readonly #calls: SocketCalls;
  readonly #header = new Uint8Array(TOTAL_BYTES);
  readonly #view = new DataView(this.#header.buffer);
  readonly #control: number;
  readonly #addresses = new WeakMap<Uint8Array, number>();
  /** Whose address is in the name. */
  #named: Endpoint | undefined;

  constructor(calls: SocketCalls) {
    this.#calls = calls;
    const view = this.#view;
    const start = addressOf(this.#header);
    this.#control = start + CONTROL;
    writePointer(view, 0, start + NAME);
    writePointer(view, IOV_OFFSET, start + IOVEC);
    view.setUint32(IOV_COUNT_OFFSET, 1, IS_LITTLE_ENDIAN);
    view.setUint32(CONTROL, CMSG_LENGTH, IS_LITTLE_ENDIAN);
    view.setInt32(CONTROL + CMSG_LEVEL_OFFSET, SOL_UDP, IS_LITTLE_ENDIAN);
    view.setInt32(CONTROL + CMSG_TYPE_OFFSET, UDP_SEGMENT, IS_LITTLE_ENDIAN);
  }

  /** Sends the datagrams `first .. end` of a batch to that endpoint; the bytes, or the error's number, negative. */
  send(socket: SystemSocket, batch: DatagramBatch, run: Run): number {
    const { first, end, endpoint } = run;
    const view = this.#view;
    const start = batch.startOf(first);
    const bytes = batch.startOf(end) - start;
    writePointer(view, IOVEC, this.#addressOf(batch.buffer) + start);
    view.setUint32(IOVEC + IOVEC_LENGTH_OFFSET, bytes, IS_LITTLE_ENDIAN);
    const isOne = end - first === 1;
    writePointer(view, CONTROL_OFFSET, isOne ? 0 : this.#control);
    view.setUint32(CONTROL_LENGTH_OFFSET, isOne ? 0 : CMSG_BYTES, IS_LITTLE_ENDIAN);
    view.setUint16(CONTROL + CMSG_DATA_OFFSET, batch.lengthOf(first), IS_LITTLE_ENDIAN);
    if (this.#named !== endpoint) this.#name(endpoint);
    return this.#calls.sendmsg(socket.fd, this.#header, MSG_DONTWAIT);
  }

  #addressOf(buffer: Uint8Array<ArrayBuffer>): number {
    const known = this.#addresses.get(buffer);
    if (known !== undefined) return known;
    const address = addressOf(buffer);
    this.#addresses.set(buffer, address);
    return address;
  }

  #name(endpoint: Endpoint): void {
    const ipv4 = unmapIpv4(endpoint.address);
    const isIpv4 = ipv4 !== undefined;
    const view = this.#view;
    this.#header.fill(0, NAME);
    view.setUint16(NAME, isIpv4 ? AF_INET : AF_INET6, IS_LITTLE_ENDIAN);
    view.setUint16(NAME + PORT_OFFSET, endpoint.port);
    const offset = NAME + (isIpv4 ? IN_ADDRESS_OFFSET : IN6_ADDRESS_OFFSET);
    this.#header.set(ipv4 ?? endpoint.address, offset);
    const bytes = isIpv4 ? SOCKADDR_IN_BYTES : SOCKADDR_IN6_BYTES;
    view.setUint32(NAME_LENGTH_OFFSET, bytes, IS_LITTLE_ENDIAN);
    this.#named = endpoint;
  }
}

/** Datagrams of a batch that leave in one piece. */
export interface Run {
  readonly first: number;
  readonly end: number;
  readonly endpoint: Endpoint;
}
