/** What the life with the coordinator is made with, and what it tells (`client.ts`). */
import type { Instant, Random } from "../../base/core.ts";
import type { LineEvent } from "../line.ts";
import type { DialFailure } from "./dial_failure.ts";
import type { CoordinatorAddress } from "./link.ts";
import type { NewsEvent } from "./news.ts";
import type { CoordinationProtocol } from "./protocol_version.ts";

export interface CoordinatorClientOptions {
  readonly at: CoordinatorAddress;
  /** What the server speaks, as far as known: another one is found out. @default "v2" */
  readonly protocol?: CoordinationProtocol;
  readonly random: Random;
  /** Wall-clock milliseconds at instant 0: resume tokens expire by the wall clock. */
  readonly wallMsAtZero: number;
  /** UUIDs of the agents to reach; nobody else is heard of. An agent names none. */
  readonly tunnels: readonly string[];
  /** An agent hears of everybody and asks for no resume token. @default "client" */
  readonly role?: "client" | "agent";
  /** Whether the server passes READY_FOR_HANDSHAKE on (from v2.11 on). @default true */
  readonly expectsReady?: boolean;
}

export type CoordinatorEvent =
  | LineEvent
  | { readonly kind: "connected" }
  /** The connection ended, or could not be made; the next attempt is at `retryAt`. */
  | {
    readonly kind: "disconnected";
    readonly message: string;
    readonly failure: DialFailure | undefined;
    readonly retryAt: Instant;
    /** Attempts so far of which none brought a word that makes sense; 0 once one did. */
    readonly failedAttempts: number;
  }
  | NewsEvent
  /** We are back, and the server tells no changes of the relay map: it has to be asked for. */
  | { readonly kind: "mapWanted" }
  /** What the server said before it ended the connection. */
  | { readonly kind: "serverError"; readonly text: string }
  /** No attempt would help. The last event. */
  | {
    readonly kind: "failed";
    readonly message: string;
    readonly failure: DialFailure | undefined;
  }
  /** After `disconnect`. The last event, behind `hangUp`. */
  | { readonly kind: "closed" };
