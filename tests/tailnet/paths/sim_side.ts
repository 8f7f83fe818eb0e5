/**
 * One end of a simulated pair: real path cores over the simulated internet and a simulated relay, and a sender of numbered
 * packets that look like WireGuard's. Each packet is acknowledged by the other end, as TCP's are, the way that end thinks best.
 */
import type { Instant } from "../../../lib/base/core.ts";
import { ByteReader, ByteWriter } from "../../../lib/base/bytes.ts";
import { earlier } from "../../../lib/base/deadlines.ts";
import { generatePrivateKey, publicKey } from "../../../lib/crypto/x25519.ts";
import { DiscoPinger } from "../../../lib/disco/mod.ts";
import type { PathChange } from "../../../lib/tailnet/paths/events.ts";
import { DirectPaths } from "../../../lib/tailnet/paths/direct_paths.ts";
import type { Endpoint } from "../../../lib/wire/endpoint.ts";
import { Link, type Party, Simulation } from "../../sim/link.ts";
import type { SeededRandom } from "../../support/seeded_random.ts";
import { type HostOptions, type SimHost, SimInternet } from "./sim_udp.ts";

const DATA_TYPE = 4;
const HEADER_BYTES = 16;
const DATA_BYTES = 1_312;
const ACK_BYTES = 64;
const SEND_EVERY_MS = 5;
const PEER = "peer";

export class SimSide implements Party {
  readonly paths: DirectPaths;
  readonly disco: DiscoPinger;
  readonly nodeKey: Uint8Array;
  readonly host: SimHost;
  readonly changes: { readonly at: Instant; readonly change: PathChange }[] = [];
  /** When each number arrived first. */
  readonly arrivals = new Map<number, Instant>();
  readonly acknowledged = new Set<number>();
  /** Arrivals of data by way, doubled ones included. */
  readonly count = { direct: 0, relay: 0 };
  sent = 0;
  isSending = false;
  /** The machine's answer to a look-up. */
  readonly resolves: readonly Uint8Array[] = [];
  #nextSendAt: Instant = -Infinity;
  readonly #net: SimInternet;
  readonly #relay: Link;
  #other: SimSide | undefined;

  constructor(
    options: { readonly net: SimInternet; readonly relay: Link; readonly host: HostOptions },
    random: SeededRandom,
    now: Instant,
  ) {
    this.#net = options.net;
    this.#relay = options.relay;
    this.host = options.net.add(options.host);
    this.nodeKey = publicKey(generatePrivateKey(random));
    this.disco = new DiscoPinger({
      privateKey: generatePrivateKey(random),
      nodePublicKey: this.nodeKey,
      random,
    });
    this.paths = new DirectPaths({ disco: this.disco, random }, now);
    const server = { host: "stun", port: this.#net.stun.port, ipv4: this.#net.stun.address };
    this.paths.setStunServers([server], now);
    this.useInterface(this.host.local, now);
  }

  meet(other: SimSide, now: Instant): void {
    this.#other = other;
    this.disco.addPeer(PEER, { discoKey: other.disco.publicKey, nodeKey: other.nodeKey });
    this.paths.addPeer(PEER, now);
  }

  /** The machine has this address now. */
  useInterface(local: Endpoint, now: Instant): void {
    this.host.local = local;
    const interfaces = [{ name: "eth0", address: local.address }];
    this.paths.setLocal({ ports: { ipv4: local.port }, interfaces }, now);
  }

  announced(endpoints: readonly Endpoint[], now: Instant): void {
    this.paths.setAnnounced(PEER, endpoints, now);
  }

  get inUse(): { readonly endpoint: Endpoint; readonly latencyMs: number } | undefined {
    return this.paths.inUse(PEER);
  }

  seek(now: Instant): void {
    this.paths.seek(PEER, now);
  }

  /** Sends one packet of data at once. */
  send(now: Instant): void {
    this.#sendData(DATA_BYTES, this.sent++, now);
  }

  /** The longest time without a new packet between two instants. */
  longestGap(from: Instant, until: Instant): number {
    const times = [from, ...[...this.arrivals.values()].filter((at) => at > from && at < until)];
    times.push(until);
    times.sort((a, b) => a - b);
    return Math.max(...times.map((at, i) => at - (times[i - 1] ?? at)));
  }

  step(now: Instant): void {
    this.#net.deliver(now);
    for (let got = this.host.inbox.shift(); got !== undefined; got = this.host.inbox.shift()) {
      const verdict = this.paths.handleDatagram(got.datagram, got.from, now);
      if (verdict.kind !== "wireguard") continue;
      this.paths.handleHeard(PEER, now);
      this.count.direct++;
      this.#receive(got.datagram, now);
    }
    for (;;) {
      const packet = this.#other === undefined ? undefined : this.#other.#relay.receive(now);
      if (packet === undefined) break;
      this.#receiveRelayed(packet, now);
    }
    while (this.isSending && this.#nextSendAt <= now) {
      this.#nextSendAt = Math.max(now, this.#nextSendAt) + SEND_EVERY_MS;
      this.send(now);
    }
    if ((this.paths.pollTimeout() ?? Infinity) <= now) this.paths.handleTimeout(now);
    this.#flush(now);
  }

  pollTimeout(): Instant | undefined {
    const sendAt = this.isSending ? this.#nextSendAt : undefined;
    const relayAt = this.#other === undefined ? undefined : this.#other.#relay.pollTimeout();
    const netAt = earlier(this.#net.nextArrival(), relayAt);
    return earlier(earlier(sendAt, netAt), this.paths.pollTimeout());
  }

  #receiveRelayed(packet: Uint8Array, now: Instant): void {
    if (packet[0] === DATA_TYPE) {
      this.count.relay++;
      this.#receive(packet, now);
      return;
    }
    const other = this.#other;
    if (other === undefined) return;
    const source = { kind: "relay", regionId: 1, nodeKey: other.nodeKey } as const;
    const result = this.disco.handlePacket(packet, source, now);
    if (result.kind !== "callMeMaybe") return;
    this.paths.handleCallMeMaybe(PEER, result.endpoints, now);
  }

  #receive(packet: Uint8Array, now: Instant): void {
    const number = new ByteReader(packet, 4).u32be();
    if (packet.length < DATA_BYTES) {
      this.acknowledged.add(number);
      return;
    }
    if (!this.arrivals.has(number)) this.arrivals.set(number, now);
    this.#sendData(ACK_BYTES, number, now);
  }

