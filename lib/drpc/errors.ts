/** What a peer's violation of dRPC looks like to whoever owns the stream. */
import { ProtocolError } from "../base/errors.ts";

/**
 * The RPC stream is over: the peer broke the protocol.
 * `code`: `varint-overflow`, `id-too-large`, `id-zero`, `id-order`, `kind-changed`, `unknown-kind`,
 * `packet-too-large`, `bad-error-packet`, `unexpected-packet`, `unexpected-stream`.
 */
export class DrpcError extends ProtocolError {
  override name = "DrpcError";
}

export function violation(code: string, what: string, spec: string): DrpcError {
  return new DrpcError(`The peer broke dRPC: ${what}`, { code, spec });
}
