/** What a stack speaks besides TCP: UDP (`datagrams.ts`), TSMP and ICMPv6 (`pings.ts`). */
import type { Random } from "../base/core.ts";
import { type Ipv6Header, NextHeader } from "../wire/ipv6.ts";
import type { NetstackCounters } from "./counters.ts";
import { Datagrams } from "./datagrams.ts";
import type { EventQueue } from "./events.ts";
import { Pings } from "./pings.ts";
import type { Replies } from "./replies.ts";

export interface OtherProtocolsOptions {
  /** Where pings and flows come from: 16 bytes. */
  readonly source: Uint8Array;
  readonly mtuBytes: number;
  readonly random: Random;
  readonly replies: Replies;
  readonly events: EventQueue;
  readonly counters: NetstackCounters;
}

export class OtherProtocols {
  readonly pings: Pings;
  readonly datagrams: Datagrams;
  readonly #counters: NetstackCounters;

  constructor(options: OtherProtocolsOptions) {
    this.pings = new Pings(options);
    this.datagrams = new Datagrams(options);
    this.#counters = options.counters;
  }

  /** Handles the packet at `offset`, whose header is `ip`. */
  handlePacket(view: DataView, offset: number, ip: Ipv6Header): void {
    switch (ip.nextHeader) {
      case NextHeader.udp:
        return this.datagrams.handleUdp(view, offset, ip.payloadBytes);
      case NextHeader.tsmp:
        return this.pings.handleTsmp(view, offset, ip.payloadBytes);
      case NextHeader.icmpv6:
        return this.pings.handleIcmpv6(view, offset, ip.payloadBytes);
      default:
        return this.#counters.drop("unknown-protocol");
    }
  }
}
