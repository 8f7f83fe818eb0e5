/**
 * TCP segment header (RFC 9293 §3.1) with the options of RFC 9293 §3.2 (MSS), RFC 7323 §2.2 (window scale) and §3.2
 * (timestamps, read only), RFC 2018 §2 and §3 (SACK permitted, SACK). Urgent data is left out: nobody uses it.
 *   source port u16 | destination port u16 | sequence u32 | acknowledgment u32 | data offset 4 bits, reserved 4 |
 *   flags u8 | window u16 | checksum u16 | urgent u16 | options                    20 to 60 bytes, big-endian
 */
import { addSums, checksumOf, isIntact, sumBytes, sumOfPseudoHeader } from "./checksum.ts";
import { IPV6_ADDRESS_BYTES, NextHeader } from "./ipv6.ts";

export const TCP_HEADER_BYTES = 20;
/** SACK blocks that fit beside nothing else (RFC 2018 §3). */
export const MAX_SACK_BLOCKS = 4;
/** Largest shift RFC 7323 §2.3 allows. */
export const MAX_WINDOW_SCALE = 14;

/** Control bits (RFC 9293 §3.1). */
export const TcpFlag = { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16, urg: 32 } as const;
export type TcpFlag = (typeof TcpFlag)[keyof typeof TcpFlag];

const OptionKind = {
  end: 0,
  noOperation: 1,
  maxSegment: 2,
  windowScale: 3,
  sackPermitted: 4,
  sack: 5,
  timestamps: 8,
} as const;

const MAX_SEGMENT_OPTION_BYTES = 4;
const WINDOW_SCALE_OPTION_BYTES = 3;
const SACK_PERMITTED_OPTION_BYTES = 2;
const TIMESTAMPS_OPTION_BYTES = 10;
const SACK_BLOCK_BYTES = 8;

const SEQ_OFFSET = 4;
const ACK_OFFSET = 8;
const DATA_OFFSET_OFFSET = 12;
const FLAGS_OFFSET = 13;
const WINDOW_OFFSET = 14;
const CHECKSUM_OFFSET = 16;
const URGENT_OFFSET = 18;

/** Why bytes are no TCP segment. */
export type TcpReason = "tcp-truncated" | "tcp-data-offset" | "tcp-option" | "tcp-checksum";

/** The fields of a segment, in an object that is meant to be reused by every parse and every write. */
export class TcpHeader {
  sourcePort = 0;
  destinationPort = 0;
  seq = 0;
  ack = 0;
  flags = 0;
  /** As on the wire, before scaling. */
  window = 0;
  /** Header with options; set by parsing and by writing. */
  headerBytes = TCP_HEADER_BYTES;
  /** 0: option absent. */
  maxSegmentBytes = 0;
  /** -1: option absent. */
  windowScale = -1;
  isSackPermitted = false;
  sackCount = 0;
  readonly sackLeft = new Uint32Array(MAX_SACK_BLOCKS);
  readonly sackRight = new Uint32Array(MAX_SACK_BLOCKS);
  hasTimestamps = false;
  timestampValue = 0;
  timestampEcho = 0;

  clearOptions(): void {
    this.maxSegmentBytes = 0;
    this.windowScale = -1;
    this.isSackPermitted = false;
    this.sackCount = 0;
    this.hasTimestamps = false;
  }
}

/**
 * Reads the segment of `length` bytes at `offset` into `header`. After `undefined` the payload is what follows
 * `headerBytes`. The checksum is not looked at: see `isTcpIntact`.
 */
export function parseTcp(
  view: DataView,
  offset: number,
  length: number,
  header: TcpHeader,
): TcpReason | undefined {
  if (length < TCP_HEADER_BYTES) return "tcp-truncated";
  const headerBytes = (view.getUint8(offset + DATA_OFFSET_OFFSET) >>> 4) * 4;
  if (headerBytes < TCP_HEADER_BYTES || headerBytes > length) return "tcp-data-offset";
  header.headerBytes = headerBytes;
  header.sourcePort = view.getUint16(offset);
  header.destinationPort = view.getUint16(offset + 2);
  header.seq = view.getUint32(offset + SEQ_OFFSET);
  header.ack = view.getUint32(offset + ACK_OFFSET);
  header.flags = view.getUint8(offset + FLAGS_OFFSET);
  header.window = view.getUint16(offset + WINDOW_OFFSET);
  header.clearOptions();
  if (headerBytes === TCP_HEADER_BYTES) return undefined;
  return parseOptions(view, offset + TCP_HEADER_BYTES, offset + headerBytes, header);
}

function parseOptions(
  view: DataView,
  start: number,
  end: number,
  header: TcpHeader,
): TcpReason | undefined {
  let at = start;
  while (at < end) {
    const kind = view.getUint8(at);
    if (kind === OptionKind.end) return undefined;
    if (kind === OptionKind.noOperation) {
      at++;
      continue;
    }
    // RFC 9293 §3.1 (MUST-7): be prepared for an illegal option length; such a segment is dropped.
    const optionBytes = at + 1 < end ? view.getUint8(at + 1) : 0;
    if (optionBytes < 2 || at + optionBytes > end) return "tcp-option";
    parseOption(view, at, optionBytes, header);
    at += optionBytes;
  }
  return undefined;
}

