/**
 * HTTP header fields (RFC 9110 §5) and the writing of message heads (RFC 9112 §2–§5).
 *   request:  method SP target SP "HTTP/1.1" CRLF *(name ":" SP value CRLF) CRLF
 *   response: "HTTP/1.1" SP status SP reason CRLF *(name ":" SP value CRLF) CRLF
 * Everything is one byte a character (ISO 8859-1); a field that could break out of its line is the caller's mistake.
 */

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** Visible ASCII, obs-text, space and tab; so neither CR nor LF (RFC 9110 §5.5). */
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
const REQUEST_TARGET = /^[\x21-\x7e]+$/;

export function isToken(text: string): boolean {
  return TOKEN.test(text);
}

export function isFieldValue(text: string): boolean {
  return FIELD_VALUE.test(text);
}

export function isRequestTarget(text: string): boolean {
  return REQUEST_TARGET.test(text);
}

/** The fields of one received head, in order. Names compare without regard to case. */
export class HeaderFields {
  /** Name as received and value without surrounding blanks. */
  readonly entries: readonly (readonly [string, string])[];

  constructor(entries: readonly (readonly [string, string])[]) {
    this.entries = entries;
  }

  /** The values of all fields of that name, in order. */
  values(name: string): string[] {
    const wanted = name.toLowerCase();
    const values: string[] = [];
    for (const [key, value] of this.entries) {
      if (key.toLowerCase() === wanted) values.push(value);
    }
    return values;
  }

  /** All values of that name as one list (RFC 9110 §5.3), or `undefined` when there is none. */
  get(name: string): string | undefined {
    const values = this.values(name);
    return values.length === 0 ? undefined : values.join(", ");
  }

  /** The elements of a comma-separated field, trimmed, empty ones left out; quoted commas are not expected here. */
  list(name: string): string[] {
    return (this.get(name) ?? "").split(",").map((part) => part.trim()).filter((part) =>
      part !== ""
    );
  }

  /** Whether a comma-separated field has `token` as an element, without regard to case. */
  hasToken(name: string, token: string): boolean {
    const wanted = token.toLowerCase();
    return this.list(name).some((part) => part.toLowerCase() === wanted);
  }
}

/** ISO 8859-1 bytes of `text`. Throws `TypeError` for another character. */
export function encodeLatin1(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 255) {
      throw new TypeError(`Cannot write header: character ${code} is outside ISO 8859-1`);
    }
    bytes[i] = code;
  }
  return bytes;
}

export interface RequestHead {
  /** @default "GET" */
  readonly method?: string;
  /** Path and query, percent-encoded. */
  readonly path: string;
  /** Host, with the port unless it is the scheme's default. */
  readonly host: string;
  readonly headers: readonly (readonly [string, string])[];
}

/** Whether a text may stand in `Host`: it fits on its line, and names neither a user nor a path. */
export function isHostField(host: string): boolean {
  return host !== "" && isFieldValue(host) && !/[\s/@]/.test(host);
}

/** The bytes of a request head. Throws `TypeError` for anything that does not fit on its line. */
export function formatRequestHead(head: RequestHead): Uint8Array<ArrayBuffer> {
  const { method = "GET", path, host, headers } = head;
  if (!isToken(method)) throw new TypeError(`Cannot write request: method ${quote(method)}`);
  if (!isRequestTarget(path)) throw new TypeError(`Cannot write request: path ${quote(path)}`);
  if (!isHostField(host)) {
    throw new TypeError(`Cannot write request: host ${quote(host)}`);
  }
  const lines = formatFields([["Host", host], ...headers]);
  return encodeLatin1(`${method} ${path} HTTP/1.1\r\n${lines}\r\n`);
}

export interface ResponseHead {
  readonly status: number;
  readonly reason: string;
  readonly headers: readonly (readonly [string, string])[];
}

/** The bytes of a response head. Throws `TypeError` for anything that does not fit on its line. */
export function formatResponseHead(head: ResponseHead): Uint8Array<ArrayBuffer> {
  const { status, reason, headers } = head;
  if (!Number.isInteger(status) || status < 100 || status > 999) {
    throw new RangeError(`Cannot write response: status ${status}`);
  }
  if (!isFieldValue(reason)) throw new TypeError(`Cannot write response: reason ${quote(reason)}`);
  return encodeLatin1(`HTTP/1.1 ${status} ${reason}\r\n${formatFields(headers)}\r\n`);
}

function formatFields(headers: readonly (readonly [string, string])[]): string {
  let lines = "";
  for (const [name, value] of headers) {
    if (!isToken(name)) throw new TypeError(`Cannot write header: name ${quote(name)}`);
    // The value may be a secret: it stays out of the message.
    if (!isFieldValue(value)) {
      throw new TypeError(`Cannot write header "${name}": value has a control character`);
    }
    lines += `${name}: ${value}\r\n`;
  }
  return lines;
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 100));
}
