/** What a relay connection tells its owner. Keys and texts are copies; only a packet is a view. */
import type { ServerInfo } from "./login.ts";

/** A received packet. One object is reused for all: valid until the next `pollEvent`. */
export interface DerpPacketEvent {
  readonly kind: "packet";
  /** The sender's key, 32 bytes; the same array as long as the sender is the same, and never overwritten. */
  readonly source: Uint8Array;
  /** A view, valid until the next `pollEvent` or `handleBytes`. May be changed in place. */
  readonly packet: Uint8Array;
}

export type DerpEvent =
  | DerpPacketEvent
  /** The relay greeted us and is told who we are: packets may be sent. Once. */
  | { readonly kind: "introduced" }
  /** The relay knows us. Once. */
  | { readonly kind: "ready"; readonly info: ServerInfo; readonly serverPublicKey: Uint8Array }
  /** `"disconnected"`: it was here; `"not-here"`: answer to a disco packet of ours. The reply route is void. */
  | {
    readonly kind: "peerGone";
    readonly peer: Uint8Array;
    readonly reason: "disconnected" | "not-here";
  }
  /** The relay's trouble, in words; `""`: healthy again. */
  | { readonly kind: "health"; readonly problem: string }
  /** Reconnect after `reconnectInMs` (spread out), and keep trying for `tryForMs`. */
  | { readonly kind: "restarting"; readonly reconnectInMs: number; readonly tryForMs: number }
  /** The answer to a ping, asked for or our own after a silence. */
  | { readonly kind: "pong"; readonly roundTripMs: number }
  /** No sign of life in time: close the connection. Once, and nothing after it. */
  | { readonly kind: "dead" };
