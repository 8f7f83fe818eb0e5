/** What an owner may set: defaults in one place, ranges checked here and nowhere later. */
import type { Random } from "../base/core.ts";
import {
  DEFAULT_CONNECT_GIVE_UP_MS,
  DEFAULT_GIVE_UP_MS,
  DEFAULT_MTU_BYTES,
  DEFAULT_RECEIVE_BUFFER_BYTES,
  DEFAULT_SEND_BUFFER_BYTES,
  DEFAULT_TIME_WAIT_MS,
} from "./limits.ts";
import type { TcbOptions } from "./tcb.ts";

/** Least MTU of IPv6 (RFC 8200 §5), and what a packet's length field can say. */
const MIN_MTU_BYTES = 1280;
const MAX_MTU_BYTES = 65_535;
const MIN_BUFFER_BYTES = 4096;
/** RFC 7323 §2.3: a window is below 2^30. */
const MAX_BUFFER_BYTES = 2 ** 30 - 1;

export interface NetstackOptions {
  /** Our own, 16 bytes each, at least one; the first is the default source. */
  readonly addresses: readonly Uint8Array[];
  readonly random: Random;
  /** @default 1280 */
  readonly mtuBytes?: number;
  /** Most that may wait to be read, per socket; allocated as it is needed. @default 4 MiB */
  readonly receiveBufferBytes?: number;
  /** Most that may wait to be acknowledged, per socket; allocated as it is needed. @default 4 MiB */
  readonly sendBufferBytes?: number;
  /** @default 10_000 */
  readonly timeWaitMs?: number;
  /** A connection without progress for so much of its own waiting ends as "lost". @default 15 minutes */
  readonly giveUpMs?: number;
  /** The same, counted in retransmission timeouts in a row. @default Infinity */
  readonly giveUpRetransmissions?: number;
}

export interface ConnectOptions {
  /** 16 bytes. */
  readonly remote: Uint8Array;
  readonly port: number;
  /** One of our addresses. @default the first */
  readonly local?: Uint8Array;
  /** After so much silence the peer is asked for a sign of life, and as often. @default off */
  readonly keepaliveMs?: number;
  /** When to send the SYN a second time; later ones follow RFC 6298 from one second on. @default 1000 */
  readonly firstSynRetryMs?: number;
  /** @default 2 minutes */
  readonly connectGiveUpMs?: number;
}

export function resolveOptions(options: NetstackOptions): TcbOptions {
  const {
    mtuBytes = DEFAULT_MTU_BYTES,
    receiveBufferBytes = DEFAULT_RECEIVE_BUFFER_BYTES,
    sendBufferBytes = DEFAULT_SEND_BUFFER_BYTES,
    timeWaitMs = DEFAULT_TIME_WAIT_MS,
    giveUpMs = DEFAULT_GIVE_UP_MS,
    giveUpRetransmissions = Infinity,
  } = options;
  assertRange(mtuBytes, "mtuBytes", MIN_MTU_BYTES, MAX_MTU_BYTES);
  assertRange(receiveBufferBytes, "receiveBufferBytes", MIN_BUFFER_BYTES, MAX_BUFFER_BYTES);
  assertRange(sendBufferBytes, "sendBufferBytes", MIN_BUFFER_BYTES, MAX_BUFFER_BYTES);
  assertRange(timeWaitMs, "timeWaitMs", 0, Infinity);
  assertRange(giveUpMs, "giveUpMs", 0, Infinity);
  assertRange(giveUpRetransmissions, "giveUpRetransmissions", 0, Infinity);
  return {
    mtuBytes,
    receiveBufferBytes,
    sendBufferBytes,
    timeWaitMs,
    giveUpMs,
    giveUpRetransmissions,
    connectGiveUpMs: DEFAULT_CONNECT_GIVE_UP_MS,
    keepaliveMs: 0,
    firstSynRetryMs: 0,
  };
}

export function withConnectOptions(base: TcbOptions, options: ConnectOptions): TcbOptions {
  const {
    keepaliveMs = base.keepaliveMs,
    firstSynRetryMs = base.firstSynRetryMs,
    connectGiveUpMs = base.connectGiveUpMs,
  } = options;
  assertRange(options.port, "port", 1, 65_535);
  assertRange(keepaliveMs, "keepaliveMs", 0, Infinity);
  assertRange(firstSynRetryMs, "firstSynRetryMs", 0, Infinity);
  assertRange(connectGiveUpMs, "connectGiveUpMs", 0, Infinity);
  return { ...base, keepaliveMs, firstSynRetryMs, connectGiveUpMs };
}

function assertRange(value: number, name: string, least: number, most: number): void {
  if (!(value >= least && value <= most)) {
    throw new RangeError(`${name} must be from ${least} to ${most}: ${value}`);
  }
}
