/**
 * Writes protobuf's wire format (protobuf.dev, "Encoding"). Every method writes its field, whatever the value: that
 * a field with the default value is left out is the generated code's to know, as entries of lists and maps are not.
 */

const INITIAL_BYTES = 256;
const LITTLE_ENDIAN = true;
const WIRE_VARINT = 0;
const WIRE_I64 = 1;
const WIRE_LENGTH = 2;

export class ProtobufWriter {
  #bytes = new Uint8Array(INITIAL_BYTES);
  #length = 0;

  /** A copy of what was written. */
  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#length);
  }

  /** Throws `RangeError` for what is no int32. */
  int32(field: number, value: number): void {
    if ((value | 0) !== value) throw new RangeError(`Cannot write int32: ${value} is none`);
    this.#tag(field, WIRE_VARINT);
    // Sign-extended to 64 bits: a negative one has ten bytes.
    this.#varint(value >>> 0, value < 0 ? 0xffff_ffff : 0);
  }

  /** Throws `RangeError` for what is no int64. */
  int64(field: number, value: bigint): void {
    if (BigInt.asIntN(64, value) !== value) {
      throw new RangeError(`Cannot write int64: ${value} is none`);
    }
    this.#tag(field, WIRE_VARINT);
    const bits = BigInt.asUintN(64, value);
    this.#varint(Number(bits & 0xffff_ffffn), Number(bits >> 32n));
  }

  bool(field: number, value: boolean): void {
    this.#tag(field, WIRE_VARINT);
    this.#varint(value ? 1 : 0, 0);
  }

  double(field: number, value: number): void {
    this.#tag(field, WIRE_I64);
    const at = this.#grow(8);
    new DataView(this.#bytes.buffer).setFloat64(at, value, LITTLE_ENDIAN);
  }

  bytes(field: number, value: Uint8Array): void {
    this.#tag(field, WIRE_LENGTH);
    this.#varint(value.length, 0);
    const at = this.#grow(value.length);
    this.#bytes.set(value, at);
  }

  string(field: number, value: string): void {
    this.bytes(field, new TextEncoder().encode(value));
  }

  /** A message with what `writeFields` writes into the writer that it is handed. */
  message(field: number, writeFields: (writer: ProtobufWriter) => void): void {
    const inner = new ProtobufWriter();
    writeFields(inner);
    this.bytes(field, inner.#bytes.subarray(0, inner.#length));
  }

  #tag(field: number, wireType: number): void {
    this.#varint(((field << 3) | wireType) >>> 0, 0);
  }

  /** A varint of two unsigned halves. */
  #varint(low: number, high: number): void {
    while (high !== 0 || low > 0x7f) {
      this.#byte((low & 0x7f) | 0x80);
      low = ((low >>> 7) | (high << 25)) >>> 0;
      high >>>= 7;
    }
    this.#byte(low);
  }

  #byte(value: number): void {
    const at = this.#grow(1);
    this.#bytes[at] = value;
  }

  /** Makes room for `count` bytes; where they begin. */
  #grow(count: number): number {
    const at = this.#length;
    const needed = at + count;
    if (needed > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    this.#length = needed;
    return at;
  }
}
