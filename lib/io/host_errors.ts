/** The platform's errors in the words of `Host` and `HttpTransport`. */
import { messageOf, UserError } from "../base/errors.ts";
import { HostError, type HostErrorCode } from "../base/host.ts";
import { TransportError, type TransportErrorCode } from "../base/http.ts";

/** The `HostError` for a failure of `what`, e.g. `open /tmp/x`. */
export function toHostError(what: string, error: unknown): HostError {
  if (error instanceof HostError) return error;
  const [code, words] = classifyFileError(error);
  return new HostError(code, `${what}: ${words}`, error);
}

function classifyFileError(error: unknown): [HostErrorCode, string] {
  const text = messageOf(error);
  if (error instanceof Deno.errors.NotFound) return ["not-found", "no such file or directory"];
  if (error instanceof Deno.errors.AlreadyExists) return ["exists", "file exists"];
  if (error instanceof Deno.errors.BrokenPipe) return ["broken-pipe", "broken pipe"];
  if (error instanceof Deno.errors.NotCapable) {
    return ["not-permitted", `not permitted: ${text.replace(/, run again.*$/s, "")}`];
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return ["permission-denied", "permission denied"];
  }
  if (/EROFS|os error 30\b|Read-only file system/i.test(text)) {
    return ["read-only", "read-only file system"];
  }
  if (/ENOSPC|os error 28\b|No space left/i.test(text)) {
    return ["no-space", "no space left on device"];
  }
  const words = /^(.*?) \(os error \d+\)/s.exec(text)?.[1];
  return ["other", words?.toLowerCase() ?? text];
}

/** The `TransportError` for a failure while dialling or speaking to `where`, e.g. `dial tcp coder.example.com:443`. */
export function toTransportError(where: string, error: unknown): TransportError {
  if (error instanceof TransportError) return error;
  const [code, words] = classifyNetworkError(error);
  return new TransportError(code, `${where}: ${words}`, error);
}

/** What the TLS libraries of the platform complain of, in words for people; `undefined` for anything else. */
export function describeTlsError(text: string): string | undefined {
  if (/UnknownIssuer|unable to verify|unable to get .*issuer|self.signed/i.test(text)) {
    return "certificate signed by unknown authority";
  }
  if (/NotValidForName|not valid for|altnames/i.test(text)) {
    return "certificate is for another name";
  }
  if (/certificate.*expired|CERT_HAS_EXPIRED/i.test(text)) return "certificate has expired";
  if (/certificate.?required/i.test(text)) return "the server wants a client certificate";
  return undefined;
}

/** `fetch` hides the cause in a chain of messages; the dialer throws the platform's classes. */
function classifyNetworkError(error: unknown): [TransportErrorCode, string] {
  // A proxy's refusal, in words that fit already.
  if (error instanceof UserError) return ["other", error.message];
  let text = "";
  for (let at: unknown = error; at instanceof Error; at = at.cause) text += ` ${at.message}`;
  if (error instanceof Deno.errors.NotCapable) {
    return ["not-permitted", `not permitted: ${messageOf(error).replace(/, run again.*$/s, "")}`];
  }
  if (error instanceof DOMException && error.name === "TimeoutError") {
    return ["timeout", "i/o timeout"];
  }
  const tlsWords = describeTlsError(text);
  if (tlsWords !== undefined) return ["tls", tlsWords];
  if (
    error instanceof Deno.errors.ConnectionRefused ||
    /refused|os error (111|61|10061)\b/i.test(text)
  ) {
    return ["refused", "connection refused"];
  }
  if (/dns error|lookup|getaddrinfo|Name or service|No such host|nodename/i.test(text)) {
    return ["unknown-host", "no such host"];
  }
  if (/certificate|UnknownIssuer|InvalidCertificate|tls|handshake/i.test(text)) {
    return ["tls", text.trim().split("\n")[0] ?? "TLS failed"];
  }
  if (/unreachable|os error (101|113|51|65)\b/i.test(text)) {
    return ["unreachable", "network is unreachable"];
  }
  if (/timed out|timeout|os error 110\b/i.test(text)) return ["timeout", "i/o timeout"];
  if (/reset|closed before message completed|unexpected ?eof|broken pipe/i.test(text)) {
    return ["reset", "connection reset by peer"];
  }
  return ["other", text.trim().split("\n")[0] || String(error)];
}
