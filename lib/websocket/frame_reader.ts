/**
 * Reads websocket frames from a byte stream cut anywhere (RFC 6455 §5.2) and hands their payloads out in pieces: as much
 * of a frame as the chunk holds, already unmasked, as a range of the chunk. Layout: see `frame.ts`.
 * Refused: reserved bits and opcodes, lengths not in shortest form, fragmented or long control frames, and masks on the
 * wrong side. Not here: what frames mean together (`connection.ts`).
 */
import { WebsocketError } from "./errors.ts";
import { MAX_CONTROL_BYTES, MAX_HEADER_BYTES, Opcode, type Role } from "./frame.ts";
import { applyMask } from "./mask.ts";

const FIN_BIT = 0x80;
const RESERVED_BITS = 0x70;
const OPCODE_BITS = 0x0f;
const CONTROL_BIT = 0x8;
const MASK_BIT = 0x80;
const LENGTH_BITS = 0x7f;
const LENGTH_16 = 126;
const LENGTH_64 = 127;
const MAX_LENGTH_16 = 0xffff;
const MASK_BYTES = 4;
const EMPTY = new Uint8Array(0);

/**
 * One piece at a time, in the fields, which the next call overwrites. The chunk is borrowed, and unmasked in place, until
 * `next` returned false.
 */
export class FrameReader {
  /** Of the frame the piece belongs to. */
  opcode = 0;
  isFinal = false;
  frameBytes = 0;
  /** Offset of the piece in the frame's payload. */
  pieceOffset = 0;
  /** The piece: `chunk[pieceStart..pieceEnd)`; empty only for an empty frame. */
  pieceStart = 0;
  pieceEnd = 0;
  /** Whether the frame ends with this piece. */
  endsFrame = false;

  readonly #expectsMask: boolean;
  readonly #header = new Uint8Array(MAX_HEADER_BYTES);
  readonly #headerView = new DataView(this.#header.buffer);
  #headerBytes = 0;
  #isInFrame = false;
  #readBytes = 0;
  #maskKey = 0;
  #chunk: Uint8Array = EMPTY;
  #at = 0;

  /** `role` is ours: a server expects masked frames. */
  constructor(role: Role) {
    this.#expectsMask = role === "server";
  }

  get chunk(): Uint8Array {
    return this.#chunk;
  }

  /** Whether all of the chunk was read. */
  get isDrained(): boolean {
    return this.#at >= this.#chunk.length;
  }

  handleBytes(chunk: Uint8Array): void {
    this.#chunk = chunk;
    this.#at = 0;
  }

  /** Drops what is left of the chunk. */
  discard(): void {
    this.#at = this.#chunk.length;
  }

  /** Moves to the next piece; false when the chunk is used up. Throws `WebsocketError`. */
  next(): boolean {
    if (!this.#isInFrame && !this.#readHeader()) return false;
    const remaining = this.frameBytes - this.#readBytes;
    const available = this.#chunk.length - this.#at;
    if (available === 0 && remaining > 0) return false;
    const taken = remaining < available ? remaining : available;
    this.pieceOffset = this.#readBytes;
    this.pieceStart = this.#at;
    this.pieceEnd = this.#at + taken;
    this.endsFrame = taken === remaining;
    this.#isInFrame = !this.endsFrame;
    this.#at += taken;
    this.#readBytes += taken;
    if (this.#expectsMask && taken > 0) {
      const mask = { key: this.#maskKey, phase: this.pieceOffset };
      applyMask(this.#chunk, this.pieceStart, this.pieceEnd, mask);
    }
    return true;
  }

  /** Collects header bytes until the header is whole, since its length is known only as it comes. */
  #readHeader(): boolean {
    const chunk = this.#chunk;
    const header = this.#header;
    while (this.#at < chunk.length) {
      header[this.#headerBytes++] = chunk[this.#at++] ?? 0;
      if (this.#headerBytes === 2) this.#checkFirstBytes();
      if (this.#headerBytes >= 2 && this.#headerBytes === this.#headerLength()) {
        this.#beginFrame();
        return true;
      }
    }
    return false;
  }

  #headerLength(): number {
    const code = (this.#header[1] ?? 0) & LENGTH_BITS;
    const lengthBytes = code === LENGTH_64 ? 8 : code === LENGTH_16 ? 2 : 0;
    return 2 + lengthBytes + (this.#expectsMask ? MASK_BYTES : 0);
  }

  #checkFirstBytes(): void {
    const first = this.#header[0] ?? 0;
    const second = this.#header[1] ?? 0;
    const opcode = first & OPCODE_BITS;
    if ((first & RESERVED_BITS) !== 0) throw frameError("reserved-bits", "reserved bits are set");
    if (!isKnownOpcode(opcode)) throw frameError("bad-opcode", `opcode ${opcode} is reserved`);
    const isMasked = (second & MASK_BIT) !== 0;
    if (isMasked !== this.#expectsMask) { // RFC 6455 §5.1
      throw frameError("bad-mask", isMasked ? "server must not mask" : "client must mask");
    }
    if ((opcode & CONTROL_BIT) !== 0) { // RFC 6455 §5.5
      if ((first & FIN_BIT) === 0) throw frameError("bad-control", "control frame is fragmented");
      if ((second & LENGTH_BITS) > MAX_CONTROL_BYTES) {
        throw frameError("bad-control", `control frame exceeds ${MAX_CONTROL_BYTES} bytes`);
      }
    }
  }

  #beginFrame(): void {
    const first = this.#header[0] ?? 0;
    const code = (this.#header[1] ?? 0) & LENGTH_BITS;
    let lengthBytes = code;
    if (code === LENGTH_16) {
      lengthBytes = this.#headerView.getUint16(2);
      if (lengthBytes < LENGTH_16) throw frameError("bad-length", "length is not in shortest form");
    } else if (code === LENGTH_64) {
      const length = this.#headerView.getBigUint64(2);
      if (length > BigInt(Number.MAX_SAFE_INTEGER)) {
        throw frameError("bad-length", `length ${length} exceeds 2^53 - 1`);
      }
      lengthBytes = Number(length);
      if (lengthBytes <= MAX_LENGTH_16) {
        throw frameError("bad-length", "length is not in shortest form");
      }
    }
    this.opcode = first & OPCODE_BITS;
    this.isFinal = (first & FIN_BIT) !== 0;
    this.frameBytes = lengthBytes;
    if (this.#expectsMask) {
      this.#maskKey = this.#headerView.getUint32(this.#headerBytes - MASK_BYTES);
    }
    this.#headerBytes = 0;
    this.#readBytes = 0;
    this.#isInFrame = true;
  }
}

function isKnownOpcode(opcode: number): boolean {
  return opcode <= Opcode.binary || (opcode >= Opcode.close && opcode <= Opcode.pong);
}

function frameError(code: string, what: string): WebsocketError {
  return new WebsocketError(`Cannot read websocket frame: ${what}`, {
    code,
    spec: "RFC 6455 §5.2",
  });
}
