/** What the cores of direct paths say to who drives them. */
import type { Endpoint } from "../../wire/endpoint.ts";
import type { CallList } from "./call_pacer.ts";
import type { PingOrder } from "./search.ts";

/** Which way a packet goes; over the relay too where `kind` is "both". */
export type Route =
  | { readonly kind: "relay" }
  | { readonly kind: "direct" | "both"; readonly endpoint: Endpoint };

export type PathChange =
  /** An address answered. */
  | { readonly kind: "direct"; readonly endpoint: Endpoint; readonly latencyMs: number }
  /** The address `wasDirect` was left: nothing comes back, or too little of what is sent arrives. */
  | {
    readonly kind: "relay";
    readonly wasDirect: Endpoint;
    readonly reason: "silence" | "losses";
  };

export type PeerPathsOutput =
  | { readonly kind: "ping" } & PingOrder
  /** Send a call-me-maybe over the relay, with all our addresses or with none. */
  | { readonly kind: "call"; readonly list: CallList }
  | { readonly kind: "changed"; readonly change: PathChange };

export type DirectTransmit =
  | { readonly kind: "udp"; readonly endpoint: Endpoint; readonly datagram: Uint8Array }
  /** A disco packet for the peer's relay. */
  | { readonly kind: "relay"; readonly peerId: string; readonly packet: Uint8Array };

export type DirectEvent =
  /** Where UDP reaches us has changed: tell the coordinator. */
  | { readonly kind: "endpoints"; readonly endpoints: readonly Endpoint[] }
  /** Look the host up and tell `handleResolved`. */
  | { readonly kind: "resolve"; readonly host: string }
  | { readonly kind: "changed"; readonly peerId: string; readonly change: PathChange }
  /** This machine has other interfaces than before: relays are to be asked too. */
  | { readonly kind: "moved" }
  /** The answer to `DirectPaths.ping`. */
  | {
    readonly kind: "pong";
    readonly peerId: string;
    readonly endpoint: Endpoint;
    readonly latencyMs: number;
  };

/** What a datagram turned out to be. */
export type DatagramVerdict =
  /** WireGuard from an address of this peer's. */
  | { readonly kind: "wireguard"; readonly peerId: string }
  /** Nothing is left to do with it. */
  | { readonly kind: "handled" };

export interface DirectCounters {
  /** Datagrams that are nothing we know. */
  unknown: number;
  /** WireGuard from addresses that no peer has shown to be its own. */
  strangers: number;
  /** STUN answers that nobody asked for, came from elsewhere, or make no sense. */
  unaskedStun: number;
  /** Disco that could not be used. */
  badDisco: number;
  /** Disco packets beyond what is opened in a second, and call-me-maybes beyond what is heeded. */
  excessDisco: number;
  /** Addresses that a coordinator or peer named and that are not pinged. */
  refusedAddresses: number;
}

export function noCounts(): DirectCounters {
  return {
    unknown: 0,
    strangers: 0,
    unaskedStun: 0,
    badDisco: 0,
    excessDisco: 0,
    refusedAddresses: 0,
  };
}
