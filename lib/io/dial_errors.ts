/** What can go wrong in a dial, in the words of whoever reports it: a relay or coordinator that is waited for, or the API. */
import { ExpectedError, messageOf, UserError } from "../base/errors.ts";
import { TransportError, type TransportErrorCode } from "../base/http.ts";
import { cutBefore } from "../base/trim.ts";
import { Http1Error } from "../http1/mod.ts";
import type { ProxyServer } from "./proxy_url.ts";

/** `host:port`, an IPv6 address in brackets. */
export function hostPort({ host, port }: { readonly host: string; readonly port: number }): string {
  return host.includes(":") && !host.startsWith("[") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Nobody that is trusted vouches for the server's certificate. */
export class UnknownAuthorityError extends ExpectedError {
  override name = "UnknownAuthorityError";

  /** `stores`: who was asked, besides the list that the platform has built in. */
  constructor(stores: readonly string[], cause: unknown) {
    const asked = ["Mozilla's list", ...stores].join(", ");
    super(`certificate signed by unknown authority (asked: ${asked})`, { cause });
  }
}

/** A name leads to this machine or its link, to which nobody but the user may send us. */
export class LocalAddressError extends ExpectedError {
  override name = "LocalAddressError";

  constructor(address: string) {
    super(`leads to this machine or its network (${address}), where the deployment is not`);
  }
}

/** The proxy failed, or refused, before anybody behind it was reached. */
export class ProxyError extends UserError {
  override name = "ProxyError";
  /** Whether it may pass by itself. */
  readonly code: TransportErrorCode;

  constructor(
    proxy: ProxyServer,
    what: string,
    options: { readonly code?: TransportErrorCode; readonly cause?: unknown } = {},
  ) {
    super(`proxy ${hostPort(proxy)} ${what}`, {
      hint: `Check the proxy that ${proxy.variable} names, and NO_PROXY`,
      ...(options.cause === undefined ? {} : { cause: options.cause }),
    });
    this.code = options.code ?? "other";
  }
}

/**
 * An HTTP proxy answered 407 (RFC 9110 §15.5.8) with `challenges`, values of `Proxy-Authenticate`: who said nothing is asked who they
 * are, who did was not believed, unless it is by another scheme that it wants to know.
 */
export function loginRefusedError(
  proxy: ProxyServer,
  challenges: readonly string[],
): ProxyError {
  const schemes = challenges.flatMap(schemesOf);
  if (schemes.length > 0 && !schemes.some((scheme) => scheme.toLowerCase() === "basic")) {
    const wanted = schemes.slice(0, MAX_SCHEMES).join(", ");
    return new ProxyError(proxy, `takes no user name and password, but a login by ${wanted} (407)`);
  }
  const what = proxy.credentials === undefined
    ? "wants a user name and password (407)"
    : "refused the user name or password (407)";
  return new ProxyError(proxy, what);
}

const MAX_SCHEMES = 4;

/** RFC 9110 §11.6.1: a list of schemes, each with a parameter or without, and of further parameters, which have a `=`. */
function schemesOf(challenges: string): string[] {
  return challenges.replaceAll(/"[^"]*"/g, "").split(",").flatMap((item) =>
    /^([a-z][\w-]{0,30})(?: +[^ =]|$)/i.exec(item.trim())?.[1] ?? []
  );
}

/** The same failure, said of the proxy. What is said of it already stays. */
export function proxyErrorOf(proxy: ProxyServer, error: unknown): unknown {
  if (error instanceof UserError || !(error instanceof Error)) return error;
  const [code, words] = classifyNetworkError(error);
  return new ProxyError(proxy, proxyWords(code, words), { code, cause: error });
}

function proxyWords(code: TransportErrorCode, words: string): string {
  switch (code) {
    case "refused":
      return "refused the connection";
    case "timeout":
      return "does not answer";
    case "unknown-host":
      return "cannot be found: no such host";
    case "reset":
      return "closed the connection";
    default:
      return `cannot be used: ${words}`;
  }
}

/** Whether other authorities might have made the difference. */
export function isTrustFailure(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  // The last two: a list of authorities that the platform cannot read, which it says in no other way.
  return isUnknownAuthority(error.message) ||
    /Unable to add pem|peer certificate: BadEncoding/i.test(error.message);
}

