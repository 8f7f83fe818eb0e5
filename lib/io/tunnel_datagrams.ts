/** The UDP flows of a tunnel as promises: what came waits for its reader, within a bound. */
import type { Instant } from "../base/core.ts";
import type { DatagramFlow, SendResult } from "../base/datagrams.ts";
import type { NetstackEvent, UdpFlow } from "../netstack/mod.ts";

/** Who runs the stack: what was sent has to leave. */
export interface FlowOwner {
  now(): Instant;
  schedule(): void;
}

type DatagramEvent = Extract<NetstackEvent, { readonly kind: "datagram" }>;

/** What waits for a reader who is slow; further datagrams are lost. */
const MAX_UNREAD_BYTES = 256 * 1024;
/** What a datagram counts for beside its payload: empty ones need memory too. */
const DATAGRAM_COST_BYTES = 64;

export class TunnelDatagrams {
  readonly #owner: FlowOwner;
  readonly #flows = new Map<UdpFlow, TunnelFlow>();

  constructor(owner: FlowOwner) {
    this.#owner = owner;
  }

  adopt(flow: UdpFlow): DatagramFlow {
    return this.#adopt(flow);
  }

  /** Takes a datagram; the flow that it begins, if it does, which is its owner's. */
  handleEvent({ flow, data }: DatagramEvent): DatagramFlow | undefined {
    const known = this.#flows.get(flow);
    if (known === undefined && flow.isClosed) return undefined;
    const to = known ?? this.#adopt(flow);
    to.handleDatagram(data);
    return known === undefined ? to : undefined;
  }

  /** Ends every flow: what they ran over is gone for good. */
  endAll(): void {
    for (const flow of [...this.#flows.values()]) flow.close();
  }

  #adopt(flow: UdpFlow): TunnelFlow {
    const adopted = new TunnelFlow(flow, () => this.#owner.schedule(), () => {
      this.#flows.delete(flow);
    });
    this.#flows.set(flow, adopted);
    return adopted;
  }
}

class TunnelFlow implements DatagramFlow {
  readonly #flow: UdpFlow;
  readonly #schedule: () => void;
  readonly #forget: () => void;
  readonly #unread: Uint8Array[] = [];
  #unreadBytes = 0;
  #wake: (() => void) | undefined;

  constructor(flow: UdpFlow, schedule: () => void, forget: () => void) {
    this.#flow = flow;
    this.#schedule = schedule;
    this.#forget = forget;
  }

  send(data: Uint8Array): SendResult {
    const result = this.#flow.send(data);
    if (result === "queued") this.#schedule();
    return result;
  }

  async receive(): Promise<Uint8Array | undefined> {
    for (;;) {
      const data = this.#unread.shift();
      if (data !== undefined) {
        this.#unreadBytes -= DATAGRAM_COST_BYTES + data.length;
        return data;
      }
      if (this.#flow.isClosed) return undefined;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  close(): void {
    this.#flow.close();
    this.#forget();
    this.#wake?.();
  }

  handleDatagram(data: Uint8Array): void {
    const bytes = DATAGRAM_COST_BYTES + data.length;
    if (this.#unreadBytes + bytes > MAX_UNREAD_BYTES) return;
    this.#unreadBytes += bytes;
    this.#unread.push(data);
    this.#wake?.();
  }
}
