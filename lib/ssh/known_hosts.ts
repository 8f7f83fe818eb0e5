/**
 * OpenSSH's `known_hosts` format (sshd(8) "SSH_KNOWN_HOSTS FILE FORMAT"): finding the keys of a name, and the line that
 * records one. Read as `hostkeys_foreach` of openssh-portable `hostfile.c` does: lines that it skips as invalid count for
 * nothing here either. A byte order mark and carriage returns, which editors leave, are taken off. A core.
 *   [@marker] name[,name…] keytype base64 [comment]
 *   [@marker] |1|base64 salt|base64 HMAC-SHA1(salt, name) keytype base64 [comment]
 * A name on another port than 22 is `[name]:port`. Keys of `@cert-authority` lines sign certificates,
 * which agents do not have.
 */
import { ByteReader, equalBytes } from "../base/bytes.ts";
import { hmacSha1 } from "../crypto/sha1.ts";

export interface KnownKey {
  /** E.g. `ssh-rsa`. */
  readonly type: string;
  /** The public key blob (RFC 4253 §6.6). */
  readonly blob: Uint8Array;
  /** Counting from 1, for messages. */
  readonly line: number;
  /** `@revoked`: such a key is never accepted. */
  readonly isRevoked: boolean;
}

interface KnownLine {
  readonly marker: string | undefined;
  readonly names: string;
  readonly type: string;
  readonly base64: string;
}

/** The keys recorded for `name`, in the file's order, revoked ones among them. */
export function findKnownKeys(text: string, name: string): KnownKey[] {
  const found: KnownKey[] = [];
  const wanted = new WantedName(name);
  text.split("\n").forEach((raw, index) => {
    const line = parseLine(raw);
    if (line === undefined || line.marker === "@cert-authority") return;
    if (!wanted.isAmong(line.names)) return;
    const blob = decodeBase64(line.base64);
    if (blob === undefined || keyTypeOf(blob) !== line.type) return;
    found.push({
      type: line.type,
      blob,
      line: index + 1,
      isRevoked: line.marker === "@revoked",
    });
  });
  return found;
}

/** The first string of a public key blob (RFC 4253 §6.6); `undefined` when there is none. */
export function keyTypeOf(blob: Uint8Array): string | undefined {
  const reader = new ByteReader(blob);
  if (reader.remaining < LENGTH_BYTES) return undefined;
  const length = reader.u32be();
  return length <= reader.remaining ? new TextDecoder().decode(reader.view(length)) : undefined;
}

export interface KnownKeyEntry {
  /** Plain ones, at least one. */
  readonly names: readonly string[];
  readonly type: string;
  readonly base64: string;
  /** For people; no line ends. @default none */
  readonly comment?: string;
}

/** What to append to a file of this text to record one more key. */
export function knownKeyLine(text: string, entry: KnownKeyEntry): string {
  const separator = text === "" || text.endsWith("\n") ? "" : "\n";
  const { names, type, base64, comment = "" } = entry;
  const behind = comment === "" ? "" : ` ${comment}`;
  return `${separator}${names.join(",")} ${type} ${base64}${behind}\n`;
}

const LENGTH_BYTES = 4;
const MARKERS: ReadonlySet<string> = new Set(["@revoked", "@cert-authority"]);

function parseLine(raw: string): KnownLine | undefined {
  const line = raw.trim();
  if (line === "" || line.startsWith("#")) return undefined;
  const fields = line.split(/[ \t]+/);
  const marker = line.startsWith("@") ? fields.shift() : undefined;
  if (marker !== undefined && !MARKERS.has(marker)) return undefined;
  const [names, type, base64] = fields;
  if (names === undefined || type === undefined || base64 === undefined) return undefined;
  return { marker, names, type, base64 };
}

const HASH_MAGIC = "|1|";
/** OpenSSH takes no salt of another length (`extract_salt` of `hostfile.c`). */
const HASH_BYTES = 20;

/** A name to look for, in the forms that lines are compared with. */
class WantedName {
  readonly #lower: string;
  /** OpenSSH hashes names in lower case; a name that was hashed as it was spelt is found as well. */
  readonly #hashable: readonly Uint8Array[];

  constructor(name: string) {
    this.#lower = name.toLowerCase();
    this.#hashable = [...new Set([this.#lower, name])].map((form) =>
      new TextEncoder().encode(form)
    );
  }

  /** Whether a line's first field means this name. */
  isAmong(names: string): boolean {
    return names.startsWith("|") ? this.#isHashed(names) : this.#isListed(names);
  }

  #isHashed(field: string): boolean {
    if (!field.startsWith(HASH_MAGIC)) return false;
    const [saltText = "", hashText = "", ...rest] = field.slice(HASH_MAGIC.length).split("|");
    const [salt, hash] = [decodeBase64(saltText), decodeBase64(hashText)];
    if (salt?.length !== HASH_BYTES || hash === undefined || rest.length > 0) return false;
    return this.#hashable.some((form) => equalBytes(hmacSha1(salt, form), hash));
  }

  /** A negated pattern that matches excludes the line, whatever else matches. */
  #isListed(names: string): boolean {
    let isMatch = false;
    for (const pattern of names.toLowerCase().split(",")) {
      if (pattern.startsWith("!")) {
        if (matchesPattern(pattern.slice(1), this.#lower)) return false;
      } else if (matchesPattern(pattern, this.#lower)) {
        isMatch = true;
      }
    }
    return isMatch;
  }
}

/** `*` and `?` as in a shell; linear in the product of the lengths, so no pattern can hang us. */
function matchesPattern(pattern: string, name: string): boolean {
  let at = 0;
  let star = -1;
  let resumeAt = 0;
  let from = 0;
  while (from < name.length) {
    if (pattern[at] === "*") {
      star = at++;
      resumeAt = from;
    } else if (at < pattern.length && (pattern[at] === "?" || pattern[at] === name[from])) {
      at++;
      from++;
    } else if (star !== -1) {
      at = star + 1;
      from = ++resumeAt;
    } else {
      return false;
    }
  }
  while (pattern[at] === "*") at++;
  return at === pattern.length;
}

function decodeBase64(text: string): Uint8Array | undefined {
  try {
    return Uint8Array.fromBase64(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
