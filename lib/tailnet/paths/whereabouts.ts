/** Where UDP reaches us: our sockets, our interfaces and what STUN servers see, and when others are to be told. */
import type { Instant } from "../../base/core.ts";
import { earlier } from "../../base/deadlines.ts";
import { type AddressFamily, type Endpoint, endpointKey } from "../../wire/endpoint.ts";
import { FRESH_MS } from "./limits.ts";
import { type InterfaceAddress, type LocalPorts, OwnEndpoints } from "./own_endpoints.ts";
import { StunBindings, type StunOptions, type StunOutput } from "./stun_bindings.ts";
import type { StunServer } from "./stun_servers.ts";

export interface Local {
  readonly ports: LocalPorts;
  readonly interfaces: readonly InterfaceAddress[];
}

export type WhereaboutsOutput = Exclude<StunOutput, { kind: "mapped" }> | {
  /** They have been the same for a moment: tell the coordinator. */
  readonly kind: "endpoints";
  readonly endpoints: readonly Endpoint[];
};

/** Addresses come in one after another at first: the coordinator is told once. */
const ANNOUNCE_DELAY_MS = 100;

export class Whereabouts {
  readonly #own = new OwnEndpoints();
  readonly #stun: StunBindings;
  readonly #outputs: WhereaboutsOutput[] = [];
  #interfaces: string | undefined;
  #current = "";
  #announced = "";
  #announceAt: Instant | undefined;
  #hasNews = false;
  /** Something of the list changed since it was looked at. */
  #isStale = false;

  constructor(options: StunOptions) {
    this.#stun = new StunBindings(options);
  }

  /** Where UDP reaches us, as far as is known now. */
  list(): Endpoint[] {
    return this.#own.list();
  }

  get families(): ReadonlySet<AddressFamily> {
    return this.#own.families;
  }

  /** Whether an endpoint is one of our own sockets. */
  isOurs(endpoint: Endpoint): boolean {
    return this.#own.isOurs(endpoint);
  }

  /** Whether the interfaces are others than before: the machine is in another network. */
  setLocal({ ports, interfaces }: Local, now: Instant): boolean {
    this.#own.setPorts(ports);
    this.#own.setInterfaces(interfaces);
    this.#isStale = true;
    this.#stun.setFamilies(this.#own.families, now);
    const before = this.#interfaces;
    this.#interfaces = textOf(interfaces.map(({ address }) => ({ address, port: 0 })));
    this.#settle(now);
    return before !== undefined && before !== this.#interfaces;
  }

  setServers(servers: readonly StunServer[], now: Instant): void {
    this.#stun.setServers(servers, now);
  }

  handleResolved(host: string, addresses: readonly Uint8Array[], now: Instant): void {
    this.#stun.handleResolved(host, addresses, now);
  }

  /** Takes a datagram that looks like STUN, borrowed; false when nobody asked for it. */
  handleStun(datagram: Uint8Array, from: Endpoint, now: Instant): boolean {
    const isAnswer = this.#stun.handleDatagram(datagram, from, now);
    this.#settle(now);
    return isAnswer;
  }

  /** What servers saw before is not true any more. */
  handleNetworkChange(now: Instant): void {
    this.#stun.forget(now);
    this.#settle(now);
  }

  /** Somebody is interested until then. */
  want(until: Instant): void {
    this.#stun.want(until);
  }

  /** Whatever is older than that is asked anew: a peer is told of it now. @default what peers count on */
  freshen(now: Instant, maxAgeMs: number = FRESH_MS): void {
    if (!this.#stun.isFresh(maxAgeMs, now)) this.#stun.refresh(now);
  }

  /** Whether the list became another since the last call: peers that look for a way are told at once. */
  takeNews(): boolean {
    const hasNews = this.#hasNews;
    this.#hasNews = false;
    return hasNews;
  }

  handleTimeout(now: Instant): void {
    this.#stun.handleTimeout(now);
    this.#settle(now);
    if (this.#announceAt === undefined || this.#announceAt > now) return;
    this.#announceAt = undefined;
    if (this.#current === this.#announced) return;
    this.#announced = this.#current;
    this.#outputs.push({ kind: "endpoints", endpoints: this.#own.list() });
  }

  pollTimeout(): Instant | undefined {
    return earlier(this.#stun.pollTimeout(), this.#announceAt);
  }

  pollOutput(now: Instant): WhereaboutsOutput | undefined {
    this.#settle(now);
    return this.#outputs.shift();
  }

  #settle(now: Instant): void {
    for (let out = this.#stun.pollOutput(); out !== undefined; out = this.#stun.pollOutput()) {
      if (out.kind !== "mapped") {
        this.#outputs.push(out);
        continue;
      }
      this.#own.setMapped(out.family, out.endpoint);
      this.#isStale = true;
    }
    // Asked in every turn; to write the list down takes a hundred times as long.
    if (!this.#isStale) return;
    this.#isStale = false;
    const current = textOf(this.#own.list());
    if (current === this.#current) return;
    this.#current = current;
    this.#hasNews = true;
    this.#announceAt ??= now + ANNOUNCE_DELAY_MS;
  }
}

/** Equal for lists with the same members. */
function textOf(endpoints: readonly Endpoint[]): string {
  return endpoints.map(endpointKey).sort().join();
}
