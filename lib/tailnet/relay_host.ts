/**
 * What may stand as the host of a relay: a DNS name (RFC 1123 §2.1, with underscores, which are in use), or a literal
 * address; and where a literal or a reserved name leads. Texts that a resolver would read as an address without their
 * being a plain literal (`127.1`, `0x7f000001`; WHATWG URL §3.5 "ends in a number") are no names.
 */
import { type AddressScope, scopeOf } from "../wire/endpoint.ts";
import { parseAddress } from "./endpoint_text.ts";

const MAX_NAME_CHARS = 253;
const LABEL = /^[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$/;
const NUMBER = /^(?:\d+|0x[0-9a-f]*)$/i;

/** Whether `text` is a name for DNS; a dot at its end is allowed. */
export function isDnsName(text: string): boolean {
  const name = text.endsWith(".") ? text.slice(0, -1) : text;
  if (name.length === 0 || name.length > MAX_NAME_CHARS) return false;
  const labels = name.split(".");
  return labels.every((label) => LABEL.test(label)) && !NUMBER.test(labels.at(-1) ?? "");
}

export function isRelayHost(text: string): boolean {
  return text.length <= MAX_NAME_CHARS + 1 && (parseAddress(text) !== undefined || isDnsName(text));
}

/** A place to which nobody from outside should send us: this machine, or the link it is on. */
export type Locality = "machine" | "link";

/** Whether `host` leads to such a place, as far as can be told without asking anybody. */
export function localityOf(host: string): Locality | undefined {
  const address = parseAddress(host);
  if (address !== undefined) return localityOfScope(scopeOf(address));
  const name = host.toLowerCase();
  const bare = name.endsWith(".") ? name.slice(0, -1) : name;
  // RFC 6761 §6.3
  return bare === "localhost" || bare.endsWith(".localhost") ? "machine" : undefined;
}

function localityOfScope(scope: AddressScope): Locality | undefined {
  if (scope === "link-local") return "link";
  // Connecting to the unspecified address leads to this machine.
  return scope === "loopback" || scope === "unspecified" ? "machine" : undefined;
}
