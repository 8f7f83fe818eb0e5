/** Pings both ways: TSMP (see `tsmp.ts`), asked and answered, and ICMPv6 echo (RFC 4443 §4.2), answered. */
import { assertLength } from "../base/bytes.ts";
import { ICMPV6_ECHO_HEADER_BYTES, Icmpv6Header, Icmpv6Type, parseIcmpv6 } from "../wire/icmpv6.ts";
import {
  addressAt,
  IPV6_ADDRESS_BYTES,
  IPV6_DESTINATION_OFFSET,
  IPV6_HEADER_BYTES,
  IPV6_SOURCE_OFFSET,
  NextHeader,
} from "../wire/ipv6.ts";
import type { NetstackCounters } from "./counters.ts";
import type { EventQueue } from "./events.ts";
import type { Replies } from "./replies.ts";
import type { Endpoints } from "./tcb.ts";
import { TSMP_DATA_BYTES, tsmpData, tsmpKind, tsmpPing, tsmpPong } from "./tsmp.ts";

export interface PingsOptions {
  /** Where pings come from: 16 bytes. */
  readonly source: Uint8Array;
  readonly replies: Replies;
  readonly events: EventQueue;
  readonly counters: NetstackCounters;
}

export class Pings {
  readonly #o: PingsOptions;
  readonly #icmp = new Icmpv6Header();

  constructor(options: PingsOptions) {
    this.#o = options;
  }

  /** Sends a TSMP ping. Throws `RangeError` unless `remote` has 16 bytes and `data` 8. */
  ping(remote: Uint8Array, data: Uint8Array): void {
    assertLength(remote, IPV6_ADDRESS_BYTES, "remote");
    assertLength(data, TSMP_DATA_BYTES, "data");
    this.#o.replies.send(NextHeader.tsmp, tsmpPing(data), pathOf(this.#o.source, remote));
  }

  /** Handles the TSMP message in the packet at `offset`. */
  handleTsmp(view: DataView, offset: number, length: number): void {
    const at = offset + IPV6_HEADER_BYTES;
    switch (tsmpKind(view, at, length)) {
      case "ping":
        this.#o.replies.send(
          NextHeader.tsmp,
          tsmpPong(tsmpData(view, at)),
          backwards(view, offset),
        );
        return;
      case "pong":
        this.#o.events.addPong(tsmpData(view, at), addressAt(view, offset + IPV6_SOURCE_OFFSET));
        return;
      case "malformed":
        this.#o.counters.drop("tsmp-malformed");
        return;
      case "ignored":
        return;
    }
  }

  /** Handles the ICMPv6 message in the packet at `offset`. */
  handleIcmpv6(view: DataView, offset: number, length: number): void {
    const at = offset + IPV6_HEADER_BYTES;
    const reason = parseIcmpv6(view, at, length, offset + IPV6_SOURCE_OFFSET, this.#icmp);
    if (reason !== undefined) {
      this.#o.counters.drop(reason);
    } else if (this.#icmp.type !== Icmpv6Type.echoRequest || length < ICMPV6_ECHO_HEADER_BYTES) {
      this.#o.counters.drop("icmpv6-unhandled");
    } else this.#o.replies.answerEcho(view, at, length, backwards(view, offset));
  }
}

/** From where the packet at `offset` went to where it came from. */
function backwards(view: DataView, offset: number): Endpoints {
  return pathOf(
    addressAt(view, offset + IPV6_DESTINATION_OFFSET),
    addressAt(view, offset + IPV6_SOURCE_OFFSET),
  );
}

function pathOf(localAddress: Uint8Array, remoteAddress: Uint8Array): Endpoints {
  return { localAddress, remoteAddress, localPort: 0, remotePort: 0 };
}
