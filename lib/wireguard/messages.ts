/**
 * WireGuard messages: layout, recognition, and the codec of the three handshake messages (whitepaper §5.4.2, §5.4.3,
 * §5.4.7). All integers little-endian; type is one byte and three reserved zero bytes. Data messages (§5.4.6) are read
 * and written in place, by `data_message.ts`; the macs are filled in by `cookie.ts`.
 *
 *   initiation, 148:   type 4 | sender 4 | ephemeral 32 | static 32+16 | timestamp 12+16 | mac1 16 | mac2 16
 *   response, 92:      type 4 | sender 4 | receiver 4 | ephemeral 32 | empty 16 | mac1 16 | mac2 16
 *   cookie reply, 64:  type 4 | receiver 4 | nonce 24 | cookie 16+16
 *   data, 32 + n:      type 4 | receiver 4 | counter 8 | payload n+16
 *
 * `ephemeral | static | timestamp` is Noise's first message with the timestamp as payload, `ephemeral | empty` its
 * second with an empty one (`handshake.ts`).
 */
import { ByteReader, ByteWriter, KEY_BYTES } from "../base/bytes.ts";
import {
  COOKIE_BYTES,
  COOKIE_NONCE_BYTES,
  MAC_BYTES,
  TAG_BYTES,
  TIMESTAMP_BYTES,
} from "./constants.ts";

export const MessageType = { initiation: 1, response: 2, cookieReply: 3, data: 4 } as const;
export type MessageType = typeof MessageType[keyof typeof MessageType];

const TYPE_BYTES = 4;
const INDEX_BYTES = 4;
const COUNTER_BYTES = 8;
const MACS_BYTES = 2 * MAC_BYTES;

export const NOISE_MESSAGE_1_BYTES = KEY_BYTES + KEY_BYTES + TAG_BYTES + TIMESTAMP_BYTES +
  TAG_BYTES;
export const NOISE_MESSAGE_2_BYTES = KEY_BYTES + TAG_BYTES;

export const INITIATION_BYTES = TYPE_BYTES + INDEX_BYTES + NOISE_MESSAGE_1_BYTES + MACS_BYTES;
export const RESPONSE_BYTES = TYPE_BYTES + 2 * INDEX_BYTES + NOISE_MESSAGE_2_BYTES + MACS_BYTES;
export const COOKIE_REPLY_BYTES = TYPE_BYTES + INDEX_BYTES + COOKIE_NONCE_BYTES + COOKIE_BYTES +
  TAG_BYTES;
export const DATA_HEADER_BYTES = TYPE_BYTES + INDEX_BYTES + COUNTER_BYTES;
/** The smallest data message: a keepalive. */
export const MIN_DATA_BYTES = DATA_HEADER_BYTES + TAG_BYTES;

/** Where mac1 begins in an initiation or a response of `messageBytes`. */
export function mac1Offset(messageBytes: number): number {
  return messageBytes - MACS_BYTES;
}

/** Where mac2 begins in an initiation or a response of `messageBytes`. */
export function mac2Offset(messageBytes: number): number {
  return messageBytes - MAC_BYTES;
}

/**
 * What `datagram` claims to be, judged by type, reserved bytes and length alone; `undefined` for anything else.
 * A decoder of this file is safe on a datagram for which this returned its type.
 */
export function messageTypeOf(datagram: Uint8Array): MessageType | undefined {
  if (datagram[1] !== 0 || datagram[2] !== 0 || datagram[3] !== 0) return undefined;
  switch (datagram[0]) {
    case MessageType.data:
      return datagram.length >= MIN_DATA_BYTES ? MessageType.data : undefined;
    case MessageType.initiation:
      return datagram.length === INITIATION_BYTES ? MessageType.initiation : undefined;
    case MessageType.response:
      return datagram.length === RESPONSE_BYTES ? MessageType.response : undefined;
    case MessageType.cookieReply:
      return datagram.length === COOKIE_REPLY_BYTES ? MessageType.cookieReply : undefined;
    default:
      return undefined;
  }
}

export interface Initiation {
  readonly senderIndex: number;
  /** 108 bytes. */
  readonly noiseMessage: Uint8Array;
}

/** An initiation with both macs zero. */
export function encodeInitiation(message: Initiation): Uint8Array<ArrayBuffer> {
  const datagram = new Uint8Array(INITIATION_BYTES);
  new ByteWriter(datagram).u32le(MessageType.initiation).u32le(message.senderIndex)
    .bytes(message.noiseMessage);
  return datagram;
}

/** Fields of an initiation; views of `datagram`, which must have passed `messageTypeOf`. */
export function decodeInitiation(datagram: Uint8Array): Initiation {
  const reader = new ByteReader(datagram, TYPE_BYTES);
  return { senderIndex: reader.u32le(), noiseMessage: reader.view(NOISE_MESSAGE_1_BYTES) };
}

export interface Response {
  readonly senderIndex: number;
  readonly receiverIndex: number;
  /** 48 bytes. */
  readonly noiseMessage: Uint8Array;
}

/** A response with both macs zero. */
export function encodeResponse(message: Response): Uint8Array<ArrayBuffer> {
  const datagram = new Uint8Array(RESPONSE_BYTES);
  new ByteWriter(datagram).u32le(MessageType.response).u32le(message.senderIndex)
    .u32le(message.receiverIndex).bytes(message.noiseMessage);
  return datagram;
}

/** Fields of a response; views of `datagram`, which must have passed `messageTypeOf`. */
export function decodeResponse(datagram: Uint8Array): Response {
  const reader = new ByteReader(datagram, TYPE_BYTES);
  return {
    senderIndex: reader.u32le(),
    receiverIndex: reader.u32le(),
    noiseMessage: reader.view(NOISE_MESSAGE_2_BYTES),
  };
}

export interface CookieReply {
  readonly receiverIndex: number;
  /** 24 bytes. */
  readonly nonce: Uint8Array;
  /** Cookie and tag, 32 bytes. */
  readonly sealedCookie: Uint8Array;
}

export function encodeCookieReply(message: CookieReply): Uint8Array<ArrayBuffer> {
  const datagram = new Uint8Array(COOKIE_REPLY_BYTES);
  new ByteWriter(datagram).u32le(MessageType.cookieReply).u32le(message.receiverIndex)
    .bytes(message.nonce).bytes(message.sealedCookie);
  return datagram;
}

/** Fields of a cookie reply; views of `datagram`, which must have passed `messageTypeOf`. */
export function decodeCookieReply(datagram: Uint8Array): CookieReply {
  const reader = new ByteReader(datagram, TYPE_BYTES);
  return {
    receiverIndex: reader.u32le(),
    nonce: reader.view(COOKIE_NONCE_BYTES),
    sealedCookie: reader.view(COOKIE_BYTES + TAG_BYTES),
  };
}
