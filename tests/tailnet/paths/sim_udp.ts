/**
 * An internet for UDP in memory: hosts, NATs of every kind, a STUN server; delay, loss, outages; all from one seed.
 * NAT behaviours are named as in RFC 4787 §4.1, §5: which mapping a destination gets, and whom it lets in.
 */
import type { Instant } from "../../../lib/base/core.ts";
import { decodeStunRequest, encodeStunResponse } from "../../../lib/disco/mod.ts";
import { parseEndpoint } from "../../../lib/tailnet/endpoint_text.ts";
import { type Endpoint, endpointKey } from "../../../lib/wire/endpoint.ts";
import type { SeededRandom } from "../../support/seeded_random.ts";

export type NatKind =
  | "none"
  /** One mapping for all destinations; anybody may answer. */
  | "full-cone"
  /** One mapping; whoever has the address of somebody written to may answer, from any port. */
  | "restricted"
  /** One mapping; only the address and port written to may answer. */
  | "port-restricted"
  /** A mapping for each destination; only that one may answer. */
  | "symmetric";

export interface HostOptions {
  /** `10.0.0.2:41000`: address of the interface, port of the socket. */
  readonly local: string;
  readonly nat?: NatKind;
  /** Address of the NAT's outside, e.g. `198.51.100.1:0`; the port is the first it gives away. */
  readonly outside?: string;
  /** Hosts with the same name reach each other's inside addresses. @default a network of its own */
  readonly lan?: string;
}

interface InFlight {
  readonly at: Instant;
  readonly to: SimHost;
  readonly from: Endpoint;
  readonly datagram: Uint8Array;
}

interface Mapping {
  readonly outside: Endpoint;
  readonly inside: string;
  /** Keys of those that were written to: address and port, and address alone. */
  readonly peers: Set<string>;
}

export function endpointOf(text: string): Endpoint {
  const endpoint = parseEndpoint(text);
  if (endpoint === undefined) throw new TypeError(`No endpoint: "${text}"`);
  return endpoint;
}

const addressKey = ({ address }: Endpoint) => endpointKey({ address, port: 0 });

export class SimHost {
  local: Endpoint;
  readonly nat: NatKind;
  readonly lan: string;
  /** Nothing leaves or nothing arrives while true. */
  isOutBlocked = false;
  isInBlocked = false;
  /** One way to or from this host, besides the network's. */
  delayMs = 0;
  /** Full packets above this are lost, without a word. */
  maxBytes = 65_535;
  /** Datagrams and bytes that left towards each address. */
  readonly sentTo = new Map<string, { count: number; bytes: number }>();
  readonly inbox: { readonly from: Endpoint; readonly datagram: Uint8Array }[] = [];
  readonly #outside: Endpoint;
  readonly #mappings: Mapping[] = [];
  #nextPort: number;

  constructor(options: HostOptions) {
    this.local = endpointOf(options.local);
    this.nat = options.nat ?? "none";
    this.lan = options.lan ?? options.local;
    this.#outside = endpointOf(options.outside ?? options.local);
    this.#nextPort = this.#outside.port;
  }

  /** The address under which others see what this host sends to `to`. */
  mapOut(to: Endpoint): Endpoint {
    if (this.nat === "none") return this.local;
    const inside = endpointKey(this.local);
    let mapping = this.#mappings.find((known) =>
      known.inside === inside &&
      (this.nat !== "symmetric" || known.peers.has(endpointKey(to)))
    );
    if (mapping === undefined) {
      const outside = { address: this.#outside.address, port: this.#nextPort++ };
      mapping = { outside, inside, peers: new Set() };
      this.#mappings.push(mapping);
    }
    mapping.peers.add(endpointKey(to)).add(addressKey(to));
    return mapping.outside;
  }

  /** The NAT forgets everything, as one does that was restarted. */
  forgetMappings(): void {
    this.#mappings.length = 0;
  }

  /** Whether a datagram to `to` from `from` reaches this host from the outside. */
  letsIn(to: Endpoint, from: Endpoint): boolean {
    if (this.nat === "none") return endpointKey(to) === endpointKey(this.local);
    const mapping = this.#mappings.find(({ outside, inside }) =>
      endpointKey(outside) === endpointKey(to) && inside === endpointKey(this.local)
    );
    if (mapping === undefined) return false;
    if (this.nat === "full-cone") return true;
    return mapping.peers.has(this.nat === "restricted" ? addressKey(from) : endpointKey(from));
  }
}

export class SimInternet {
  readonly #random: SeededRandom;
  readonly #hosts: SimHost[] = [];
  #flying: InFlight[] = [];
  readonly stun = endpointOf("203.0.113.1:3478");
  delayMs = 20;
  loss = 0;
  isStunUp = true;
  /** Whether a NAT passes on what one of those behind it sends to the outside of another (RFC 4787 §6). */
  hairpins = true;
  /** Which datagrams are dropped, besides those that are lost at random. */
  drops: (datagram: Uint8Array) => boolean = () => false;
  /** Sees every datagram that a host sends, whatever becomes of it. */
  onSend: ((host: SimHost, datagram: Uint8Array) => void) | undefined;

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  add(options: HostOptions): SimHost {
    const host = new SimHost(options);
    this.#hosts.push(host);
    return host;
  }

  send(host: SimHost, to: Endpoint, datagram: Uint8Array, now: Instant): void {
    const key = endpointKey(to);
    this.onSend?.(host, datagram);
    const sent = host.sentTo.get(key) ?? { count: 0, bytes: 0 };
    host.sentTo.set(key, { count: sent.count + 1, bytes: sent.bytes + datagram.length });
    if (host.isOutBlocked || datagram.length > host.maxBytes) return;
    if (this.#random.chance(this.loss) || this.drops(datagram)) return;
    const neighbour = this.#hosts.find((other) =>
      other !== host && other.lan === host.lan && endpointKey(other.local) === key
    );
    if (neighbour !== undefined) {
      this.#fly(neighbour, host.local, datagram, now + 1);
      return;
    }
    const from = host.mapOut(to);
    if (key === endpointKey(this.stun)) {
      this.#answerStun(host, from, datagram, now);
      return;
    }
    const target = this.#hosts.find((other) => other !== host && other.letsIn(to, from));
    if (target === undefined) return;
    const isHairpin = host.nat !== "none" && addressKey(to) === addressKey(from);
    if (isHairpin && !this.hairpins) return;
    this.#fly(target, from, datagram, now + this.delayMs + host.delayMs + target.delayMs);
  }

  /** Brings what has arrived at `now` into the inboxes. */
  deliver(now: Instant): void {
    const arrived = this.#flying.filter(({ at }) => at <= now);
    this.#flying = this.#flying.filter(({ at }) => at > now);
    for (const { to, from, datagram } of arrived) {
      if (to.isInBlocked || datagram.length > to.maxBytes) continue;
      to.inbox.push({ from, datagram });
    }
  }

  nextArrival(): Instant | undefined {
    return this.#flying[0]?.at;
  }

  #answerStun(host: SimHost, from: Endpoint, datagram: Uint8Array, now: Instant): void {
    const request = decodeStunRequest(datagram);
    if (request.kind !== "request" || !this.isStunUp) return;
    const answer = encodeStunResponse(request.transactionId, from);
    this.#fly(host, this.stun, answer, now + 2 * this.delayMs);
  }

  #fly(to: SimHost, from: Endpoint, datagram: Uint8Array, at: Instant): void {
    this.#flying.push({ at, to, from, datagram: datagram.slice() });
    this.#flying.sort((a, b) => a.at - b.at);
  }
}
