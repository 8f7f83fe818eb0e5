/**
 * A flow of UDP datagrams (RFC 768) between a port of ours and one of a peer: what waits to leave, and nothing else. UDP has no
 * connection: a flow begins with its first datagram and ends when its owner says so.
 */
import { UDP_HEADER_BYTES } from "../wire/udp.ts";
import { Fifo } from "./fifo.ts";
import { MAX_FLOW_QUEUE_BYTES } from "./limits.ts";
import type { Endpoints } from "./tcb.ts";

/** What a flow asks of the part that it belongs to. */
export interface FlowHost {
  /** The longest payload that fits a packet. */
  readonly maxPayloadBytes: number;
  /** The flow has something to send. */
  wake(flow: UdpFlow): void;
  forget(flow: UdpFlow): void;
}

export class UdpFlow {
  readonly endpoints: Endpoints;
  readonly #host: FlowHost;
  readonly #waiting = new Fifo<Uint8Array>();
  #waitingBytes = 0;
  #isClosed = false;

  constructor(endpoints: Endpoints, host: FlowHost) {
    this.endpoints = endpoints;
    this.#host = host;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Whether something waits to leave. */
  get isWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  /** Queues a datagram, which is copied. What does not fit is lost, as on any network: the result says why. */
  send(payload: Uint8Array): "queued" | "too-long" | "full" | "closed" {
    if (this.#isClosed) return "closed";
    if (payload.length > this.#host.maxPayloadBytes) return "too-long";
    const bytes = UDP_HEADER_BYTES + payload.length; // empty ones count too
    if (this.#waitingBytes + bytes > MAX_FLOW_QUEUE_BYTES) return "full";
    this.#waitingBytes += bytes;
    this.#waiting.push(new Uint8Array(payload));
    this.#host.wake(this);
    return "queued";
  }

  /** The next payload to leave, which is the caller's. */
  take(): Uint8Array | undefined {
    const payload = this.#waiting.shift();
    if (payload !== undefined) this.#waitingBytes -= UDP_HEADER_BYTES + payload.length;
    return payload;
  }

  /** Ends it: what waits is lost, what comes for it is nobody's. Idempotent. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    while (this.take() !== undefined);
    this.#host.forget(this);
  }
}
