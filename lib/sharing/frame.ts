/**
 * Frames between the process that holds a tunnel and those that use it, over a unix socket of this machine, big-endian:
 *   type u8 | length u32 (of what follows) | payload
 * Our own, see docs/rooms.md. Payload layouts stand beside the types; who greets whom is `greeting.ts`.
 */
import { ByteReader, ByteWriter } from "../base/bytes.ts";
import { ProtocolError } from "../base/errors.ts";

export const FrameType = {
  /** client→holder, first: version u8 | nonce 32 */
  hello: 0x01,
  /** holder→client: nonce 32 | proof 32 */
  challenge: 0x02,
  /** client→holder: proof 32 */
  proof: 0x03,
  /** client→holder, what the connection is for: to ask how the tunnel is; empty */
  attach: 0x10,
  /** holder→client, to `attach`: JSON of a report */
  attached: 0x11,
  /** holder→client, to `attach`: the agent does not answer at the moment; empty */
  busy: 0x12,
  /** client→holder, when attached: id u32 | time limit in ms u32 */
  ping: 0x13,
  /** holder→client: id u32 | JSON of a report */
  pong: 0x14,
  /** holder→client, when attached: JSON of the agent's silence, when one begins and when it ends */
  silence: 0x15,
  /** client→holder, what the connection is for: end the tunnel; empty */
  leave: 0x18,
  /** client→holder, what the connection is for: port u16 */
  open: 0x20,
  /** holder→client, to `open`, at once: it was heard, however long the agent takes; empty */
  opening: 0x25,
  /** holder→client: the port is open; empty */
  opened: 0x21,
  /** either way: bytes of the stream; of a session standard input or output */
  data: 0x22,
  /** either way: no more bytes come this way; of a session the end of standard input; empty */
  fin: 0x23,
  /** holder→client: kind u8 (`END_KINDS`) | UTF-8 text; the last frame */
  ended: 0x24,
  /**
   * client→holder, what the connection is for: a session in the SSH connection that is held; empty. Answered by `opening` at once, then
   * `offered`, or `ended` where there is none
   */
  session: 0x30,
  /** holder→client: a session is open, in which nothing runs; the server's host key, RFC 4253 §6.6 */
  offered: 0x31,
  /** client→holder: JSON of a request, answered by `opening` at once; nothing is begun yet */
  request: 0x32,
  /** client→holder: begin what was requested; empty. Behind it nobody but the holder can tell whether it was begun */
  start: 0x33,
  /** holder→client, to `start`: it runs; empty */
  started: 0x34,
  /** holder→client, to `start`: JSON of why it does not; the last frame */
  refused: 0x35,
  /** holder→client: bytes of standard error */
  errors: 0x36,
  /** either way: that many bytes of a flow were taken: flow u8 (`Flow`) | count u32 */
  taken: 0x37,
  /** client→holder: columns u32 | rows u32 */
  resize: 0x38,
  /** client→holder: name without `SIG`, ASCII */
  signal: 0x39,
  /** client→holder: a serial BREAK; empty */
  break: 0x3a,
  /** client→holder: are you there; empty. holder→client: yes; empty */
  alive: 0x3b,
  /** holder→client: JSON of the session's end; the last frame */
  exited: 0x3c,
} as const;
export type FrameType = typeof FrameType[keyof typeof FrameType];

export const FRAME_HEADER_BYTES = 5;
/** Longest payload of any frame. */
export const MAX_PAYLOAD_BYTES = 65_536;
/** An unfinished frame and room behind it. */
const BUFFER_BYTES = 2 * (FRAME_HEADER_BYTES + MAX_PAYLOAD_BYTES);

export interface Frame {
  /** Perhaps one that we do not know. */
  readonly type: number;
  /** Borrowed until the reader is asked for space. */
  readonly payload: Uint8Array;
}

/** The other side of the socket does not speak as we do. */
export class SharingError extends ProtocolError {
  override name = "SharingError";
}

/** A frame around a copy of `payload`. Throws `RangeError` for one that is too long. */
export function encodeFrame(type: FrameType, payload: Uint8Array): Uint8Array<ArrayBuffer> {
  if (payload.length > MAX_PAYLOAD_BYTES) {
    throw new RangeError(`Cannot send frame: ${payload.length} bytes exceed ${MAX_PAYLOAD_BYTES}`);
  }
  const frame = new Uint8Array(FRAME_HEADER_BYTES + payload.length);
  new ByteWriter(frame).u8(type).u32be(payload.length).bytes(payload);
  return frame;
}

/** Cuts a byte stream into frames: bytes are read into `space()`, counted by `handleRead`, and taken out by `next`. */
export class FrameReader {
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  #start = 0;
  #end = 0;

  /** Where the next bytes belong; never empty while whole frames are taken out. Payloads given out are overwritten. */
  space(): Uint8Array<ArrayBuffer> {
    if (this.#start > 0) {
      this.#buffer.copyWithin(0, this.#start, this.#end);
      this.#end -= this.#start;
      this.#start = 0;
    }
    return this.#buffer.subarray(this.#end);
  }

  /** `count` bytes were written to the beginning of `space()`. */
  handleRead(count: number): void {
    this.#end += count;
  }

  /** The next whole frame. Throws `SharingError` for one that is too long. */
  next(): Frame | undefined {
    const available = this.#end - this.#start;
    if (available < FRAME_HEADER_BYTES) return undefined;
    const header = new ByteReader(this.#buffer, this.#start);
    const type = header.u8();
    const length = header.u32be();
    if (length > MAX_PAYLOAD_BYTES) {
      throw new SharingError(
        `Cannot read frame: type ${type} of ${length} bytes exceeds ${MAX_PAYLOAD_BYTES}`,
        { code: "frame-too-large" },
      );
    }
    if (available < FRAME_HEADER_BYTES + length) return undefined;
    const at = this.#start + FRAME_HEADER_BYTES;
    this.#start = at + length;
    return { type, payload: this.#buffer.subarray(at, at + length) };
  }
}
