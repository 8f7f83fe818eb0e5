/** UDP as the rooms above the network see it: flows inside a tunnel, and sockets of this machine. What does not fit is lost, as on any network. */

/** The longest payload that a tunnel carries: its packets have 1280 bytes, the least that IPv6 allows (RFC 8200 §5), 48 of them headers. */
export const TUNNEL_DATAGRAM_BYTES = 1_232;

/** What became of a datagram that was sent. `too-long`: no packet has room for it; `full`: too much waits already. */
export type SendResult = "queued" | "too-long" | "full" | "closed";

/** Datagrams between a port of ours inside a tunnel and one of the agent. */
export interface DatagramFlow {
  /** Sends one, which is copied. */
  send(data: Uint8Array): SendResult;
  /** The next one that came, the caller's; `undefined` once the flow is over. One call at a time. */
  receive(): Promise<Uint8Array | undefined>;
  /** Ends it. Idempotent. */
  close(): void;
}

/** The other end of a datagram on this machine. */
export interface DatagramAddress {
  readonly host: string;
  readonly port: number;
}

/** A UDP socket of this machine. */
export interface LocalDatagrams {
  /** Where it listens; a port of 0 has become the real one. */
  readonly address: DatagramAddress;
  /** The next datagram, the caller's; `undefined` once closed. One call at a time. Rejects with `SocketError` when it fails for good. */
  receive(): Promise<
    { readonly data: Uint8Array; readonly from: DatagramAddress } | undefined
  >;
  /** Sends one. Resolves also when it is lost. */
  send(data: Uint8Array, to: DatagramAddress): Promise<void>;
  /** Idempotent. */
  close(): void;
}
