/**
 * What a device and its peers hand each other: shared objects one way, events and datagrams the other. `Peer` is always
 * `WireguardPeer`, and a parameter only so that the files do not import each other in a circle.
 */
import type { Random } from "../base/core.ts";
import type { Aead } from "../crypto/aead.ts";
import type { WireguardCounters } from "./counters.ts";
import type { StaticKeys } from "./handshake.ts";
import type { IndexTable } from "./index_table.ts";

/** What the owner of a peer hears of it. */
export type PeerEvent<Peer> =
  /** A session can send now; every time a new one takes over. `isFirst`: none could until now, so that something waits. */
  | { readonly kind: "established"; readonly peer: Peer; readonly isFirst: boolean }
  /** All keys were erased, 540 s after the last handshake. */
  | { readonly kind: "expired"; readonly peer: Peer }
  /** A handshake was given up after about 95 s without an answer; the next packet begins another. */
  | { readonly kind: "unanswered"; readonly peer: Peer };

/** What the peers of a device share. */
export interface DeviceContext<Peer> {
  readonly localStatic: StaticKeys;
  readonly random: Random;
  readonly aead: Aead;
  readonly wallMsAtZero: number;
  readonly rekeyAfterMessages: number;
  readonly indices: IndexTable<Peer>;
  readonly counters: WireguardCounters;
  readonly transmit: (peer: Peer, datagram: Uint8Array) => void;
  readonly emit: (event: PeerEvent<Peer>) => void;
}
