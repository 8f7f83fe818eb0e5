/** A deployment that is not reached, or does not answer: what to say of it, and what to do. */
import { UserError } from "../base/errors.ts";
import type { TransportErrorCode } from "../base/http.ts";
import type { Asked } from "./answer.ts";

/** The server takes connections, and longer than `timeoutMs` for an answer. */
export function noAnswerError(asked: Asked, timeoutMs: number): UserError {
  return new UserError(
    `Cannot use ${asked.url.origin}: no answer to ${asked.method} ${asked.url.pathname} ` +
      `within ${Math.round(timeoutMs / 1_000)}s`,
    { hint: "The server accepts connections and says nothing: check it, and any proxy before it" },
  );
}

/** What to do when nothing of `url` is reached; `undefined` when the error says it. */
export function hintFor(code: TransportErrorCode, { host }: URL): string | undefined {
  switch (code) {
    case "unknown-host":
      return "Check the spelling of the URL (--url, CODER_URL or the saved one) and your network";
    case "refused":
    case "unreachable":
    case "timeout":
      return "Is the deployment up, and is a VPN or a proxy (HTTPS_PROXY) needed to reach it?";
    case "unknown-authority":
      return "If the deployment uses its own authority, install that in the system's store, or give its " +
        "certificate with --client-tls-ca-file or SSL_CERT_FILE";
    case "certificate-time":
      return "Look at the date and time of this machine; where they are right, the server needs a new certificate";
    case "no-tls":
      return `Without encryption it is http://${host}: give that URL if it is meant (--url, CODER_URL, login)`;
    case "not-permitted":
      return "Allow the network when Deno asks, or start with --allow-net";
    default:
      return undefined;
  }
}
