/**
 * UDP over IPv6 (RFC 768, RFC 8200 §8.1): flows that we open, and, where asked for, those that peers begin.
 * A datagram for nobody is dropped without a word: an ICMPv6 error (RFC 4443 §3.1) would help no peer that we speak with, and
 * those that come to us are counted and end no flow (RFC 1122 §4.1.3.3 leaves it to the application). Fragments are not made:
 * what is longer than the tunnel's packets is refused by `send`.
 */
import { assertLength } from "../base/bytes.ts";
import { type Random, randomUint32 } from "../base/core.ts";
import {
  addressAt,
  DEFAULT_HOP_LIMIT,
  IPV6_ADDRESS_BYTES,
  IPV6_DESTINATION_OFFSET,
  IPV6_HEADER_BYTES,
  IPV6_SOURCE_OFFSET,
  Ipv6Header,
  isAddressAt,
  NextHeader,
  writeIpv6,
} from "../wire/ipv6.ts";
import { parseUdp, UDP_HEADER_BYTES, UdpHeader, writeUdp } from "../wire/udp.ts";
import type { NetstackCounters } from "./counters.ts";
import type { EventQueue } from "./events.ts";
import { FIRST_EPHEMERAL_PORT, LAST_PORT, MAX_UDP_FLOWS } from "./limits.ts";
import type { Endpoints } from "./tcb.ts";
import { type FlowHost, UdpFlow } from "./udp_flow.ts";
import { ViewCache } from "./view_cache.ts";

export interface DatagramsOptions {
  /** Where flows that we open come from: 16 bytes. */
  readonly source: Uint8Array;
  readonly mtuBytes: number;
  readonly random: Random;
  readonly events: EventQueue;
  readonly counters: NetstackCounters;
}

/** Where a flow leads. */
export interface FlowOptions {
  /** 16 bytes. */
  readonly remote: Uint8Array;
  readonly port: number;
}

const PORT_COUNT = LAST_PORT + 1;
/** Random ports are tried so often before they are gone through one by one. */
const RANDOM_TRIES = 8;

export class Datagrams {
  readonly #o: DatagramsOptions;
  readonly #host: FlowHost;
  /** By both ports; those of one pair differ in their addresses. */
  readonly #flows = new Map<number, UdpFlow[]>();
  readonly #waiting = new Set<UdpFlow>();
  readonly #header = new UdpHeader();
  readonly #ip = new Ipv6Header();
  readonly #outViews = new ViewCache();
  #count = 0;
  #acceptsFlows = false;

