/**
 * The addresses a peer may send from: the receiving half of cryptokey routing (whitepaper §2), for whole IPv6 addresses.
 * Left out on purpose: prefixes and the sending half, for Coder's nodes have single addresses and the owner knows whom
 * it seals for.
 */
import { IPV6_ADDRESS_BYTES, IPV6_SOURCE_OFFSET } from "../wire/ipv6.ts";
import { MAX_ALLOWED_ADDRESSES } from "./limits.ts";

export class AllowedAddresses {
  readonly #addresses: readonly Uint8Array[];

  /** Copies `addresses`. Throws `RangeError` for one that has not 16 bytes, or for more than 64. */
  constructor(addresses: readonly Uint8Array[]) {
    if (addresses.length > MAX_ALLOWED_ADDRESSES) {
      throw new RangeError(
        `Cannot allow ${addresses.length} addresses: at most ${MAX_ALLOWED_ADDRESSES}`,
      );
    }
    for (const address of addresses) {
      if (address.length !== IPV6_ADDRESS_BYTES) {
        throw new RangeError(`Cannot allow an address of ${address.length} bytes: must have 16`);
      }
    }
    this.#addresses = addresses.map((address) => new Uint8Array(address));
  }

  /** Whether the source of the IPv6 packet at `plaintext[offset]`, at least 40 bytes, is one of them. */
  includeSourceOf(plaintext: Uint8Array, offset: number): boolean {
    const at = offset + IPV6_SOURCE_OFFSET;
    for (const address of this.#addresses) {
      let i = 0;
      while (i < IPV6_ADDRESS_BYTES && plaintext[at + i] === address[i]) i++;
      if (i === IPV6_ADDRESS_BYTES) return true;
    }
    return false;
  }
}
