/**
 * Websocket frame headers (RFC 6455 §5.2), big-endian:
 *   FIN 1 bit | RSV 3 bits | opcode 4 bits | MASK 1 bit | length 7 bits | [length u16 or u64] | [mask 4] | payload
 * Length 126 means a u16 follows, 127 a u64; the shortest form is a must. A client masks every frame, a server none.
 */
import { ByteWriter } from "../base/bytes.ts";
import { type Random, randomUint32 } from "../base/core.ts";
import { applyMask } from "./mask.ts";

export type Role = "client" | "server";

export const Opcode = {
  continuation: 0x0,
  text: 0x1,
  binary: 0x2,
  close: 0x8,
  ping: 0x9,
  pong: 0xa,
} as const;
export type Opcode = typeof Opcode[keyof typeof Opcode];

/** The longest header: 2 + 8 + 4. */
export const MAX_HEADER_BYTES = 14;
/** The longest payload of a control frame (RFC 6455 §5.5). */
export const MAX_CONTROL_BYTES = 125;

const FIN_BIT = 0x80;
const MASK_BIT = 0x80;
const MASK_BYTES = 4;
const LENGTH_16 = 126;
const LENGTH_64 = 127;
const MAX_LENGTH_16 = 0xffff;

export interface FrameInPlaceOptions {
  readonly role: Role;
  /** Where a client's mask comes from: fresh and unpredictable for each frame (RFC 6455 §5.3). */
  readonly random: Random;
  /** The mask itself, read as u32 big-endian, instead of `random`; for tests. */
  readonly maskKey?: number;
  /** @default Opcode.binary */
  readonly opcode?: Opcode;
  /** Whether the message ends with this frame. @default true */
  readonly isFinal?: boolean;
}

/** Bytes of header before a payload of that length. */
export function headerBytesFor(role: Role, payloadBytes: number): number {
  const lengthBytes = payloadBytes < LENGTH_16 ? 0 : payloadBytes <= MAX_LENGTH_16 ? 2 : 8;
  return 2 + lengthBytes + (role === "client" ? MASK_BYTES : 0);
}

/**
 * Frames `buffer[start..end)` in place: the header is written directly before it, and a client's payload is masked where
 * it is. Returns the offset at which the frame begins; needs up to `MAX_HEADER_BYTES` of room before `start`.
 */
export function frameInPlace(
  options: FrameInPlaceOptions,
  buffer: Uint8Array,
  start: number,
  end: number,
): number {
  const { role, opcode = Opcode.binary, isFinal = true } = options;
  const payloadBytes = end - start;
  const frameStart = start - headerBytesFor(role, payloadBytes);
  if (frameStart < 0 || payloadBytes < 0 || end > buffer.length) {
    throw new RangeError(`Cannot frame bytes ${start} to ${end} of ${buffer.length}`);
  }
  const maskBit = role === "client" ? MASK_BIT : 0;
  const writer = new ByteWriter(buffer, frameStart);
  writer.u8((isFinal ? FIN_BIT : 0) | opcode);
  if (payloadBytes < LENGTH_16) writer.u8(maskBit | payloadBytes);
  else if (payloadBytes <= MAX_LENGTH_16) writer.u8(maskBit | LENGTH_16).u16be(payloadBytes);
  else writer.u8(maskBit | LENGTH_64).u64be(BigInt(payloadBytes));
  if (role === "client") {
    const key = options.maskKey ?? randomUint32(options.random);
    writer.u32be(key);
    applyMask(buffer, start, end, { key, phase: 0 });
  }
  return frameStart;
}

/** A frame around a copy of `payload`, for what is not sent often. */
export function encodeFrame(options: FrameInPlaceOptions, payload: Uint8Array): Uint8Array {
  const start = headerBytesFor(options.role, payload.length);
  const buffer = new Uint8Array(start + payload.length);
  buffer.set(payload, start);
  frameInPlace(options, buffer, start, buffer.length);
  return buffer;
}
