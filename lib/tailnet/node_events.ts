/** What a node is made with, what it tells, and what it counts (`node.ts`). */
import type { Random } from "../base/core.ts";
import type { Aead } from "../crypto/mod.ts";
import type { DiscoPath } from "../disco/mod.ts";
import type { Direct } from "./direct.ts";
import type { DirectPathsOptions } from "./paths/direct_paths.ts";
import type { DirectEvent, PathChange } from "./paths/events.ts";

export interface TunnelNodeOptions {
  /** Our own addresses in the tunnel, 16 bytes each; the first is the source of what we begin. */
  readonly addresses: readonly Uint8Array[];
  /** Taken over, and erased by `close`. */
  readonly nodePrivateKey: Uint8Array;
  /** Likewise. */
  readonly discoPrivateKey: Uint8Array;
  readonly random: Random;
  readonly aead: Aead;
  /** Wall-clock milliseconds at instant 0. */
  readonly wallMsAtZero: number;
  /** The user's own headers, sent to every relay. */
  readonly relayHeaders?: readonly (readonly [string, string])[];
  /** Connections end after so many retransmissions in a row that nothing answered, as agents' do. @default Infinity */
  readonly giveUpRetransmissions?: number;
}

export type NodeEvent =
  /** A relay lets us send and receive, or lets us greet somebody while it does not know us yet. */
  | { readonly kind: "relayReady"; readonly region: number }
  /** A relay never let us in, or not for long: another region may do better. Attempts go on; told at each of them. */
  | { readonly kind: "relayUnreachable"; readonly region: number; readonly reason: string }
  /** A session with this peer carries data in both directions; told at each renewal, `isFirst` when none did before. */
  | { readonly kind: "established"; readonly id: string; readonly isFirst: boolean }
  /** The relay says that the peer is not connected to it. */
  | { readonly kind: "absent"; readonly id: string; readonly region: number }
  /** The peer answered a disco ping; `where` is the way both took. */
  | {
    readonly kind: "pong";
    readonly id: string;
    readonly latencyMs: number;
    readonly where: DiscoPath;
  }
  /** Of the direct paths, once there are any. */
  | { readonly kind: "direct"; readonly event: NodeDirectEvent };

export type NodeDirectEvent = Exclude<DirectEvent, { readonly kind: "pong" | "moved" }>;

/** Makes a `Direct` of what a node shares with it: a node that needs none does not load it. */
export type MakeDirect = (parts: Pick<DirectPathsOptions, "disco" | "random">) => Direct;

export interface NodeCounters {
  /** Packets that no peer's address matches. */
  unroutable: number;
  /** Packets that no path had room for, or none led to the peer. */
  unsendable: number;
  /** Packets that are neither WireGuard nor disco, or from nobody we know. */
  unknown: number;
  /** Over lines, and by UDP. */
  bytesIn: number;
  bytesOut: number;
}

/** What became of the way that packets took: on one that died, what is under way is lost. */
export function fateOf(change: PathChange): "died" | "left" {
  return change.kind === "relay" && change.reason === "silence" ? "died" : "left";
}
