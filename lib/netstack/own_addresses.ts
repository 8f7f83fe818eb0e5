/** The addresses of a stack: what is sent to another is none of its business. */
import { assertLength } from "../base/bytes.ts";
import {
  IPV6_ADDRESS_BYTES,
  IPV6_DESTINATION_OFFSET,
  IPV6_SOURCE_OFFSET,
  isAddressAt,
  isMulticastAt,
} from "../wire/ipv6.ts";

export class OwnAddresses {
  readonly #all: readonly Uint8Array[];
  /** The source of what we begin. */
  readonly first: Uint8Array;

  /** Throws `RangeError` for none, and for malformed ones. Copied. */
  constructor(addresses: readonly Uint8Array[]) {
    for (const address of addresses) assertLength(address, IPV6_ADDRESS_BYTES, "address");
    this.#all = addresses.map((address) => new Uint8Array(address));
    const [first] = this.#all;
    if (first === undefined) throw new RangeError("Cannot build netstack: no addresses");
    this.first = first;
  }

  /** Whether the packet whose header is at `offset` is for us, and from somebody who can be answered. */
  isFor(view: DataView, offset: number): boolean {
    if (isMulticastAt(view, offset + IPV6_SOURCE_OFFSET)) return false;
    for (let i = 0; i < this.#all.length; i++) {
      const address = this.#all[i];
      if (address !== undefined && isAddressAt(view, offset + IPV6_DESTINATION_OFFSET, address)) {
        return true;
      }
    }
    return false;
  }
}
