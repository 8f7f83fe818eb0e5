/**
 * The platform's side of direct paths: sockets, interfaces and look-ups for the cores of one node. There is no event for
 * other interfaces: each turn looks at them when they were not looked at lately. A driver has turns while data flows, with
 * each ping, and at the latest when its timer runs out.
 */
import type { Clock, Instant } from "../base/core.ts";
import type { Log } from "../base/log.ts";
import { Direct } from "../tailnet/direct.ts";
import { formatEndpoint } from "../tailnet/endpoint_text.ts";
import type { TunnelNode } from "../tailnet/node.ts";
import type { DirectPathsOptions } from "../tailnet/paths/direct_paths.ts";
import type { InterfaceAddress } from "../tailnet/paths/own_endpoints.ts";
import type { AddressFamily, Endpoint } from "../wire/endpoint.ts";
import { interfacesOf, localInterfaces } from "./interfaces.ts";
import type { Companion } from "./node_driver.ts";
import { resolveHost } from "./resolve_host.ts";
import { UdpSockets } from "./udp_sockets.ts";

export interface DirectDriverOptions {
  readonly node: TunnelNode;
  /** Hands the direct paths to the node, or to what it is part of. */
  readonly use: (make: (parts: DirectPathsOptions) => Direct, now: Instant) => Direct;
  readonly clock: Clock;
  readonly log: Log;
  /** Addresses to listen on. @default all of this machine, of both families */
  readonly bind?: Readonly<Partial<Record<AddressFamily, string>>>;
  /** Something happened: what must leave, timers and events are to be looked at. */
  readonly onTurn: () => void;
  /** Something threw that is no failure of a peer or of the network. */
  readonly onFault: (error: unknown) => void;
}

const LOOK_EVERY_MS = 500;
/** When something is known to be wrong. */
const LOOK_AGAIN_MS = 200;
/** A socket that is lost as soon as it is opened costs one in so long a time. */
const REOPEN_EVERY_MS = 10_000;
/** Addresses that cannot be sent to, of which each is told once. */
const MAX_TOLD = 32;

export class DirectDriver implements Companion {
  readonly #options: DirectDriverOptions;
  readonly #direct: Direct;
  readonly #sockets: UdpSockets;
  readonly #closing = new AbortController();
  readonly #lookups = new Set<Promise<void>>();
  /** The addresses that we listen on; `undefined` for all. */
  readonly #bound: readonly InterfaceAddress[] | undefined;
  readonly #unsendable = new Set<string>();
  #lookedAt: Instant;
  #reopenAt: Instant = -Infinity;

  /** Listens at once; without a socket nothing else happens. */
  constructor(options: DirectDriverOptions) {
    this.#options = options;
    const { node, clock, log, bind, onTurn, onFault } = options;
    const now = clock.now();
    this.#bound = bind === undefined ? undefined : interfacesOf(bind);
    this.#direct = options.use((parts) => new Direct(parts, now), now);
    let arrivedAt = now;
    this.#sockets = new UdpSockets({
      port: this.#direct.port,
      ...(bind === undefined ? {} : { bind }),
      onArrival: () => void (arrivedAt = clock.now()),
      onDatagram: (datagram, from) => node.handleDatagram(datagram, from, arrivedAt),
      onPause: onTurn,
      onSent: (bytes) => {
        node.handleDatagramsSent(bytes);
        if (this.#direct.port.takeShortage()) onTurn();
      },
      onUnsendable: (endpoint) => this.#handleUnsendable(endpoint),
      onLost: () => this.#handleLost(),
      onRefused: ({ call, errno }) => log.debug("UDP by one datagram a call", { call, errno }),
      onFault,
    });
    for (const problem of this.#sockets.problems) log.info("no direct connection", { problem });
    this.#lookedAt = now;
    this.#look(now);
  }

  look(now: Instant): void {
    if (now - this.#lookedAt >= LOOK_EVERY_MS) this.#look(now);
  }

  kick(): void {
    this.#sockets.kick();
  }

  /** Looks a host up, and tells what came of it. */
  resolve(host: string): void {
    const lookup = this.#lookUp(host).catch(this.#options.onFault)
      .finally(() => this.#lookups.delete(lookup));
    this.#lookups.add(lookup);
  }

  async drained(): Promise<void> {
    await this.#sockets.drained();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all([this.#sockets.close(), ...this.#lookups]);
  }

  /** Perhaps the interface is gone; each packet of a flow may say so. */
  #handleUnsendable(endpoint: Endpoint): void {
    const { clock, log, onTurn } = this.#options;
    const now = clock.now();
    const to = formatEndpoint(endpoint);
    if (!this.#unsendable.has(to) && this.#unsendable.size < MAX_TOLD) {
      this.#unsendable.add(to);
      log.debug("cannot send by UDP", { to });
    }
    if (now - this.#lookedAt >= LOOK_AGAIN_MS) this.#look(now);
    this.#direct.paths.handleUnsendable(endpoint, now);
    onTurn();
  }

  #handleLost(): void {
    const { clock, log, onTurn } = this.#options;
    log.info("a UDP socket is gone, it is opened anew");
    this.#look(clock.now());
    onTurn();
  }

  #look(now: Instant): void {
    this.#lookedAt = now;
    if (now >= this.#reopenAt && this.#sockets.reopen()) this.#reopenAt = now + REOPEN_EVERY_MS;
    const { ports } = this.#sockets;
    const interfaces = this.#bound ?? localInterfaces();
    this.#direct.paths.setLocal({ ports, interfaces }, now);
  }

  async #lookUp(host: string): Promise<void> {
    const { clock, onTurn } = this.#options;
    const { signal } = this.#closing;
    let addresses: Uint8Array[];
    try {
      addresses = await resolveHost(host, signal);
    } catch (error) {
      if (signal.aborted && error === signal.reason) return;
      throw error;
    }
    if (signal.aborted) return;
    this.#direct.paths.handleResolved(host, addresses, clock.now());
    onTurn();
  }
}
