/**
 * The platform's side of direct paths: sockets, interfaces and look-ups for the cores of one node. There is no event for
 * other interfaces: they are looked at while data flows, when a send fails, and when the machine woke up.
 */
import type { Clock, Instant } from "../base/core.ts";
import type { Log } from "../base/log.ts";
import type { Direct } from "../tailnet/direct.ts";
import { formatEndpoint } from "../tailnet/endpoint_text.ts";
import type { DirectEvent } from "../tailnet/paths/events.ts";
import type { AddressFamily, Endpoint } from "../wire/endpoint.ts";
import { localInterfaces } from "./interfaces.ts";
import { resolveHost } from "./resolve_host.ts";
import { UdpSockets } from "./udp_sockets.ts";

export interface DirectDriverOptions {
  readonly direct: Direct;
  readonly clock: Clock;
  readonly log: Log;
  /** Addresses to listen on. @default all of this machine, of both families */
  readonly bind?: Readonly<Partial<Record<AddressFamily, string>>>;
  /** Gets every datagram; borrowed. What it throws is a fault of this program. */
  readonly onDatagram: (datagram: Uint8Array, from: Endpoint) => void;
  /** Something happened: events, timers and what must leave are to be looked at. */
  readonly onTurn: () => void;
  /** A batch of so many bytes went out: there is room again. */
  readonly onSent: (bytes: number) => void;
}

/** While data flows. */
const LOOK_EVERY_MS = 2_000;

export class DirectDriver {
  readonly #options: DirectDriverOptions;
  readonly #sockets: UdpSockets;
  readonly #closing = new AbortController();
  readonly #lookups = new Set<Promise<void>>();
  #lookedAt: Instant;

  /** Listens at once; without sockets nothing else happens. */
  constructor(options: DirectDriverOptions) {
    this.#options = options;
    const { direct, clock, log } = options;
    this.#sockets = new UdpSockets({
      port: direct.port,
      ...(options.bind === undefined ? {} : { bind: options.bind }),
      onDatagram: options.onDatagram,
      onPause: options.onTurn,
      onSent: options.onSent,
      onUnsendable: (endpoint) => {
        log.debug("cannot send by UDP", { to: formatEndpoint(endpoint) });
        this.#look(clock.now());
        direct.paths.handleUnsendable(endpoint, clock.now());
        options.onTurn();
      },
    });
    for (const problem of this.#sockets.problems) log.info("no direct connection", { problem });
    this.#lookedAt = clock.now();
    this.#look(this.#lookedAt);
  }

  /** Whether there is any socket. */
  get isOpen(): boolean {
    return this.#options.direct.port.isOpen;
  }

  /** Should be called in every turn: sends what was gathered, and looks at the interfaces now and then. */
  turn(now: Instant): void {
    if (now - this.#lookedAt >= LOOK_EVERY_MS) this.#look(now);
    this.#sockets.kick();
  }

  /** The machine slept. */
  handleWake(now: Instant): void {
    this.#look(now);
    this.#options.direct.paths.handleNetworkChange(now);
  }

  /** Does what an event asks of the platform; true when that was all. */
  handleEvent(event: DirectEvent): boolean {
    if (event.kind !== "resolve") return false;
    const lookup = this.#lookUp(event.host).finally(() => this.#lookups.delete(lookup));
    this.#lookups.add(lookup);
    return true;
  }

  /** Closes the sockets; resolves when nothing runs any more. Idempotent. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all([this.#sockets.close(), ...this.#lookups]);
  }

  #look(now: Instant): void {
    this.#lookedAt = now;
    this.#options.direct.paths.setLocal({
      ports: this.#sockets.ports,
      interfaces: localInterfaces(),
    }, now);
  }

  async #lookUp(host: string): Promise<void> {
    const { direct, clock, onTurn } = this.#options;
    const { signal } = this.#closing;
    let addresses: Uint8Array[];
    try {
      addresses = await resolveHost(host, signal);
    } catch (error) {
      if (signal.aborted && error === signal.reason) return;
      throw error;
    }
    if (signal.aborted) return;
    direct.paths.handleResolved(host, addresses, clock.now());
    onTurn();
  }
}
