/**
 * Cutting texts in linear time. A pattern such as `/\n+$/` runs through every run of the character anew from each of its
 * places when something stands behind it: a peer's megabyte of line feeds would hold the program for minutes.
 */

/** `text` without the characters of `set` that it ends with. */
export function trimEnd(text: string, set: string): string {
  let end = text.length;
  while (end > 0 && set.includes(text.charAt(end - 1))) end--;
  return text.slice(0, end);
}

/** `text` without spaces and tabs around it, and no other blanks: the OWS of HTTP (RFC 9110 §5.6.3). */
export function trimBlanks(text: string): string {
  let start = 0;
  while (start < text.length && isBlank(text.charCodeAt(start))) start++;
  let end = text.length;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === 32 || code === 9;
}

/** What stands before the first `mark`; all of `text` when it has none. */
export function cutBefore(text: string, mark: string): string {
  const at = text.indexOf(mark);
  return at === -1 ? text : text.slice(0, at);
}

/** An IPv6 literal without the brackets that it has in a URL; any other text as it is. */
export function unbracket(host: string): string {
  return host.startsWith("[") && host.endsWith("]") ? host.slice(1, -1) : host;
}