  constructor(options: DatagramsOptions) {
    this.#o = options;
    this.#host = {
      maxPayloadBytes: options.mtuBytes - IPV6_HEADER_BYTES - UDP_HEADER_BYTES,
      wake: (flow) => this.#waiting.add(flow),
      forget: (flow) => this.#forget(flow),
    };
  }

  get count(): number {
    return this.#count;
  }

  /** Takes flows that peers begin, to any port: a "datagram" event brings each. Their owner closes them. */
  accept(): void {
    this.#acceptsFlows = true;
  }

  /** Opens a flow. Throws `RangeError` when every flow or port is taken, or for an address that is none. */
  open({ remote, port }: FlowOptions): UdpFlow {
    assertLength(remote, IPV6_ADDRESS_BYTES, "remote");
    if (this.#count >= MAX_UDP_FLOWS) {
      throw new RangeError(`Cannot open flow: ${MAX_UDP_FLOWS} flows are in use`);
    }
    return this.#adopt({
      localAddress: this.#o.source,
      remoteAddress: new Uint8Array(remote),
      localPort: this.#freePort(port),
      remotePort: port,
    });
  }

  /** Flows with something to send, each as long as it has. */
  waiting(): ReadonlySet<UdpFlow> {
    return this.#waiting;
  }

  /** Handles the datagram in the packet at `offset`. */
  handleUdp(view: DataView, offset: number, length: number): void {
    const { counters, events } = this.#o;
    const header = this.#header;
    const at = offset + IPV6_HEADER_BYTES;
    const reason = parseUdp(view, at, length, offset + IPV6_SOURCE_OFFSET, header);
    if (reason !== undefined) return counters.drop(reason);
    // Before a flow is begun: its owner would never hear of it.
    if (!events.hasRoomFor(header.payloadBytes)) return counters.drop("datagrams-full");
    const flow = this.#find(view, offset) ?? this.#begin(view, offset);
    if (flow === undefined) return;
    const start = view.byteOffset + at + UDP_HEADER_BYTES;
    events.addDatagram(flow, new Uint8Array(view.buffer, start, header.payloadBytes).slice());
  }

  /** Writes the packet of the flow's next datagram into `into` at `start`, which needs room for the MTU; 0 without one. */
  pollTransmit(flow: UdpFlow, into: Uint8Array, start: number): number {
    const view = this.#outViews.of(into);
    const offset = into.byteOffset + start;
    const payload = flow.take();
    if (!flow.isWaiting) this.#waiting.delete(flow);
    if (payload === undefined) return 0;
    const { endpoints } = flow;
    const ip = this.#ip;
    ip.payloadBytes = UDP_HEADER_BYTES + payload.length;
    ip.nextHeader = NextHeader.udp;
    ip.hopLimit = DEFAULT_HOP_LIMIT;
    writeIpv6(view, offset, ip, endpoints.localAddress, endpoints.remoteAddress);
    const at = offset + IPV6_HEADER_BYTES;
    into.set(payload, start + IPV6_HEADER_BYTES + UDP_HEADER_BYTES);
    const header = this.#header;
    header.sourcePort = endpoints.localPort;
    header.destinationPort = endpoints.remotePort;
    header.payloadBytes = payload.length;
    writeUdp(view, at, offset + IPV6_SOURCE_OFFSET, header);
    this.#o.counters.packetsOut++;
    return IPV6_HEADER_BYTES + ip.payloadBytes;
  }

  #find(view: DataView, offset: number): UdpFlow | undefined {
    const { destinationPort, sourcePort } = this.#header;
    return this.#flows.get(keyOf(destinationPort, sourcePort))?.find(({ endpoints }) =>
      isAddressAt(view, offset + IPV6_SOURCE_OFFSET, endpoints.remoteAddress) &&
      isAddressAt(view, offset + IPV6_DESTINATION_OFFSET, endpoints.localAddress)
    );
  }

  /** A flow that a peer begins, if such are taken. */
  #begin(view: DataView, offset: number): UdpFlow | undefined {
    const { counters } = this.#o;
    const { destinationPort, sourcePort } = this.#header;
    const isFull = this.#count >= MAX_UDP_FLOWS;
    if (!this.#acceptsFlows || isFull) {
      counters.drop(isFull ? "flows-full" : "udp-unmatched");
      return undefined;
    }
    return this.#adopt({
      localAddress: addressAt(view, offset + IPV6_DESTINATION_OFFSET),
      remoteAddress: addressAt(view, offset + IPV6_SOURCE_OFFSET),
      localPort: destinationPort,
      remotePort: sourcePort,
    });
  }

  #adopt(endpoints: Endpoints): UdpFlow {
    const flow = new UdpFlow(endpoints, this.#host);
    const key = keyOf(endpoints.localPort, endpoints.remotePort);
    this.#flows.set(key, [...this.#flows.get(key) ?? [], flow]);
    this.#count++;
    return flow;
  }

  #forget(flow: UdpFlow): void {
    const { localPort, remotePort } = flow.endpoints;
    const key = keyOf(localPort, remotePort);
    const left = this.#flows.get(key)?.filter((one) => one !== flow) ?? [];
    if (left.length > 0) this.#flows.set(key, left);
    else this.#flows.delete(key);
    this.#waiting.delete(flow);
    this.#count--;
  }

  /** One that no flow to `remotePort` has, at random (RFC 6056 §3.3.1). */
  #freePort(remotePort: number): number {
    const span = PORT_COUNT - FIRST_EPHEMERAL_PORT;
    let candidate = 0;
    for (let i = 0; i < RANDOM_TRIES + span; i++) {
      candidate = i < RANDOM_TRIES ? randomUint32(this.#o.random) % span : (candidate + 1) % span;
      const port = FIRST_EPHEMERAL_PORT + candidate;
      if (!this.#flows.has(keyOf(port, remotePort))) return port;
    }
    throw new RangeError(`Cannot open flow: no free port for ${remotePort}`);
  }
}

function keyOf(localPort: number, remotePort: number): number {
  return localPort * PORT_COUNT + remotePort;
}
