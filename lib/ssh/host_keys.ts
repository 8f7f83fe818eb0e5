/**
 * Whether a workspace agent's host key is taken: pinned on first use in a `known_hosts` file of our own, under the names of
 * `host_key_names.ts`. A pin and a revocation that exist always count. Agents before v2.20 make a new key at every start, so theirs are
 * not recorded; but the version is what the deployment says, so it decides about nothing else. From v2.20 on the key follows
 * from the names of owner, workspace and agent.
 */
import { equalBytes } from "../base/bytes.ts";
import { ExpectedError, messageOf, UserError } from "../base/errors.ts";
import { HostError } from "../base/host.ts";
import { isAtLeast } from "../base/version.ts";
import type { HostKeyNames } from "./host_key_names.ts";
import { findKnownKeys, keyTypeOf, type KnownKey, knownKeyLine } from "./known_hosts.ts";

/** `yes`: only known keys. `accept-new`: also new names, never changed keys. `no`: anything; a changed key with a warning. */
export type HostKeyPolicy = "yes" | "accept-new" | "no";

export interface HostKeyFiles {
  /** The text; `undefined` when there is no such file. */
  readText(path: string): Promise<string | undefined>;
  writeText(path: string, text: string, options: { readonly append: true }): Promise<void>;
  /** Creates the folder and its parents. */
  mkdir(path: string): Promise<void>;
}

/** Where pins are kept. */
export type HostKeyPlace =
  | {
    readonly kind: "file";
    readonly path: string;
    /** Created when something is recorded; `undefined` for the current one. */
    readonly folder: string | undefined;
    /** The user said where: what goes wrong there is told in any case. @default false */
    readonly isNamed?: boolean;
  }
  /** Nowhere. `why` is a sentence for the user, empty when it was the user's wish. */
  | { readonly kind: "nowhere"; readonly why: string; readonly hint: string };

export interface HostKeyOptions {
  readonly names: HostKeyNames;
  /** Written behind a recorded key. @default nothing */
  readonly comment?: string;
  readonly place: HostKeyPlace;
  /** @default "accept-new" */
  readonly policy?: HostKeyPolicy;
  /** The agent's version, e.g. `v2.36.0`; recording needs v2.20. Unknown versions count as new. */
  readonly agentVersion: string | undefined;
  readonly files: HostKeyFiles;
  /** Lines for the user. */
  readonly warn: (text: string) => void;
  /** A line for `-v`. */
  readonly tell: (text: string) => void;
}

const PINNED_SINCE = "v2.20.0";
const REFUSED_CODE = 255;

/** A verifier for `SshConnectionOptions.verifyHostKey`. It throws `UserError` with exit code 255 to refuse. */
export function createHostKeyVerifier(options: HostKeyOptions): (key: Uint8Array) => Promise<void> {
  return async (blob) => {
    const { names, policy = "accept-new", place, tell } = options;
    const key: OfferedKey = {
      blob,
      type: keyTypeOf(blob) ?? "",
      fingerprint: await fingerprint(blob),
    };
    const text = await readKnown(options);
    const byDisplay = new Pins(text ?? "", names.byDisplay);
    const byId = new Pins(text ?? "", names.byId);
    const revoked = byId.revocationOf(blob) ?? byDisplay.revocationOf(blob);
    if (revoked !== undefined) throw revokedError(options, revoked);
    const offended = [byDisplay, byId].filter((pins) => pins.refuses(blob));
    if (offended.length > 0) {
      if (policy !== "no") throw changedError(options, key, offended);
      options.warn(changedText(options, key, offended));
      return;
    }
    const isKnown = byId.has(blob) || names.isDisplayExact && byDisplay.has(blob);
    if (!isKnown && policy === "yes") {
      throw unknownError(options, key, { isReadable: text !== undefined });
    }
    if (place.kind === "nowhere") {
      if (policy !== "no" && place.why !== "") options.warn(`${place.why}. ${place.hint}`);
      return;
    }
    if (text === undefined) return; // said, and nothing could be added either
    if (!hasStableHostKey(options.agentVersion)) {
      if (!isKnown) {
        tell(`Host key not recorded: agent ${options.agentVersion} makes a new one at every start`);
      }
      return;
    }
    const recorded = names.isDisplayExact ? [byId, byDisplay] : [byId];
    const missing = recorded.filter((pins) => !pins.has(blob)).map((pins) => pins.name);
    if (missing.length > 0) await record(options, key, { text, names: missing, isKnown });
  };
}

interface OfferedKey {
  readonly blob: Uint8Array;
  readonly type: string;
  readonly fingerprint: string;
}

/** What the file says of one name. */
class Pins {
  readonly name: string;
  readonly #valid: readonly KnownKey[];
  readonly #revoked: readonly KnownKey[];

  constructor(text: string, name: string) {
    this.name = name;
    const known = findKnownKeys(text, name);
    this.#valid = known.filter((key) => !key.isRevoked);
    this.#revoked = known.filter((key) => key.isRevoked);
  }

  get lines(): number[] {
    return this.#valid.map((key) => key.line);
  }

  has(blob: Uint8Array): boolean {
    return this.#valid.some((key) => equalBytes(key.blob, blob));
  }

  /** There are keys, and this is none of them. */
  refuses(blob: Uint8Array): boolean {
    return this.#valid.length > 0 && !this.has(blob);
  }

  revocationOf(blob: Uint8Array): KnownKey | undefined {
    return this.#revoked.find((key) => equalBytes(key.blob, blob));
  }
}

