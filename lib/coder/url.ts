/** The deployment's URL as people type it, and the URLs of its API (docs/protocol/api.md#requests-and-headers). */
import { UserError } from "../base/errors.ts";
import { goQuote, hideCredentials, stripToLine } from "./text.ts";

const MAX_PORT = 65_535;

export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

/**
 * The URL of a deployment. Without a scheme `https` is meant, `http` for `localhost` (docs/protocol/ssh.md#login).
 * Throws `UserError` for what cannot be one.
 */
export function parseDeploymentUrl(text: string): URL {
  const trimmed = text.trim();
  const hasScheme = /^[a-z][a-z0-9+.-]*:\/\//i.test(trimmed);
  const scheme = /^localhost([:/]|$)/i.test(trimmed) ? "http://" : "https://";
  const url = trimmed === "" ? null : URL.parse(hasScheme ? trimmed : scheme + trimmed);
  const shown = () => `Cannot use URL ${goQuote(hideCredentials(text))}`;
  // The parser drops tabs and line ends (URL Standard, "basic URL parser"), and makes one strange host of two lines.
  if (hasControl(trimmed)) {
    throw new UserError(`${shown()}: there is a line end or another control character in it`, {
      hint: "Give the deployment's address alone, e.g. --url https://coder.example.com",
    });
  }
  if (url !== null && url.protocol !== "http:" && url.protocol !== "https:") {
    const scheme = goQuote(url.protocol.slice(0, -1));
    throw new UserError(`${shown()}: its scheme is ${scheme}, not http or https`);
  }
  if (url === null || url.hostname === "") {
    const isPort = url === null && isPortAtFault(trimmed);
    throw new UserError(
      `${shown()}: ${
        isPort ? `its port is no number up to ${MAX_PORT}` : "it does not name a host"
      }`,
      { hint: "Give the deployment's address, e.g. --url https://coder.example.com" },
    );
  }
  return url;
}

function hasControl(text: string): boolean {
  return [...text].some((character) => character < " " || character === "\x7f");
}

/** Whether what cannot be read as a URL could be without its port. */
function isPortAtFault(text: string): boolean {
  const [, rest = text] = text.split("://");
  const [authority = ""] = rest.split(/[/?#]/);
  const colon = authority.lastIndexOf(":");
  return colon > 0 && URL.parse(`http://${authority.slice(0, colon)}`) !== null;
}

/**
 * The deployment's address as it is kept and shown: what no request uses is left out, and it ends in a slash only where `typed` does,
 * as the official command writes it.
 */
export function deploymentText(
  url: URL,
  typed: string,
  options: { readonly withCredentials?: boolean } = {},
): string {
  const copy = new URL(url);
  copy.search = "";
  copy.hash = "";
  if (options.withCredentials !== true) {
    copy.username = "";
    copy.password = "";
  }
  const isBare = copy.pathname === "/" && !typed.trim().endsWith("/");
  return isBare ? copy.href.slice(0, -1) : copy.href;
}

const MAX_URL_CHARS = 2048;

/** `text` when it is an address that people can open, of http or https and one line; empty for anything else. */
export function webUrl(text: string): string {
  if (text.length > MAX_URL_CHARS || !/^[\x21-\x7e\u00a1-\uffff]+$/.test(text)) return "";
  if (stripToLine(text) !== text) return "";
  const url = URL.parse(text);
  const isWeb = url !== null && (url.protocol === "https:" || url.protocol === "http:");
  return isWeb && url.username === "" && url.password === "" ? text : "";
}

/** `/api/v2` + `path` on the deployment; a sub-path of the deployment URL is dropped, as upstream does. */
export function apiUrl(deployment: URL, path: string, query: Query = {}): URL {
  const url = new URL(`/api/v2${path}`, deployment);
  url.username = "";
  url.password = "";
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) url.searchParams.set(name, String(value));
  }
  return url;
}

/** The same URL for a websocket. */
export function websocketUrl(url: URL): URL {
  const copy = new URL(url);
  copy.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return copy;
}

/** A path segment: nothing in it can end the segment. Throws `UserError` for the two names that would climb. */
export function segment(text: string): string {
  if (text === "" || text === "." || text === "..") {
    throw new UserError(`Cannot use ${goQuote(text)} as a name`);
  }
  return encodeURIComponent(text);
}
