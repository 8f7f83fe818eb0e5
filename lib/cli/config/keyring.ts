/**
 * Session tokens in the store of the system, where the official command keeps them since v2.29.0 (docs/protocol/ssh.md#configuration):
 * the keychain of macOS, through its own program, and the credentials of Windows. Linux has none.
 *   the secret: JSON {"<host[:port]>": {"coder_url": …, "api_token": …}}, on macOS as base64
 * A token never stands in an argument of a program, which everybody on the machine may read: it goes in by standard input.
 * Not here: how an entry is changed, which only a login loads (`keyring_changes.ts`).
 */
import * as v from "valibot";
import { UserError } from "../../base/errors.ts";
import { type Host, HostError } from "../../base/host.ts";
import { defaultConfigDir } from "./folder.ts";

export const SERVICE = "coder-v2-credentials";
const ACCOUNT = "coder-login-credentials";
const SECURITY = "/usr/bin/security";
/** Status of `security` for an item that is not there (errSecItemNotFound, -25300, in eight bits). */
const NOT_FOUND_STATUS = 44;
const MAX_SECRET_BYTES = 1024 * 1024;
/** A line of `security -i`. */
const MAX_COMMAND_BYTES = 4_096;
/** CRED_MAX_CREDENTIAL_BLOB_SIZE. */
const MAX_BLOB_BYTES = 2_560;
const TOO_BIG = "data passed to Set was too big";
export const IN_A_FILE = "--use-keyring=false keeps the session in a file";

/** What others wrote of other deployments is theirs. */
export const ENTRIES = v.record(v.string(), v.unknown());
const ENTRY = v.object({ api_token: v.string() });

/** One system's store of one secret. All of it rejects with `HostError`. */
interface Store {
  /** `undefined` when nothing is there. */
  read(signal?: AbortSignal): Promise<Uint8Array | undefined>;
  /** Rejects with `UserError` when it is too long. */
  write(secret: Uint8Array): Promise<void>;
  /** No error when nothing is there. */
  remove(): Promise<void>;
}

/** Whether a login in `dir` has its token in the system's store: a folder of one's own means credentials of one's own. */
export function usesKeyring(
  host: Host,
  { dir, useKeyring }: { readonly dir: string | undefined; readonly useKeyring: boolean },
): boolean {
  return useKeyring && dir === defaultConfigDir(host) && storeOf(host) !== undefined;
}

/** The token for the deployment; `undefined` when there is none, or no keychain. Never throws but on abort. */
export async function readKeyring(
  host: Host,
  url: URL,
  signal?: AbortSignal,
): Promise<string | undefined> {
  try {
    const secret = await storeOf(host)?.read(signal);
    return secret === undefined ? undefined : tokenFor(url, secret);
  } catch (error) {
    // Not there, or not allowed: the file is looked at next, and the server has the last word.
    if (error instanceof HostError) return undefined;
    throw error;
  }
}

/** The token of a deployment in the secret; `undefined` when the secret is not understood. */
export function tokenFor(url: URL, secret: Uint8Array): string | undefined {
  const entries = v.safeParse(ENTRIES, parseSecret(secret));
  if (!entries.success || !Object.hasOwn(entries.output, keyOf(url))) return undefined;
  const own = v.safeParse(ENTRY, entries.output[keyOf(url)]);
  return own.success ? own.output.api_token : undefined;
}

/** What a deployment's entry is found by. */
export function keyOf(url: URL): string {
  return url.host.toLowerCase();
}

/** The store of this system; `undefined` where there is none. */
export function storeOf(host: Host): Store | undefined {
  if (host.os === "darwin") return keychainOf(host);
  if (host.os === "windows" && host.credentials !== undefined) {
    return windowsStore(host.credentials);
  }
  return undefined;
}

/** The JSON of a secret; `undefined` for what is none. */
export function parseSecret(secret: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(secret));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function keychainOf(host: Host): Store {
  const item = ["-s", SERVICE, "-a", ACCOUNT];
  const run = async (what: string, args: readonly string[], options = {}) => {
    const result = await host.run(SECURITY, args, { maxOutputBytes: MAX_SECRET_BYTES, ...options });
    const isThere = result.code !== NOT_FOUND_STATUS;
    if (isThere && result.code !== 0) {
      throw new HostError("other", `${what}: security ended with status ${result.code}`);
    }
    return isThere ? result.stdout : undefined;
  };
  return {
    async read(signal) {
      const options = signal === undefined ? {} : { signal };
      const out = await run("read the keychain", ["find-generic-password", ...item, "-w"], options);
      return out === undefined ? undefined : fromBase64(new TextDecoder().decode(out).trim());
    },
    async write(secret) {
      const password = btoa(String.fromCharCode(...secret));
      const words = ["add-generic-password", "-U", ...item, "-w", password];
      const stdin = new TextEncoder().encode(`${words.join(" ")}\n`);
      if (stdin.length > MAX_COMMAND_BYTES) throw tooBig();
      await run("write to the keychain", ["-i"], { stdin });
    },
    async remove() {
      await run("remove from the keychain", ["delete-generic-password", ...item]);
    },
  };
}

function windowsStore(credentials: NonNullable<Host["credentials"]>): Store {
  return {
    read: () => credentials.read(SERVICE),
    async write(secret) {
      if (secret.length > MAX_BLOB_BYTES) throw tooBig();
      await credentials.write(SERVICE, secret);
    },
    remove: () => credentials.remove(SERVICE),
  };
}

function tooBig(): UserError {
  return new UserError(`write credentials to keyring: ${TOO_BIG}`, { hint: IN_A_FILE });
}

/** Bytes that are no JSON when the text is no base64. */
function fromBase64(text: string): Uint8Array {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch (error) {
    if (error instanceof DOMException) return new TextEncoder().encode("?");
    throw error;
  }
}
