/**
 * The payload of a close frame (RFC 6455 §5.5.1, §7.4), big-endian: empty, or code u16 | reason UTF-8 (at most 123 bytes).
 */
import { ByteReader, ByteWriter } from "../base/bytes.ts";
import { WebsocketError } from "./errors.ts";
import { MAX_CONTROL_BYTES } from "./frame.ts";

const CODE_BYTES = 2;

/** Codes that are said locally and never sent (RFC 6455 §7.4.1). */
export const CloseCode = {
  normal: 1000,
  goingAway: 1001,
  protocolError: 1002,
  unsupportedData: 1003,
  /** Local: the close frame had no code. */
  none: 1005,
  invalidData: 1007,
  policyViolation: 1008,
  tooBig: 1009,
  internalError: 1011,
} as const;

/** Whether `code` may stand in a frame (RFC 6455 §7.4.1, §7.4.2, and IANA's later 1012–1014). */
export function isSendableCloseCode(code: number): boolean {
  if (code >= 3000 && code <= 4999) return true;
  return code >= 1000 && code <= 1014 && code !== 1004 && code !== 1005 && code !== 1006;
}

/** Throws `RangeError` for a code that may not be sent or a reason that does not fit. */
export function encodeClose(code: number, reason: string): Uint8Array {
  if (!isSendableCloseCode(code)) {
    throw new RangeError(`Cannot close: code ${code} may not be sent`);
  }
  const text = new TextEncoder().encode(reason);
  if (CODE_BYTES + text.length > MAX_CONTROL_BYTES) {
    throw new RangeError(`Cannot close: reason of ${text.length} bytes exceeds 123`);
  }
  const payload = new Uint8Array(CODE_BYTES + text.length);
  new ByteWriter(payload).u16be(code).bytes(text);
  return payload;
}

/** Code and reason of a close frame's payload; 1005 when it is empty. Throws `WebsocketError`. */
export function decodeClose(payload: Uint8Array): { code: number; reason: string } {
  if (payload.length === 0) return { code: CloseCode.none, reason: "" };
  if (payload.length < CODE_BYTES) throw closeError("payload of one byte");
  const code = new ByteReader(payload).u16be();
  if (!isSendableCloseCode(code)) throw closeError(`code ${code}`);
  try {
    const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    return { code, reason: decoder.decode(payload.subarray(CODE_BYTES)) };
  } catch (cause) {
    throw closeError("reason that is not UTF-8", cause);
  }
}

function closeError(what: string, cause?: unknown): WebsocketError {
  return new WebsocketError(`Cannot read websocket close: ${what}`, {
    code: "bad-close",
    spec: "RFC 6455 §5.5.1",
    closeCode: cause === undefined ? CloseCode.protocolError : CloseCode.invalidData,
    cause,
  });
}