  #sendData(bytes: number, number: number, now: Instant): void {
    const packet = new Uint8Array(Math.max(bytes, HEADER_BYTES));
    new ByteWriter(packet).u8(DATA_TYPE).u8(0).u8(0).u8(0).u32be(number);
    const route = this.paths.route(PEER, now);
    if (route === undefined) return;
    if (route.kind !== "relay") this.#net.send(this.host, route.endpoint, packet, now);
    if (route.kind !== "direct") this.#relay.send(packet, now);
    this.paths.handleSent(PEER, now);
  }

  #flush(now: Instant): void {
    for (let out = this.paths.pollTransmit(); out; out = this.paths.pollTransmit()) {
      if (out.kind === "udp") this.#net.send(this.host, out.endpoint, out.datagram, now);
      else this.#relay.send(out.packet, now);
    }
    for (let event = this.paths.pollEvent(); event; event = this.paths.pollEvent()) {
      if (event.kind === "resolve") this.paths.handleResolved(event.host, this.resolves, now);
      else if (event.kind === "changed") this.changes.push({ at: now, change: event.change });
      else if (event.kind === "endpoints") this.#other?.announced(event.endpoints, now);
    }
  }
}

export interface SimPair {
  readonly sim: Simulation;
  readonly net: SimInternet;
  /** The one that looks for the other. */
  readonly us: SimSide;
  readonly them: SimSide;
  readonly ourRelay: Link;
  readonly theirRelay: Link;
}

export interface SimPairOptions {
  readonly us?: Partial<HostOptions>;
  readonly them?: Partial<HostOptions>;
  readonly relayDelayMs?: number;
}

/** Two sides that know each other's keys and nothing else. */
export function makePair(random: SeededRandom, options: SimPairOptions = {}): SimPair {
  const sim = new Simulation();
  const net = new SimInternet(random);
  const delayMs = options.relayDelayMs ?? 40;
  const ourRelay = new Link(random, { delayMs });
  const theirRelay = new Link(random, { delayMs });
  const us = new SimSide(
    {
      net,
      relay: ourRelay,
      host: { local: "10.1.0.2:41001", outside: "198.51.100.1:50001", ...options.us },
    },
    random,
    sim.now,
  );
  const them = new SimSide(
    {
      net,
      relay: theirRelay,
      host: { local: "10.2.0.2:41002", outside: "198.51.100.2:60001", ...options.them },
    },
    random,
    sim.now,
  );
  us.meet(them, sim.now);
  them.meet(us, sim.now);
  sim.add(us);
  sim.add(them);
  return { sim, net, us, them, ourRelay, theirRelay };
}
