/** What a peer's violation of yamux looks like to whoever owns the session. */
import { ProtocolError } from "../base/errors.ts";

/**
 * The session is over: the peer broke the protocol, fell silent, or said so itself.
 * `code`: `bad-version`, `bad-type`, `bad-stream-id`, `duplicate-stream`, `unexpected-flag`, `window-exceeded`,
 * `window-overflow`, `too-many-replies`, `remote-go-away`, `ping-timeout`, `open-timeout`, `streams-exhausted`.
 */
export class YamuxError extends ProtocolError {
  override name = "YamuxError";
}

/** The peer broke the protocol: it is told so by GoAway. */
export function violation(code: string, what: string): YamuxError {
  return new YamuxError(`The peer broke yamux: ${what}`, { code, spec: "yamux session.go" });
}
