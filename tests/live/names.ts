/** Names on their way through shells and URLs. */

/** One word for a POSIX shell. */
export function shellQuote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

export function fromFileUrl(url: URL): string {
  return decodeURIComponent(url.pathname);
}
