/**
 * A login as it is kept: `url` and `session` in the configuration folder, the official command's files. Both change together: whatever
 * ends the program in between, no token stands beside the address of another deployment.
 */
import { toHex } from "../../base/bytes.ts";
import { randomBytes } from "../../base/core.ts";
import { UserError } from "../../base/errors.ts";
import { type Host, HostError } from "../../base/host.ts";
import { joinPath } from "../../base/paths.ts";
import { goQuote } from "../../coder/text.ts";

const URL_FILE = "url";
const SESSION_FILE = "session";
const ORGANIZATION_FILE = "organization";
/** Ours: whoever holds it may change the others. */
const LOCK_FILE = "hawser.lock";
const LOCK_POLL_MS = 50;
const LOCK_LIMIT_MS = 10_000;
const NAME_BYTES = 8;

export interface Login {
  readonly url: string;
  /** `undefined`: it is kept elsewhere. */
  readonly token: string | undefined;
}

/** Replaces the login of `dir`. Throws `HostError` when it cannot be written; the old one is whole then. */
export async function saveLogin(host: Host, dir: string, login: Login): Promise<void> {
  const { files, os } = host;
  await files.mkdir(dir);
  using _lock = await lockLogin(host, dir);
  const path = (name: string) => joinPath(os, dir, name);
  const suffix = `.${toHex(randomBytes(host.random, NAME_BYTES))}.new`;
  const encoder = new TextEncoder();
  const fresh = new Map([[URL_FILE, login.url]]);
  if (login.token !== undefined) fresh.set(SESSION_FILE, login.token);
  try {
    // All that a full disk can refuse comes before anything changes.
    for (const [name, text] of fresh) {
      await files.replaceBytes(path(name) + suffix, encoder.encode(text));
    }
    await files.remove(path(SESSION_FILE));
    for (const name of fresh.keys()) await files.rename(path(name) + suffix, path(name));
  } catch (error) {
    for (const name of fresh.keys()) await removeQuietly(host, path(name) + suffix);
    throw error;
  }
}

/** Removes the login of `dir`; what could not be removed, in the official command's words. */
export async function forgetLogin(host: Host, dir: string): Promise<string[]> {
  const { files, os } = host;
  if (await files.stat(dir) === undefined) return [];
  using _lock = await lockLogin(host, dir);
  const failures = new Map<string, string>();
  // The token first: alone it would be for whatever address is named next.
  for (
    const [name, what] of [
      [SESSION_FILE, "session token"],
      [URL_FILE, "URL file"],
      [ORGANIZATION_FILE, "organization file"],
    ] as const
  ) {
    try {
      await files.remove(joinPath(os, dir, name));
    } catch (error) {
      if (!(error instanceof HostError)) throw error;
      failures.set(name, `remove ${what}: ${error.message}`);
    }
  }
  return [URL_FILE, SESSION_FILE, ORGANIZATION_FILE].flatMap((name) => failures.get(name) ?? []);
}

/** Waits for whoever else changes the login. */
export async function lockLogin({ files, clock, os }: Host, dir: string): Promise<Disposable> {
  const path = joinPath(os, dir, LOCK_FILE);
  for (let waitedMs = 0; waitedMs < LOCK_LIMIT_MS; waitedMs += LOCK_POLL_MS) {
    const lock = await files.tryLock(path);
    if (lock !== undefined) return { [Symbol.dispose]: () => lock.release() };
    await clock.sleep(LOCK_POLL_MS);
  }
  throw new UserError(`Somebody else is changing the login: ${goQuote(path)} is locked`, {
    hint: "Look for another login that has not ended",
  });
}

async function removeQuietly({ files }: Host, path: string): Promise<void> {
  try {
    await files.remove(path);
  } catch (error) {
    // The failure that led here is told.
    if (!(error instanceof HostError)) throw error;
  }
}
