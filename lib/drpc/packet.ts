/**
 * dRPC packets: all frames of one (stream, message) id up to the one that is done, data joined
 * (storj/drpc v0.0.34, drpcwire/reader.go `ReadPacketUsing`, drpcwire/split.go).
 */
import { violation } from "./errors.ts";
import {
  decodeHeader,
  encodeFrame,
  MAX_FRAME_DATA_BYTES,
  MAX_PACKET_BYTES,
  PacketKind,
} from "./frame.ts";
import type { FrameHeader } from "./frame.ts";
import { MAX_VARINT_BYTES } from "./varint.ts";

export interface Packet {
  readonly kind: PacketKind;
  readonly streamId: number;
  readonly messageId: number;
  /** Belongs to whoever polled the packet. */
  readonly data: Uint8Array;
}

/** Stream id, message id, data length. */
const HEAD_VARINTS = 3;
const MAX_HEADER_BYTES = 1 + HEAD_VARINTS * MAX_VARINT_BYTES;
const SPEC = "drpcwire reader.go";
const EMPTY = new Uint8Array(0);

/** Reassembles packets from a byte stream, however it was chunked. */
export class PacketReader {
  readonly #head = new Uint8Array(MAX_HEADER_BYTES);
  #headBytes = 0;
  #varintsEnded = 0;
  /** Of the varint under way. */
  #varintBytes = 0;
  #frame: FrameHeader | undefined;
  #frameBytesLeft = 0;
  readonly #data = new GrowingBytes();
  #kind = 0;
  /** The lowest ids the next frame may have; of the packet under way while `#isOpen`. */
  #streamId = 0;
  #messageId = 0;
  #isOpen = false;
  readonly #packets: Packet[] = [];

  /** Takes the next chunk, borrowed. Throws `DrpcError`; the stream is unusable afterwards. */
  handleBytes(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#frame === undefined) {
        this.#readHeadByte(chunk[at++] ?? 0);
      } else {
        const count = Math.min(this.#frameBytesLeft, chunk.length - at);
        if (!isIgnored(this.#frame)) this.#data.push(chunk.subarray(at, at + count));
        this.#frameBytesLeft -= count;
        at += count;
      }
      if (this.#frame !== undefined && this.#frameBytesLeft === 0) this.#endFrame(this.#frame);
    }
  }

  pollPacket(): Packet | undefined {
    return this.#packets.shift();
  }

  /** Gathers a header, which is decoded once: when its third varint ends, or one of them cannot. */
  #readHeadByte(byte: number): void {
    this.#head[this.#headBytes++] = byte;
    if (this.#headBytes === 1) return; // the control byte
    const isLongest = ++this.#varintBytes === MAX_VARINT_BYTES;
    if (byte < 0x80) {
      this.#varintBytes = 0;
      this.#varintsEnded++;
    }
    if (this.#varintsEnded < HEAD_VARINTS && !isLongest) return;
    const decoded = decodeHeader(this.#head.subarray(0, this.#headBytes));
    if (decoded === undefined) return;
    this.#headBytes = 0;
    this.#varintsEnded = 0;
    this.#frame = decoded.header;
    this.#frameBytesLeft = decoded.header.dataLength;
    if (!isIgnored(decoded.header)) this.#beginFrame(decoded.header);
  }

  #beginFrame(frame: FrameHeader): void {
    const { streamId, messageId, kind } = frame;
    if (streamId === 0 || messageId === 0) throw violation("id-zero", "id 0", SPEC);
    if (
      streamId < this.#streamId || (streamId === this.#streamId && messageId < this.#messageId)
    ) {
      throw violation(
        "id-order",
        `frame (${streamId}, ${messageId}) behind (${this.#streamId}, ${this.#messageId})`,
        SPEC,
      );
    }
    if (toPacketKind(kind) === undefined) throw violation("unknown-kind", `kind ${kind}`, SPEC);
    const isSame = this.#isOpen && streamId === this.#streamId && messageId === this.#messageId;
    if (!isSame) { // an unfinished packet that is overtaken is dropped, as upstream does
      this.#data.clear();
      this.#streamId = streamId;
      this.#messageId = messageId;
      this.#kind = kind;
      this.#isOpen = true;
    } else if (kind !== this.#kind) {
      throw violation("kind-changed", `kind ${kind} in a packet of kind ${this.#kind}`, SPEC);
    }
    if (this.#data.length + frame.dataLength > MAX_PACKET_BYTES) {
      throw violation("packet-too-large", `packet exceeds ${MAX_PACKET_BYTES} bytes`, SPEC);
    }
  }

  #endFrame(frame: FrameHeader): void {
    this.#frame = undefined;
    const kind = toPacketKind(frame.kind);
    if (kind === undefined || !frame.isDone) return;
    const { streamId, messageId } = frame;
    this.#packets.push({ kind, streamId, messageId, data: this.#data.take() });
    this.#isOpen = false;
    this.#messageId = messageId + 1; // the next packet must rise
  }
}

/** The frames of one packet in a new array. */
export function encodePacket(packet: Packet): Uint8Array<ArrayBuffer> {
  const frames: Uint8Array[] = [];
  let at = 0;
  do {
    const end = Math.min(at + MAX_FRAME_DATA_BYTES, packet.data.length);
    const header = {
      kind: packet.kind,
      isDone: end === packet.data.length,
      isControl: packet.kind === PacketKind.cancel,
      streamId: packet.streamId,
      messageId: packet.messageId,
    };
    frames.push(encodeFrame(header, packet.data.subarray(at, end)));
    at = end;
  } while (at < packet.data.length);
  const bytes = new Uint8Array(frames.reduce((sum, frame) => sum + frame.length, 0));
  let offset = 0;
  for (const frame of frames) {
    bytes.set(frame, offset);
    offset += frame.length;
  }
  return bytes;
}

/** An unknown kind with the control bit is for others to understand. */
function isIgnored(frame: FrameHeader): boolean {
  return frame.isControl && toPacketKind(frame.kind) === undefined;
}

function toPacketKind(kind: number): PacketKind | undefined {
  switch (kind) {
    case PacketKind.invoke:
    case PacketKind.message:
    case PacketKind.error:
    case PacketKind.cancel:
    case PacketKind.close:
    case PacketKind.closeSend:
    case PacketKind.invokeMetadata:
      return kind;
    default:
      return undefined;
  }
}

/** Bytes gathered in an array that doubles: pieces of any size, no object each. */
class GrowingBytes {
  #buffer: Uint8Array<ArrayBuffer> = EMPTY;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(bytes: Uint8Array): void {
    const needed = this.#length + bytes.length;
    if (needed > this.#buffer.length) {
      const grown = new Uint8Array(Math.max(needed, 2 * this.#buffer.length));
      grown.set(this.#buffer.subarray(0, this.#length));
      this.#buffer = grown;
    }
    this.#buffer.set(bytes, this.#length);
    this.#length = needed;
  }

  /** All bytes, in an array that the caller owns. */
  take(): Uint8Array<ArrayBuffer> {
    const taken = this.#buffer.slice(0, this.#length);
    this.clear();
    return taken;
  }

  clear(): void {
    this.#buffer = EMPTY;
    this.#length = 0;
  }
}
