/**
 * A line is what is dialled and carries bytes: a link to a relay, a link to the coordinator. It knows where to connect and
 * what to write; whoever owns it is told what became of the connection and what arrived (`LineOwner`), and asks for the
 * connection by an event (`LineEvent`).
 */
import type { Instant } from "../base/core.ts";

/** Bytes to write at once. Whoever took them gives them back when they are written, and does not touch them again. */
export interface Batch {
  readonly bytes: Uint8Array;
  release(): void;
}

/** A batch of its own memory, which nobody wants back. */
export function ownedBatch(bytes: Uint8Array): Batch {
  return { bytes, release: keepNothing };
}

function keepNothing(): void {}

/** An address to connect to; as it stands a target for the dialer. */
export interface LineTarget {
  /** Host name or literal address. */
  readonly host: string;
  readonly port: number;
  readonly isTls: boolean;
  /** For SNI. @default host */
  readonly serverName?: string;
  /** Name in the certificate where it is another. @default serverName */
  readonly certName?: string;
  /** `Host` value: the port is left out when it is the scheme's. */
  readonly hostHeader: string;
}

/** Where a URL leads: `https` and `wss` mean TLS, a missing port the scheme's. */
export function lineTargetOf(url: URL): LineTarget {
  const isTls = url.protocol === "https:" || url.protocol === "wss:";
  const port = url.port === "" ? (isTls ? 443 : 80) : Number(url.port);
  return { host: url.hostname.replace(/^\[|\]$/g, ""), port, isTls, hostHeader: url.host };
}

export interface Line {
  /** For logs, e.g. `relay 999`. */
  readonly name: string;
  /** Where to connect, best first: the first that answers is taken. */
  readonly targets: readonly LineTarget[];
  /** How long one target may take, so that the next gets its turn. */
  readonly dialLimitMs: number;
  /** What a read should hold; bulk data wants more than words. */
  readonly readBytes: number;
  /** The next bytes to write; `undefined` when there are none now. One at a time: the one before was released. */
  takeBatch(): Batch | undefined;
}

export type LineEvent =
  /** Connect, then tell `handleLineOpened`, or `handleLineClosed` when no target answers. */
  | { readonly kind: "dial"; readonly line: Line }
  /** Call the dial off, or write what the line still has and close its connection. Nothing more need be told of it. */
  | { readonly kind: "hangUp"; readonly line: Line };

/** Who asked for lines. A line that was hung up meanwhile is ignored. */
export interface LineOwner {
  /** Connected to `target`: from now on `takeBatch` has something to say. */
  handleLineOpened(line: Line, target: LineTarget, now: Instant): void;
  /** `chunk` is borrowed and may be overwritten. Throws `ProtocolError`: then close the connection and tell its end. */
  handleLineBytes(line: Line, chunk: Uint8Array, now: Instant): void;
  /**
   * A batch of so many bytes was written and released. Whether something waited for the room: only then is a turn due, for
   * most of what is written was all that there was.
   */
  handleLineWritten(line: Line, count: number, now: Instant): boolean;
  /** The connection ended, or could not be made; `reason` is one line without a full stop. */
  handleLineClosed(line: Line, reason: string, now: Instant): void;
}
