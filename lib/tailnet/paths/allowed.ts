/**
 * Which addresses a direct path may lead to. A coordinator, and a peer's call-me-maybe, may name any; each makes us send
 * something to it, so that what cannot be a peer is left out before it is a candidate.
 */
import { type Endpoint, scopeOf, unmapIpv4 } from "../../wire/endpoint.ts";
import { CODER_PREFIX, TAILSCALE_PREFIX } from "../address.ts";

/** 127.3.3.0/24 stands for relays where an address is asked for (coder/tailscale `tailcfg/derpmap.go`). */
const RELAY_PREFIX: readonly number[] = [127, 3, 3];

export interface AllowedOptions {
  /** The peer is on this machine. */
  readonly isSameHost: boolean;
}

/** Whether a peer may be at this address; link-local ones lack the zone that they would need. */
export function isAllowed({ address, port }: Endpoint, { isSameHost }: AllowedOptions): boolean {
  if (port === 0 || isInTunnel(address)) return false;
  const scope = scopeOf(address);
  if (scope === "loopback") return isSameHost && !hasPrefix(unmapIpv4(address), RELAY_PREFIX);
  return scope === "global" || scope === "private";
}

/** Addresses of the workspace network itself: a way through the tunnel that it is to carry. */
export function isInTunnel(address: Uint8Array): boolean {
  return hasPrefix(address, CODER_PREFIX) || hasPrefix(address, TAILSCALE_PREFIX);
}

function hasPrefix(address: Uint8Array | undefined, prefix: ArrayLike<number>): boolean {
  if (address === undefined) return false;
  for (let i = 0; i < prefix.length; i++) {
    if (address[i] !== prefix[i]) return false;
  }
  return true;
}
