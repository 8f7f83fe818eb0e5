/** What a device says of a datagram that it was handed. */
import type { DropReason } from "./counters.ts";
import type { WireguardPeer } from "./peer.ts";

/** What came of a datagram. The object is reused by the next call, and so is not to be kept. */
export type InboundResult = InboundData | InboundNone;

export interface InboundData {
  readonly kind: "data";
  readonly peer: WireguardPeer;
  /** An IPv6 packet without padding: a view of the datagram. */
  readonly packet: Uint8Array;
}

export interface InboundNone {
  readonly kind: "none";
  /** What it was, or why it was dropped. */
  readonly reason: "keepalive" | "initiation" | "response" | "cookie-reply" | DropReason;
  /** Who sent it, if that was proven. */
  readonly peer: WireguardPeer | undefined;
  /** With reason `cookie-required`: a datagram to be sent back to where this one came from. */
  readonly reply: Uint8Array | undefined;
}

type Writable<Type> = { -readonly [Field in keyof Type]: Type[Field] };

/** The two objects that a device hands out over and over, so that a packet costs no allocation but its view. */
export class InboundResults {
  readonly #none: Writable<InboundNone> = {
    kind: "none",
    reason: "malformed",
    peer: undefined,
    reply: undefined,
  };
  #data: Writable<InboundData> | undefined;

  data(peer: WireguardPeer, packet: Uint8Array): InboundData {
    this.#data ??= { kind: "data", peer, packet };
    this.#data.peer = peer;
    this.#data.packet = packet;
    return this.#data;
  }

  none(reason: InboundNone["reason"], peer?: WireguardPeer, reply?: Uint8Array): InboundNone {
    this.#none.reason = reason;
    this.#none.peer = peer;
    this.#none.reply = reply;
    return this.#none;
  }
}
