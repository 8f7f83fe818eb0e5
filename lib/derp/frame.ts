/**
 * DERP frames (coder/tailscale `derp/derp.go`), big-endian:
 *   type u8 | length u32 (of what follows) | payload
 * The only specification is that code; payload layouts stand beside the types. Keys are raw 32-byte X25519 public keys.
 */
import { ByteWriter, KEY_BYTES } from "../base/bytes.ts";

export const FrameType = {
  /** s→c: magic 8 | server key 32 | to be ignored */
  serverKey: 0x01,
  /** c→s: client key 32 | nonce 24 | box of JSON */
  clientInfo: 0x02,
  /** s→c: nonce 24 | box of JSON */
  serverInfo: 0x03,
  /** c→s: destination key 32 | packet */
  sendPacket: 0x04,
  /** s→c: source key 32 | packet */
  recvPacket: 0x05,
  /** s→c: empty */
  keepAlive: 0x06,
  /** c→s: 1 when this relay is the client's home, 0 when not */
  notePreferred: 0x07,
  /** s→c: key 32 | reason u8 (absent before reasons existed) */
  peerGone: 0x08,
  /** s→mesh: key 32 | … */
  peerPresent: 0x09,
  /** mesh: source key 32 | destination key 32 | packet */
  forwardPacket: 0x0a,
  /** mesh: empty */
  watchConns: 0x10,
  /** mesh: key 32 */
  closePeer: 0x11,
  /** either way: 8 bytes, to be echoed */
  ping: 0x12,
  /** either way: the 8 bytes of the ping */
  pong: 0x13,
  /** s→c: UTF-8 text, empty when healthy again */
  health: 0x14,
  /** s→c: reconnect in ms u32 | try for ms u32 */
  restarting: 0x15,
} as const;
export type FrameType = typeof FrameType[keyof typeof FrameType];

export const PeerGoneReason = {
  disconnected: 0x00,
  notHere: 0x01,
} as const;

export const FRAME_HEADER_BYTES = 5;
export const PING_BYTES = 8;
/** Longest packet a relay carries (`MaxPacketSize`). */
export const MAX_PACKET_BYTES = 65_536;
/** Longest payload of any frame (`derp_client.go`, `recvTimeout`). */
export const MAX_FRAME_BYTES = 1 << 20;

/** What stands before the packet in a SendPacket frame. */
export const SEND_PACKET_HEADER_BYTES = FRAME_HEADER_BYTES + KEY_BYTES;
/** What stands before the packet in a RecvPacket frame. */
export const RECV_PACKET_HEADER_BYTES = FRAME_HEADER_BYTES + KEY_BYTES;

/**
 * Writes the 37 bytes that make `packetBytes` bytes behind them a SendPacket frame.
 * Throws `RangeError` for a packet over 65,536 bytes, which would cost us the connection.
 */
export function writeSendPacketHeader(
  buffer: Uint8Array,
  offset: number,
  destination: Uint8Array,
  packetBytes: number,
): void {
  writePacketHeader(FrameType.sendPacket, buffer, offset, destination, packetBytes);
}

/** As `writeSendPacketHeader`, the other way: 37 bytes with the source's key. */
export function writeRecvPacketHeader(
  buffer: Uint8Array,
  offset: number,
  source: Uint8Array,
  packetBytes: number,
): void {
  writePacketHeader(FrameType.recvPacket, buffer, offset, source, packetBytes);
}

/** Byte arithmetic of its own, since it runs once a packet; the plain twin is `encodeFrame`. */
function writePacketHeader(
  type: FrameType,
  buffer: Uint8Array,
  offset: number,
  key: Uint8Array,
  packetBytes: number,
): void {
  if (packetBytes < 0 || packetBytes > MAX_PACKET_BYTES) {
    throw new RangeError(
      `Cannot relay packet: ${packetBytes} bytes exceed ${MAX_PACKET_BYTES}`,
    );
  }
  if (key.length !== KEY_BYTES) {
    throw new RangeError(`Cannot relay packet: key has ${key.length} bytes, not ${KEY_BYTES}`);
  }
  const length = KEY_BYTES + packetBytes;
  buffer[offset] = type;
  buffer[offset + 1] = length >>> 24;
  buffer[offset + 2] = length >>> 16;
  buffer[offset + 3] = length >>> 8;
  buffer[offset + 4] = length;
  buffer.set(key, offset + FRAME_HEADER_BYTES);
}

/** A frame of any type, known or not, around a copy of `parts`. */
export function encodeFrame(type: number, ...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const frame = new Uint8Array(FRAME_HEADER_BYTES + length);
  const writer = new ByteWriter(frame).u8(type).u32be(length);
  for (const part of parts) writer.bytes(part);
  return frame;
}

/** Whether `bytes` has `key` at `at`; public keys, so that stopping early tells nothing. */
export function isKeyAt(bytes: Uint8Array, at: number, key: Uint8Array): boolean {
  for (let i = 0; i < KEY_BYTES; i++) {
    if (bytes[at + i] !== key[i]) return false;
  }
  return true;
}