/** An option of the wrong size is ignored like an unknown one (RFC 9293 §3.1, MUST-6). */
function parseOption(view: DataView, at: number, optionBytes: number, header: TcpHeader): void {
  switch (view.getUint8(at)) {
    case OptionKind.maxSegment:
      if (optionBytes === MAX_SEGMENT_OPTION_BYTES) header.maxSegmentBytes = view.getUint16(at + 2);
      return;
    case OptionKind.windowScale:
      if (optionBytes === WINDOW_SCALE_OPTION_BYTES) {
        header.windowScale = Math.min(view.getUint8(at + 2), MAX_WINDOW_SCALE); // RFC 7323 §2.3
      }
      return;
    case OptionKind.sackPermitted:
      if (optionBytes === SACK_PERMITTED_OPTION_BYTES) header.isSackPermitted = true;
      return;
    case OptionKind.sack: {
      if ((optionBytes - 2) % SACK_BLOCK_BYTES !== 0) return;
      const count = Math.min((optionBytes - 2) / SACK_BLOCK_BYTES, MAX_SACK_BLOCKS);
      for (let i = 0; i < count; i++) {
        header.sackLeft[i] = view.getUint32(at + 2 + i * SACK_BLOCK_BYTES);
        header.sackRight[i] = view.getUint32(at + 6 + i * SACK_BLOCK_BYTES);
      }
      header.sackCount = count;
      return;
    }
    case OptionKind.timestamps:
      if (optionBytes === TIMESTAMPS_OPTION_BYTES) {
        header.hasTimestamps = true;
        header.timestampValue = view.getUint32(at + 2);
        header.timestampEcho = view.getUint32(at + 6);
      }
      return;
    default:
      return;
  }
}

/**
 * Writes the header with its options, checksum zero; returns its size, which it leaves in `headerBytes` too.
 * Timestamps are never written: we do not offer them.
 */
export function writeTcp(view: DataView, offset: number, header: TcpHeader): number {
  const headerBytes = TCP_HEADER_BYTES + writeOptions(view, offset + TCP_HEADER_BYTES, header);
  header.headerBytes = headerBytes;
  view.setUint16(offset, header.sourcePort);
  view.setUint16(offset + 2, header.destinationPort);
  view.setUint32(offset + SEQ_OFFSET, header.seq);
  view.setUint32(offset + ACK_OFFSET, header.ack);
  view.setUint8(offset + DATA_OFFSET_OFFSET, (headerBytes / 4) << 4);
  view.setUint8(offset + FLAGS_OFFSET, header.flags);
  view.setUint16(offset + WINDOW_OFFSET, header.window);
  view.setUint16(offset + CHECKSUM_OFFSET, 0);
  view.setUint16(offset + URGENT_OFFSET, 0);
  return headerBytes;
}

function writeOptions(view: DataView, start: number, header: TcpHeader): number {
  let at = start;
  if (header.maxSegmentBytes !== 0) {
    view.setUint8(at, OptionKind.maxSegment);
    view.setUint8(at + 1, MAX_SEGMENT_OPTION_BYTES);
    view.setUint16(at + 2, header.maxSegmentBytes);
    at += MAX_SEGMENT_OPTION_BYTES;
  }
  if (header.isSackPermitted) {
    at = writePadding(view, at, 2);
    view.setUint8(at, OptionKind.sackPermitted);
    view.setUint8(at + 1, SACK_PERMITTED_OPTION_BYTES);
    at += SACK_PERMITTED_OPTION_BYTES;
  }
  if (header.windowScale >= 0) {
    at = writePadding(view, at, 1);
    view.setUint8(at, OptionKind.windowScale);
    view.setUint8(at + 1, WINDOW_SCALE_OPTION_BYTES);
    view.setUint8(at + 2, header.windowScale);
    at += WINDOW_SCALE_OPTION_BYTES;
  }
  if (header.sackCount > 0) {
    at = writePadding(view, at, 2);
    view.setUint8(at, OptionKind.sack);
    view.setUint8(at + 1, 2 + header.sackCount * SACK_BLOCK_BYTES);
    at += 2;
    for (let i = 0; i < header.sackCount; i++, at += SACK_BLOCK_BYTES) {
      view.setUint32(at, header.sackLeft[i] ?? 0);
      view.setUint32(at + 4, header.sackRight[i] ?? 0);
    }
  }
  return at - start;
}

function writePadding(view: DataView, at: number, count: number): number {
  for (let i = 0; i < count; i++) view.setUint8(at + i, OptionKind.noOperation);
  return at + count;
}

/**
 * Fills in the checksum of a segment of `length` bytes at `offset`, whose header has `headerBytes`.
 * `addressSum` covers both addresses, `payloadSum` the payload (as `copyAndSum` returned it).
 */
export function writeTcpChecksum(
  view: DataView,
  offset: number,
  length: number,
  headerBytes: number,
  addressSum: number,
  payloadSum: number,
): void {
  const pseudo = addSums(addressSum, sumOfPseudoHeader(length, NextHeader.tcp));
  const sum = addSums(addSums(pseudo, payloadSum), sumBytes(view, offset, headerBytes));
  view.setUint16(offset + CHECKSUM_OFFSET, checksumOf(sum));
}

/** Whether the checksum of the segment of `length` bytes at `offset` holds; the addresses are at `addressesOffset`. */
export function isTcpIntact(
  view: DataView,
  offset: number,
  length: number,
  addressesOffset: number,
): boolean {
  const addressSum = sumBytes(view, addressesOffset, 2 * IPV6_ADDRESS_BYTES);
  const pseudo = addSums(addressSum, sumOfPseudoHeader(length, NextHeader.tcp));
  return isIntact(addSums(pseudo, sumBytes(view, offset, length)));
}
