/**
 * Data messages (whitepaper §5.4.6), read and written in place, with nothing allocated per packet.
 *   type u32 = 4 | receiver u32 | counter u64 | payload n+16        little-endian
 * Counters are narrowed to `number` here and only here: they are read as two 32-bit halves instead of a `bigint`,
 * which would be an allocation per packet, and refused from `COUNTER_LIMIT` on.
 * Not here: sealing and opening, which `lib/crypto/` does, and sessions (`session.ts`).
 */
import { IPV6_HEADER_BYTES, IPV6_PAYLOAD_LENGTH_OFFSET, IPV6_VERSION } from "../wire/ipv6.ts";
import { PADDING_MULTIPLE } from "./constants.ts";
import { COUNTER_LIMIT, INNER_MTU_BYTES } from "./limits.ts";
import { DATA_HEADER_BYTES, MessageType } from "./messages.ts";

const LITTLE_ENDIAN = true;
const RECEIVER_OFFSET = 4;
const COUNTER_LOW_OFFSET = 8;
const COUNTER_HIGH_OFFSET = 12;
const TWO_TO_THE_32 = 0x1_0000_0000;

/** Reads headers into its own fields; one serves a whole device. */
export class DataHeaderReader {
  readonly #bytes = new Uint8Array(DATA_HEADER_BYTES);
  readonly #view = new DataView(this.#bytes.buffer);
  receiverIndex = 0;
  counter = 0;

  /** Takes the header of `datagram`, at least 16 bytes. False when its counter is beyond `COUNTER_LIMIT`. */
  read(datagram: Uint8Array): boolean {
    for (let i = 0; i < DATA_HEADER_BYTES; i++) this.#bytes[i] = datagram[i] ?? 0;
    this.receiverIndex = this.#view.getUint32(RECEIVER_OFFSET, LITTLE_ENDIAN);
    const low = this.#view.getUint32(COUNTER_LOW_OFFSET, LITTLE_ENDIAN);
    const high = this.#view.getUint32(COUNTER_HIGH_OFFSET, LITTLE_ENDIAN);
    // Inexact above 2^53, but never so inexact that it falls below the limit.
    this.counter = high * TWO_TO_THE_32 + low;
    return this.counter < COUNTER_LIMIT;
  }

  /**
   * Bytes of the IPv6 packet at `plaintext[offset]`, of which `length` bytes are there: its own length without the
   * padding behind it. 0 when it is no IPv6 packet or claims more than is there.
   */
  ipv6PacketBytes(plaintext: Uint8Array, offset: number, length: number): number {
    if (length < IPV6_HEADER_BYTES) return 0;
    if ((plaintext[offset] ?? 0) >> 4 !== IPV6_VERSION) return 0;
    this.#bytes[0] = plaintext[offset + IPV6_PAYLOAD_LENGTH_OFFSET] ?? 0;
    this.#bytes[1] = plaintext[offset + IPV6_PAYLOAD_LENGTH_OFFSET + 1] ?? 0;
    const total = this.#view.getUint16(0) + IPV6_HEADER_BYTES; // RFC 8200 §3
    return total <= length ? total : 0;
  }
}

/** Writes the headers of one session, whose receiver index never changes. */
export class DataHeaderWriter {
  readonly #bytes = new Uint8Array(DATA_HEADER_BYTES);
  readonly #view = new DataView(this.#bytes.buffer);

  constructor(receiverIndex: number) {
    this.#view.setUint32(0, MessageType.data, LITTLE_ENDIAN);
    this.#view.setUint32(RECEIVER_OFFSET, receiverIndex, LITTLE_ENDIAN);
  }

  /** Writes 16 bytes at `buffer[offset]`. `counter` is a whole number below `COUNTER_LIMIT`. */
  write(buffer: Uint8Array, offset: number, counter: number): void {
    this.#view.setUint32(COUNTER_LOW_OFFSET, counter % TWO_TO_THE_32, LITTLE_ENDIAN);
    this.#view.setUint32(
      COUNTER_HIGH_OFFSET,
      Math.floor(counter / TWO_TO_THE_32),
      LITTLE_ENDIAN,
    );
    buffer.set(this.#bytes, offset);
  }
}

/** Bytes of an inner packet of `length` with its padding: up to a multiple of 16, not beyond the tunnel's MTU. */
export function paddedLength(length: number): number {
  const padded = Math.ceil(length / PADDING_MULTIPLE) * PADDING_MULTIPLE;
  return padded <= INNER_MTU_BYTES ? padded : Math.max(length, INNER_MTU_BYTES);
}
