/**
 * dRPC frame codec (storj/drpc v0.0.34, drpcwire/packet.go `ParseFrame`, `AppendFrame`).
 *   control u8 | stream id varint | message id varint | data length varint | data
 *   control: bit 0 done (last frame of its packet), bits 1–6 kind, bit 7 control (ignore when the kind is unknown)
 */
import { violation } from "./errors.ts";
import { decodeVarint, encodeVarint } from "./varint.ts";

const DONE_BIT = 0x01;
const CONTROL_BIT = 0x80;
const KIND_SHIFT = 1;
const KIND_MASK = 0x3f;

/** Data of one packet, all frames together (`codersdk/drpcsdk/transport.go` MaxMessageSize). */
export const MAX_PACKET_BYTES = 4 * 1024 * 1024;

/** Writers cut packets into frames of at most so much data (drpcwire/split.go). */
export const MAX_FRAME_DATA_BYTES = 64 * 1024;

export const PacketKind = {
  invoke: 1,
  message: 2,
  error: 3,
  cancel: 4,
  close: 5,
  closeSend: 6,
  invokeMetadata: 7,
} as const;
export type PacketKind = typeof PacketKind[keyof typeof PacketKind];

export interface FrameHeader {
  readonly kind: number;
  readonly isDone: boolean;
  readonly isControl: boolean;
  readonly streamId: number;
  readonly messageId: number;
  readonly dataLength: number;
}

export interface DecodedHeader {
  readonly header: FrameHeader;
  /** Where the data begins, counted from the header's first byte. */
  readonly byteLength: number;
}

/**
 * The frame header at `offset` of borrowed bytes, or `undefined` when it goes on behind the end.
 * Throws `DrpcError` for numbers that are none and for data beyond `MAX_PACKET_BYTES`.
 */
export function decodeHeader(bytes: Uint8Array, offset = 0): DecodedHeader | undefined {
  const control = bytes[offset];
  if (control === undefined) return undefined;
  const streamId = decodeVarint(bytes, offset + 1);
  if (streamId === undefined) return undefined;
  let at = offset + 1 + streamId.byteLength;
  const messageId = decodeVarint(bytes, at);
  if (messageId === undefined) return undefined;
  at += messageId.byteLength;
  const dataLength = decodeVarint(bytes, at);
  if (dataLength === undefined) return undefined;
  at += dataLength.byteLength;
  if (dataLength.value > MAX_PACKET_BYTES) {
    throw violation(
      "packet-too-large",
      `frame of ${dataLength.value} bytes exceeds ${MAX_PACKET_BYTES}`,
      "drpcwire reader.go",
    );
  }
  return {
    header: {
      kind: (control >> KIND_SHIFT) & KIND_MASK,
      isDone: (control & DONE_BIT) !== 0,
      isControl: (control & CONTROL_BIT) !== 0,
      streamId: narrowId(streamId.value),
      messageId: narrowId(messageId.value),
      dataLength: dataLength.value,
    },
    byteLength: at - offset,
  };
}

/** Header and data of one frame in a new array. */
export function encodeFrame(
  header: Omit<FrameHeader, "dataLength">,
  data: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const control = (header.isDone ? DONE_BIT : 0) | (header.isControl ? CONTROL_BIT : 0) |
    ((header.kind & KIND_MASK) << KIND_SHIFT);
  const head = [
    control,
    ...encodeVarint(header.streamId),
    ...encodeVarint(header.messageId),
    ...encodeVarint(data.length),
  ];
  const bytes = new Uint8Array(head.length + data.length);
  bytes.set(head);
  bytes.set(data, head.length);
  return bytes;
}

/** Ids are u64 on the wire and count packets here: 2^53 of them never pass. */
function narrowId(value: number): number {
  if (value > Number.MAX_SAFE_INTEGER) {
    throw violation("id-too-large", `id ${value} exceeds 2^53`, "drpcwire packet.go");
  }
  return value;
}