/** Whether agents of this version keep their host key from one start to the next. */
export function hasStableHostKey(agentVersion: string | undefined): boolean {
  return isAtLeast(agentVersion, PINNED_SINCE);
}

/** `SHA256:…` as OpenSSH shows it. */
export async function fingerprint(key: Uint8Array): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", key.slice()));
  return `SHA256:${digest.toBase64({ omitPadding: true })}`;
}

/** The file's text, empty when there is none; `undefined` when it cannot be read, which has been said. */
async function readKnown(options: HostKeyOptions): Promise<string | undefined> {
  const { place, files, warn, tell } = options;
  if (place.kind === "nowhere") return "";
  try {
    return await files.readText(place.path) ?? "";
  } catch (error) {
    if (!(error instanceof ExpectedError)) throw error;
    const say = isWithheld(place, error) ? tell : warn;
    say(`Cannot read the known hosts file, so host keys are not checked: ${error.message}`);
    return undefined;
  }
}

/** Whoever starts the program without the permission for a file that nobody named knows that there are no pins then. */
function isWithheld(place: HostKeyPlace, error: unknown): boolean {
  return place.kind === "file" && place.isNamed !== true && error instanceof HostError &&
    error.code === "not-permitted";
}

async function record(
  options: HostKeyOptions,
  key: OfferedKey,
  what: { readonly text: string; readonly names: readonly string[]; readonly isKnown: boolean },
): Promise<void> {
  const { place, files, comment, tell, warn } = options;
  if (place.kind === "nowhere") return;
  const line = knownKeyLine(what.text, {
    names: what.names,
    type: key.type,
    base64: key.blob.toBase64(),
    ...(comment === undefined ? {} : { comment }),
  });
  try {
    if (place.folder !== undefined) await files.mkdir(place.folder);
    await files.writeText(place.path, line, { append: true });
    tell(
      `Recorded the ${displayType(key.type)} host key of ${what.names.join(", ")} in ${place.path}`,
    );
  } catch (error) {
    // A read-only home must not keep anybody out; the next connection will say it again.
    if (!(error instanceof ExpectedError)) throw error;
    const say = what.isKnown || isWithheld(place, error) ? tell : warn;
    say(`Failed to add the host to the list of known hosts: ${messageOf(error)}`);
  }
}

const RULE = "@".repeat(59);

function changedText(
  { place }: HostKeyOptions,
  key: OfferedKey,
  offended: readonly Pins[],
): string {
  const [first] = offended;
  return [
    RULE,
    "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @",
    RULE,
    "IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!",
    "Someone could be eavesdropping on you right now (man-in-the-middle attack)!",
    "It is also possible that a host key has just been changed.",
    `The fingerprint for the ${displayType(key.type)} key sent by the workspace agent is`,
    `${key.fingerprint}.`,
    `Offending key for ${first?.name} in ${pathOf(place)}:${first?.lines[0]}`,
  ].join("\n");
}

function changedError(
  options: HostKeyOptions,
  key: OfferedKey,
  offended: readonly Pins[],
): UserError {
  const path = shellQuote(pathOf(options.place));
  // Lines that go with the first name need no second command.
  const [first, second] = offended;
  const covered = new Set(first?.lines);
  const needed = second?.lines.every((line) => covered.has(line)) === false
    ? [first, second]
    : [first];
  const commands = needed.map((pins) => `ssh-keygen -f ${path} -R ${shellQuote(pins?.name ?? "")}`);
  return new UserError(
    `${changedText(options, key, offended)}\nHost key verification failed.`,
    {
      exitCode: REFUSED_CODE,
      hint: "If you expected this, as after a renaming of the workspace, take the old key out of " +
        `${pathOf(options.place)}, by hand or with: ${commands.join(" && ")}`,
    },
  );
}

function revokedError({ names, place }: HostKeyOptions, revoked: KnownKey): UserError {
  return new UserError(
    `The host key of ${names.byDisplay} is marked as revoked in ${pathOf(place)}:${revoked.line}`,
    {
      exitCode: REFUSED_CODE,
      hint: "If that is a mistake, take this line out of the file by hand",
    },
  );
}

function unknownError(
  { names, place, agentVersion }: HostKeyOptions,
  key: OfferedKey,
  { isReadable }: { readonly isReadable: boolean },
): UserError {
  const shown = `${displayType(key.type)} key fingerprint is ${key.fingerprint}`;
  return new UserError(
    `No host key is known for ${names.byDisplay} and strict checking is on; its ${shown}`,
    { exitCode: REFUSED_CODE, hint: hintFor() },
  );

  function hintFor(): string {
    if (place.kind === "nowhere") {
      return place.why === "" ? place.hint : `${place.why}. ${place.hint}`;
    }
    if (!isReadable) return `Make ${place.path} readable, or name another file with --known-hosts`;
    if (hasStableHostKey(agentVersion)) {
      return "Connect once with --host-key-check=accept-new to record it";
    }
    return `Agent ${agentVersion} is older than v2.20 and makes a new key at every start: ` +
      "only --host-key-check=accept-new can reach it";
  }
}

function pathOf(place: HostKeyPlace): string {
  return place.kind === "file" ? place.path : "";
}

/** As a POSIX shell reads one word. */
function shellQuote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** `RSA` of `ssh-rsa`, `ED25519` of `ssh-ed25519`, `ECDSA` of `ecdsa-sha2-…`. */
function displayType(type: string): string {
  return (type.startsWith("ssh-") ? type.slice(4) : type.split("-")[0] ?? type).toUpperCase();
}
