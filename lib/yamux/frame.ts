/**
 * yamux frame header: a view of 12 bytes and back (hashicorp/yamux, spec.md "Framing" and const.go).
 *   version u8 = 0 | type u8 | flags u16 | streamId u32 | length u32, big-endian
 * `length` counts body bytes in Data, is the increment in WindowUpdate, an opaque value in Ping, the reason in GoAway.
 * Only Data has a body. Bodies are not here: the session routes them while they arrive.
 */
import { ByteReader, ByteWriter } from "../base/bytes.ts";
import { violation } from "./errors.ts";

export const HEADER_BYTES = 12;

/** Window of either direction of a new stream, and the most it ever is (spec.md "Flow Control"). */
export const INITIAL_WINDOW_BYTES = 256 * 1024;

const VERSION = 0;

export const FrameType = { data: 0, windowUpdate: 1, ping: 2, goAway: 3 } as const;
export type FrameType = typeof FrameType[keyof typeof FrameType];

/** Bits of `flags`; a frame may carry several. */
export const Flag = { syn: 1, ack: 2, fin: 4, rst: 8 } as const;

export const GoAwayCode = { normal: 0, protocolError: 1, internalError: 2 } as const;
export type GoAwayCode = typeof GoAwayCode[keyof typeof GoAwayCode];

export interface FrameHeader {
  readonly type: FrameType;
  readonly flags: number;
  /** 0 for Ping and GoAway. */
  readonly streamId: number;
  readonly length: number;
}

/** Reads the header at `offset` of borrowed bytes. Throws `YamuxError` for another version or type. */
export function decodeHeader(bytes: Uint8Array, offset = 0): FrameHeader {
  const reader = new ByteReader(bytes, offset);
  const version = reader.u8();
  if (version !== VERSION) {
    throw violation("bad-version", `version ${version} is not ${VERSION}`);
  }
  const type = reader.u8();
  return {
    type: toType(type),
    flags: reader.u16be(),
    streamId: reader.u32be(),
    length: reader.u32be(),
  };
}

/** Writes a header at `offset` of `target`, which needs `HEADER_BYTES` from there. */
export function writeHeader(target: Uint8Array, offset: number, header: FrameHeader): void {
  new ByteWriter(target, offset)
    .u8(VERSION).u8(header.type).u16be(header.flags).u32be(header.streamId).u32be(header.length);
}

function toType(type: number): FrameType {
  switch (type) {
    case FrameType.data:
    case FrameType.windowUpdate:
    case FrameType.ping:
    case FrameType.goAway:
      return type;
    default:
      throw violation("bad-type", `type ${type} is unknown`);
  }
}
