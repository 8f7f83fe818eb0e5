/**
 * TSMP pings, which prove that the tunnel works both ways (tailscale `net/packet/tsmp.go`), over IPv6 next header 99.
 *   ping: 'p' u8 | data 8          pong: 'o' u8 | data 8 | port u16 of the peer's API, 0 for none     big-endian
 * Rejects ('!') are informational and ignored.
 */

const PING_TYPE = 0x70;
const PONG_TYPE = 0x6f;
const REJECT_TYPE = 0x21;
export const TSMP_DATA_BYTES = 8;
const PING_BYTES = 1 + TSMP_DATA_BYTES;
const PONG_BYTES = PING_BYTES + 2;

/** What a message is; "malformed" and "ignored" need nothing done. */
export type TsmpKind = "ping" | "pong" | "ignored" | "malformed";

/** What the message of `length` bytes at `offset` is. */
export function tsmpKind(view: DataView, offset: number, length: number): TsmpKind {
  if (length < 1) return "malformed";
  switch (view.getUint8(offset)) {
    case PING_TYPE:
      return length >= PING_BYTES ? "ping" : "malformed";
    case PONG_TYPE:
      return length >= PING_BYTES ? "pong" : "malformed";
    case REJECT_TYPE:
      return "ignored";
    default:
      return "malformed";
  }
}

/** A copy of the 8 bytes that a ping carries and its pong repeats. */
export function tsmpData(view: DataView, offset: number): Uint8Array<ArrayBuffer> {
  const data = new Uint8Array(TSMP_DATA_BYTES);
  for (let i = 0; i < TSMP_DATA_BYTES; i++) data[i] = view.getUint8(offset + 1 + i);
  return data;
}

export function tsmpPing(data: Uint8Array): Uint8Array {
  const message = new Uint8Array(PING_BYTES);
  message[0] = PING_TYPE;
  message.set(data, 1);
  return message;
}

export function tsmpPong(data: Uint8Array): Uint8Array {
  const message = new Uint8Array(PONG_BYTES);
  message[0] = PONG_TYPE;
  message.set(data, 1);
  return message;
}
