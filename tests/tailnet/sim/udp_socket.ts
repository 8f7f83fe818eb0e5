/** The UDP socket of a node of a simulated tailnet, on a host of a simulated internet. */
import type { Instant } from "../../../lib/base/core.ts";
import { Direct } from "../../../lib/tailnet/direct.ts";
import type { TunnelNode } from "../../../lib/tailnet/node.ts";
import type { DirectPathsOptions } from "../../../lib/tailnet/paths/direct_paths.ts";
import { familyOf } from "../../../lib/wire/endpoint.ts";
import type { SimHost, SimInternet } from "../paths/sim_udp.ts";

export interface SimUdpSocketOptions {
  readonly node: TunnelNode;
  readonly internet: SimInternet;
  readonly host: SimHost;
  /** Hands the direct paths to the node, or to what it is part of. */
  readonly use: (make: (parts: DirectPathsOptions) => Direct, now: Instant) => Direct;
}

export class SimUdpSocket {
  readonly direct: Direct;
  readonly host: SimHost;
  readonly #node: TunnelNode;
  readonly #internet: SimInternet;

  constructor({ node, internet, host, use }: SimUdpSocketOptions, now: Instant) {
    this.host = host;
    this.#node = node;
    this.#internet = internet;
    this.direct = use((parts) => new Direct(parts, now), now);
    this.direct.port.isOpen = true;
    this.look(now);
  }

  /** Tells the node the address of the host's interface. */
  look(now: Instant): void {
    const { address, port } = this.host.local;
    this.direct.paths.setLocal({
      ports: { [familyOf(address)]: port },
      interfaces: [{ name: "eth0", address }],
    }, now);
  }

  /** Hands the node what has arrived. */
  deliver(now: Instant): boolean {
    this.#internet.deliver(now);
    const arrived = this.host.inbox.splice(0);
    for (const { from, datagram } of arrived) this.#node.handleDatagram(datagram, from, now);
    return arrived.length > 0;
  }

  /** Sends what was gathered; whether there was anything, so that there is room again. */
  send(now: Instant): boolean {
    const { port } = this.direct;
    const batch = port.takeBatch();
    if (batch === undefined) return false;
    let bytes = 0;
    for (const [i, endpoint] of batch.endpoints.entries()) {
      const datagram = batch.datagram(i);
      bytes += datagram.length;
      this.#internet.send(this.host, endpoint, datagram, now);
    }
    port.release(batch);
    this.#node.handleDatagramsSent(bytes);
    return true;
  }

  nextAt(): Instant | undefined {
    return this.#internet.nextArrival();
  }
}
