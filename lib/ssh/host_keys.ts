/**
 * Whether a workspace agent's host key is taken: pinned on first use in a `known_hosts` file of our own, one name per agent.
 * From v2.20 the key follows from owner, workspace and agent names, so a change is worth a refusal; older agents make a
 * new one at every start and are not pinned.
 */
import { UserError } from "../base/errors.ts";
import { ByteReader } from "../base/bytes.ts";
import { findKnownKeys, knownKeyLine } from "./known_hosts.ts";

/** `yes`: only known keys. `accept-new`: also new names, never changed keys. `no`: anything; a changed key with a warning. */
export type HostKeyPolicy = "yes" | "accept-new" | "no";

export interface HostKeyFiles {
  /** The text; `undefined` when there is no such file. */
  readText(path: string): Promise<string | undefined>;
  writeText(path: string, text: string, options: { readonly append: true }): Promise<void>;
  /** Creates the folder and its parents. */
  mkdir(path: string): Promise<void>;
}

export interface HostKeyOptions {
  /** The name that the key belongs to, e.g. `main.dev.alice.coder.example.com`. No blanks, commas or wildcards. */
  readonly name: string;
  /** The file's path, and its folder's, which is created. */
  readonly path: string;
  readonly folder: string;
  /** @default "accept-new" */
  readonly policy?: HostKeyPolicy;
  /** The agent's version, e.g. `v2.36.0`; pins need v2.20. Unknown versions count as new. */
  readonly agentVersion: string | undefined;
  readonly files: HostKeyFiles;
  /** A line for the user. */
  readonly warn: (text: string) => void;
  /** A line for `-v`. */
  readonly tell: (text: string) => void;
}

const FIRST_PINNED_MINOR = 20;

/** A verifier for `SshConnectionOptions.verifyHostKey`. It throws `UserError` with exit code 255 to refuse. */
export function createHostKeyVerifier(options: HostKeyOptions): (key: Uint8Array) => Promise<void> {
  return async (key) => {
    const policy = options.policy ?? "accept-new";
    if (!hasStableHostKey(options.agentVersion)) {
      options.tell(
        `Host key not checked: agent ${options.agentVersion} is older than v2.20 and makes a new one at every start`,
      );
      return;
    }
    const offered = { type: keyType(key), base64: key.toBase64() };
    const text = await readKnown(options);
    const known = findKnownKeys(text, options.name);
    if (known.some((entry) => entry.isRevoked && entry.base64 === offered.base64)) {
      throw refusal(
        options,
        `The host key of ${options.name} is marked as revoked in ${options.path}`,
      );
    }
    const valid = known.filter((entry) => !entry.isRevoked);
    if (valid.some((entry) => entry.base64 === offered.base64)) return;
    const [old] = valid;
    if (old !== undefined) {
      const shown = { fingerprint: await fingerprint(key), type: offered.type, line: old.line };
      if (policy !== "no") throw changed(options, shown);
      options.warn(changedText(options, shown));
      return;
    }
    if (policy === "yes") {
      const shown = `${displayType(offered.type)} key fingerprint is ${await fingerprint(key)}`;
      throw new UserError(
        `No host key is known for ${options.name} and strict checking is on; its ${shown}`,
        {
          exitCode: 255,
          hint: "Connect once with --host-key-check=accept-new to record it",
        },
      );
    }
    await append(options, knownKeyLine(text, { name: options.name, ...offered }));
    options.tell(
      `Recorded the ${displayType(offered.type)} host key of ${options.name} in ${options.path}`,
    );
  };
}

/** Whether agents of this version keep their host key from one start to the next. */
export function hasStableHostKey(agentVersion: string | undefined): boolean {
  const match = /^v?(\d+)\.(\d+)\./.exec(agentVersion ?? "");
  if (match === null) return true;
  const [major, minor] = [Number(match[1]), Number(match[2])];
  // v0.0.0 is a development build, newer than any release.
  if (major === 0 && minor === 0) return true;
  return major > 2 || (major === 2 && minor >= FIRST_PINNED_MINOR);
}

/** The name of an agent's key: what OpenSSH would be given, with the deployment's host, as names repeat across deployments. */
export function hostKeyName(
  o: {
    readonly agent: string;
    readonly workspace: string;
    readonly owner: string;
    readonly deployment: string;
  },
): string {
  return `${o.agent}.${o.workspace}.${o.owner}.${o.deployment}`.replace(/[^A-Za-z0-9._-]/g, "_");
}

/** `SHA256:…` as OpenSSH shows it. */
export async function fingerprint(key: Uint8Array): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", key.slice()));
  return `SHA256:${digest.toBase64({ omitPadding: true })}`;
}

async function readKnown(options: HostKeyOptions): Promise<string> {
  try {
    return await options.files.readText(options.path) ?? "";
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    options.warn(`Cannot read the known hosts file: ${error.message}`);
    return "";
  }
}

async function append(options: HostKeyOptions, text: string): Promise<void> {
  try {
    await options.files.mkdir(options.folder);
    await options.files.writeText(options.path, text, { append: true });
  } catch (error) {
    // A read-only home must not keep anybody out; the next connection will say it again.
    if (!(error instanceof Error)) throw error;
    options.warn(`Failed to add the host to the list of known hosts: ${error.message}`);
  }
}

interface ShownKey {
  readonly fingerprint: string;
  readonly type: string;
  readonly line: number;
}

const RULE = "@".repeat(59);

function changedText(options: HostKeyOptions, key: ShownKey): string {
  return [
    RULE,
    "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @",
    RULE,
    "IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!",
    "Someone could be eavesdropping on you right now (man-in-the-middle attack)!",
    "It is also possible that a host key has just been changed.",
    `The fingerprint for the ${displayType(key.type)} key sent by the workspace agent is`,
    `${key.fingerprint}.`,
    `Offending key for ${options.name} in ${options.path}:${key.line}`,
  ].join("\n");
}

function changed(options: HostKeyOptions, key: ShownKey): UserError {
  return refusal(options, `${changedText(options, key)}\nHost key verification failed.`);
}

function refusal(options: HostKeyOptions, message: string): UserError {
  return new UserError(message, {
    exitCode: 255,
    hint: `If you expected this, take the old key out of ${options.path}, by hand or with: ` +
      `ssh-keygen -f '${options.path}' -R '${options.name}'`,
  });
}

/** `RSA` of `ssh-rsa`, `ED25519` of `ssh-ed25519`, `ECDSA` of `ecdsa-sha2-…`. */
function displayType(type: string): string {
  return (type.startsWith("ssh-") ? type.slice(4) : type.split("-")[0] ?? type).toUpperCase();
}

/** The first string of a public key blob (RFC 4253 §6.6). */
function keyType(key: Uint8Array): string {
  const reader = new ByteReader(key);
  return new TextDecoder().decode(reader.view(reader.u32be()));
}
