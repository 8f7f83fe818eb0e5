/**
 * The certificates in a PEM text (RFC 7468 §5), one broken block not spoiling the others: the platform refuses a list with one
 * certificate that it cannot read as a whole. Other kinds of block (`TRUSTED CERTIFICATE`, keys) are left out, as Go does.
 * Not here: what a certificate says; only its outermost shape is looked at (RFC 5280 §4.1).
 */

const BEGIN = "-----BEGIN CERTIFICATE-----";
const END = "-----END CERTIFICATE-----";
const SEQUENCE = 0x30;
const BIT_STRING = 0x03;

/** The well-formed certificates of `text`, each a PEM block of its own and of one form, each once. */
export function certificatesIn(text: string): string[] {
  const found = new Set<string>();
  for (let begin = text.indexOf(BEGIN); begin >= 0;) {
    const bodyAt = begin + BEGIN.length;
    const end = text.indexOf(END, bodyAt);
    if (end < 0) break;
    const next = text.indexOf(BEGIN, bodyAt);
    // A block that was never closed ends where the next one begins.
    if (next < 0 || next > end) {
      const der = decodeBase64(text.slice(bodyAt, end));
      if (der !== undefined && isCertificate(der)) found.add(pemOf(der));
    }
    begin = next;
  }
  return [...found];
}

/** DER bytes as a PEM block. */
export function pemOf(der: Uint8Array): string {
  let binary = "";
  for (const byte of der) binary += String.fromCharCode(byte);
  return `${BEGIN}\n${btoa(binary)}\n${END}\n`;
}

function decodeBase64(text: string): Uint8Array | undefined {
  try {
    const binary = atob(text);
    const bytes = new Uint8Array(binary.length);
    for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
    return bytes;
  } catch (error) {
    if (error instanceof DOMException) return undefined;
    throw error;
  }
}

/** Certificate ::= SEQUENCE { tbsCertificate SEQUENCE, signatureAlgorithm SEQUENCE, signature BIT STRING } and nothing behind it. */
function isCertificate(der: Uint8Array): boolean {
  const whole = elementAt(der, 0);
  if (whole === undefined || whole.tag !== SEQUENCE || whole.end !== der.length) return false;
  let at = whole.contentAt;
  for (const tag of [SEQUENCE, SEQUENCE, BIT_STRING]) {
    const part = elementAt(der, at);
    if (part === undefined || part.tag !== tag || part.end > whole.end) return false;
    at = part.end;
  }
  return at === whole.end;
}

interface Element {
  readonly tag: number;
  readonly contentAt: number;
  readonly end: number;
}

/** The DER element at `at` (X.690 §8.1); lengths of up to four bytes. */
function elementAt(der: Uint8Array, at: number): Element | undefined {
  const first = der[at + 1];
  const tag = der[at];
  if (tag === undefined || first === undefined) return undefined;
  let contentAt = at + 2;
  let length = first;
  if (first >= 0x80) {
    const count = first - 0x80;
    if (count < 1 || count > 4) return undefined;
    length = 0;
    for (let i = 0; i < count; i++) length = length * 256 + (der[contentAt + i] ?? NaN);
    contentAt += count;
  }
  const end = contentAt + length;
  return end <= der.length ? { tag, contentAt, end } : undefined;
}
