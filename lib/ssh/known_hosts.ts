/**
 * OpenSSH's `known_hosts` format (sshd(8) "SSH_KNOWN_HOSTS FILE FORMAT"): finding the keys of a name, and the line that
 * records one. Plain names, patterns with `*` `?` `!`, and the markers are read; hashed names (`|1|…`) match nothing,
 * because this file is our own and we write plain names. Other lines are never touched: we only append. A core.
 *   [@marker] name[,name…] keytype base64 [comment]
 */

export interface KnownKey {
  /** E.g. `ssh-rsa`. */
  readonly type: string;
  /** The public key blob in base64. */
  readonly base64: string;
  /** Counting from 1, for messages. */
  readonly line: number;
  /** `@revoked`: such a key is never accepted. `@cert-authority` lines are left out. */
  readonly isRevoked: boolean;
}

interface KnownLine {
  readonly marker: string | undefined;
  readonly names: readonly string[];
  readonly type: string;
  readonly base64: string;
}

/** The keys recorded for `name`, in the file's order. */
export function findKnownKeys(text: string, name: string): KnownKey[] {
  const found: KnownKey[] = [];
  text.split("\n").forEach((raw, index) => {
    const line = parseLine(raw);
    if (line === undefined || line.marker === "@cert-authority") return;
    if (!matchesName(line.names, name)) return;
    const isRevoked = line.marker === "@revoked";
    found.push({ type: line.type, base64: line.base64, line: index + 1, isRevoked });
  });
  return found;
}

/** What to append to a file of this text to record one more key. */
export function knownKeyLine(
  text: string,
  entry: { readonly name: string; readonly type: string; readonly base64: string },
): string {
  const separator = text === "" || text.endsWith("\n") ? "" : "\n";
  return `${separator}${entry.name} ${entry.type} ${entry.base64}\n`;
}

function parseLine(raw: string): KnownLine | undefined {
  const line = raw.trim();
  if (line === "" || line.startsWith("#")) return undefined;
  const fields = line.split(/[ \t]+/);
  const marker = line.startsWith("@") ? fields.shift() : undefined;
  const [names, type, base64] = fields;
  if (names === undefined || type === undefined || base64 === undefined) return undefined;
  return { marker, names: names.split(","), type, base64 };
}

/** A negated pattern that matches excludes the line, whatever else matches. */
function matchesName(patterns: readonly string[], name: string): boolean {
  let isMatch = false;
  for (const pattern of patterns) {
    if (pattern.startsWith("|")) continue; // hashed
    if (pattern.startsWith("!")) {
      if (matchesPattern(pattern.slice(1), name)) return false;
    } else if (matchesPattern(pattern, name)) {
      isMatch = true;
    }
  }
  return isMatch;
}

/** `*` and `?` as in a shell, without regard to case; linear in the product of the lengths, so no pattern can hang us. */
function matchesPattern(pattern: string, name: string): boolean {
  const wanted = pattern.toLowerCase();
  const given = name.toLowerCase();
  let at = 0;
  let star = -1;
  let resumeAt = 0;
  let from = 0;
  while (from < given.length) {
    if (wanted[at] === "*") {
      star = at++;
      resumeAt = from;
    } else if (at < wanted.length && (wanted[at] === "?" || wanted[at] === given[from])) {
      at++;
      from++;
    } else if (star !== -1) {
      at = star + 1;
      from = ++resumeAt;
    } else {
      return false;
    }
  }
  while (wanted[at] === "*") at++;
  return at === wanted.length;
}
