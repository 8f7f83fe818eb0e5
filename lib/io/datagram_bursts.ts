/**
 * Many datagrams a call, on the sockets that the runtime opened, where the C library can be called. Whatever it refuses
 * is left to the runtime's own calls, one datagram each, which wait for room and say what an error means; so does the
 * runtime wait for what arrives. Nothing is called for a descriptor that is no longer the socket's.
 */
import type { DatagramBatch } from "../tailnet/datagram_port.ts";
import type { AddressFamily, Endpoint } from "../wire/endpoint.ts";
import { growReceiveBuffer } from "./receive_buffer.ts";
import { ReceiveBurst } from "./receive_burst.ts";
import { endOfRun, knowsSegments, type Run, SendBurst } from "./send_burst.ts";
import { type SocketCalls, SystemSocket } from "./socket_calls.ts";

/** errno(3). */
const EINTR = 4;
const EIO = 5;
const EAGAIN = 11;
const EINVAL = 22;
const ENOSYS = 38;
const EMSGSIZE = 90;

/** From now on less leaves or comes with a call; what the system said is a number of errno(3). */
export interface Refusal {
  readonly call: "recvmmsg" | "sendmsg" | "UDP_SEGMENT";
  readonly errno: number;
}

export interface DatagramBurstsOptions {
  /** Are closed with this. */
  readonly calls: SocketCalls;
  /** What is longer is cut off when it arrives. */
  readonly slotBytes: number;
  /** Once for each socket and call. */
  readonly onRefused: (refusal: Refusal) => void;
}

/** What all sockets share: the library, and the buffers of a call, which is over before the next one. */
export class DatagramBursts {
  readonly calls: SocketCalls;
  readonly received: ReceiveBurst;
  readonly sending: SendBurst;
  readonly onRefused: (refusal: Refusal) => void;

  constructor({ calls, slotBytes, onRefused }: DatagramBurstsOptions) {
    this.calls = calls;
    this.onRefused = onRefused;
    this.received = new ReceiveBurst(calls, slotBytes);
    this.sending = new SendBurst(calls);
  }

  /** The socket of the runtime's that has the port; `undefined`: it cannot be found. */
  attach(localPort: number, family: AddressFamily): BurstSocket | undefined {
    const socket = SystemSocket.find(this.calls, localPort, family);
    return socket === undefined ? undefined : new BurstSocket(this, socket);
  }

  close(): void {
    this.calls.close();
  }
}

export class BurstSocket {
  /** What it holds while nobody reads it, as the kernel counts; `undefined`: as usual. */
  readonly bufferBytes: number | undefined;
  readonly #all: DatagramBursts;
  readonly #socket: SystemSocket;
  #canReceive = true;
  #canSend = true;
  #canSegment: boolean;
  /** The way there takes no segments of that length: its MTU is smaller, and the kernel cuts no segment in fragments. */
  readonly #unsegmented = new WeakSet<Endpoint>();

  constructor(all: DatagramBursts, socket: SystemSocket) {
    this.#all = all;
    this.#socket = socket;
    this.bufferBytes = growReceiveBuffer(all.calls, socket.fd);
    this.#canSegment = knowsSegments(all.calls, socket);
  }

  /** What the last `take` of any socket brought. */
  get received(): ReceiveBurst {
    return this.#all.received;
  }

  /** How many datagrams waited, which `received` has now; `undefined`: there is no telling. */
  take(): number | undefined {
    if (!this.#canReceive || !this.#socket.isThere()) return undefined;
    const count = this.#all.received.take(this.#socket);
    if (count >= 0) return count;
    if (count === -EAGAIN) return 0;
    if (count === -EINTR) return undefined;
    this.#canReceive = false;
    this.#all.onRefused({ call: "recvmmsg", errno: -count });
    return undefined;
  }

  /** Behind the last datagram that can leave together with the first. */
  endOf(batch: DatagramBatch, first: number): number {
    const endpoint = batch.endpoints[first];
    const isOne = !this.#canSend || !this.#canSegment || endpoint === undefined ||
      this.#unsegmented.has(endpoint);
    return isOne ? first + 1 : endOfRun(batch, first);
  }

  /** Whether they left; if not, each must leave by the plain path. */
  send(batch: DatagramBatch, run: Run): boolean {
    if (!this.#canSend || !this.#socket.isThere()) return false;
    const result = this.#all.sending.send(this.#socket, batch, run);
    if (result >= 0) return true;
    this.#learn(-result, run);
    return false;
  }

  /** Everything else is for the plain path to tell, which meets with it as well. */
  #learn(errno: number, { first, end, endpoint }: Run): void {
    const isRun = end - first > 1;
    if (errno === ENOSYS) {
      this.#canSend = false;
      this.#all.onRefused({ call: "sendmsg", errno });
    } else if (errno === EIO && isRun) {
      // The device cannot make the checksums of what it did not cut.
      this.#canSegment = false;
      this.#all.onRefused({ call: "UDP_SEGMENT", errno });
    } else if ((errno === EINVAL || errno === EMSGSIZE) && isRun) {
      // Newer kernels say the second. Or the endpoint is wrong, which will be told.
      this.#unsegmented.add(endpoint);
    }
  }
}