/** Whether the server shows the certificate of an authority as its own: rustls says so of any self-signed one. */
export function isAuthorityItself(error: unknown): boolean {
  return error instanceof Error && error.message.includes("CaUsedAsEndEntity");
}

function isUnknownAuthority(text: string): boolean {
  return /UnknownIssuer|unable to verify|unable to get [a-z ]{0,20}issuer|self.signed/i.test(text);
}

/**
 * The `TransportError` for a failure while dialling or speaking to `where`, e.g. `dial tcp coder.example.com:443`. A variable
 * that cannot be used is no failure of the network and stays the `UserError` that it is.
 */
export function toTransportError(where: string, error: unknown): TransportError | UserError {
  if (error instanceof TransportError) return error;
  if (error instanceof UserError && !(error instanceof ProxyError)) return error;
  const [code, words] = classifyNetworkError(error);
  return new TransportError(code, `${where}: ${words}`, error);
}

/** One line of what a failed dial means to a user; `undefined` when it is not a network failure. */
export function describeDialError(
  error: unknown,
  target: { readonly host: string; readonly port: number },
): string | undefined {
  if (error instanceof UserError) return error.message;
  if (!(error instanceof Error)) return undefined;
  const where = hostPort(target);
  const [code, words] = classifyNetworkError(error);
  switch (code) {
    case "timeout":
      return `${where} does not answer`;
    case "refused":
      return `${where} refused the connection`;
    case "unknown-host":
      return `cannot find host ${target.host}`;
    default:
      return `${where}: ${words}`;
  }
}

/** What the TLS libraries of the platform complain of, in words for people; `undefined` for anything else. */
function describeTlsError(text: string): string | undefined {
  if (isUnknownAuthority(text)) return "certificate signed by unknown authority";
  if (/NotValidForName|not valid for|altnames/i.test(text)) {
    return "certificate is for another name";
  }
  if (/certificate.?required/i.test(text)) return "the server wants a client certificate";
  return undefined;
}

/** What is wrong with a certificate's time; `undefined` for anything else. */
function describeCertificateTime(text: string): string | undefined {
  if (isUnknownAuthority(text)) return undefined;
  if (/certificate.{0,40}expired|CERT_HAS_EXPIRED/i.test(text)) return "certificate has expired";
  if (/not.?valid.?yet|NOT_YET_VALID/i.test(text)) return "certificate is not valid yet";
  return undefined;
}

/** Causes may be hidden in a chain of messages. */
function classifyNetworkError(error: unknown): [TransportErrorCode, string] {
  if (error instanceof ProxyError) return [error.code, error.message];
  if (error instanceof UnknownAuthorityError) return ["unknown-authority", error.message];
  if (error instanceof UserError) return ["other", error.message];
  if (error instanceof Http1Error) return classifyHttpError(error);
  let text = "";
  for (let at: unknown = error; at instanceof Error; at = at.cause) text += ` ${at.message}`;
  if (error instanceof Deno.errors.NotCapable) {
    return ["not-permitted", `not permitted: ${cutBefore(messageOf(error), ", run again")}`];
  }
  if (error instanceof DOMException && error.name === "TimeoutError") {
    return ["timeout", "i/o timeout"];
  }
  // Also what TLS says of a connection that was cut off without its goodbye.
  if (error instanceof Deno.errors.UnexpectedEof || /connection was closed/i.test(text)) {
    return ["reset", "connection closed by the other side"];
  }
  // rustls, for an answer that is no TLS record.
  if (/InvalidContentType/.test(text)) return ["no-tls", "it does not speak TLS"];
  const timeWords = describeCertificateTime(text);
  if (timeWords !== undefined) return ["certificate-time", timeWords];
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
  if (/reset|broken pipe/i.test(text)) return ["reset", "connection reset by peer"];
  return ["other", text.trim().split("\n")[0] || String(error)];
}

function classifyHttpError(error: Http1Error): [TransportErrorCode, string] {
  switch (error.code) {
    case "cut":
      return ["reset", error.message];
    case "tls":
      return ["other", "it speaks TLS: try https://"];
    case "not-http":
      return ["other", "it does not speak HTTP"];
    default:
      return ["other", error.message];
  }
}
