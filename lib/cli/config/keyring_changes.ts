/** A login's token into the system's store, and out of it again (`keyring.ts`). */
import * as v from "valibot";
import { UserError } from "../../base/errors.ts";
import { type Host, HostError } from "../../base/host.ts";
import { ENTRIES, IN_A_FILE, keyOf, parseSecret, SERVICE, storeOf, tokenFor } from "./keyring.ts";
import { lockLogin } from "./saved_login.ts";

/**
 * Puts the token of a deployment beside those of others. Resolves to why not where this program may not use the store, which
 * costs nothing but that. Rejects with `UserError`; what was there is whole then.
 */
export async function writeKeyring(
  host: Host,
  dir: string,
  { url, token }: { readonly url: URL; readonly token: string },
): Promise<string | undefined> {
  const store = storeOf(host);
  if (store === undefined) return "this system has none";
  await host.files.mkdir(dir);
  using _lock = await lockLogin(host, dir);
  return await told(async () => {
    const entries = entriesOf(await store.read());
    const key = keyOf(url);
    const secret = encode({ ...entries, [key]: { coder_url: key, api_token: token } });
    await store.write(secret);
    // What `security -i` was told fails without a word of its own.
    const now = await store.read();
    if (now === undefined || tokenFor(url, now) !== token) {
      throw new UserError("write credentials to keyring: it does not keep them", {
        hint: IN_A_FILE,
      });
    }
  });
}

/** Removes the token of a deployment; those of others stay. Resolves and rejects as `writeKeyring`. */
export async function removeFromKeyring(
  host: Host,
  dir: string,
  url: URL,
): Promise<string | undefined> {
  const store = storeOf(host);
  if (store === undefined) return undefined;
  await host.files.mkdir(dir);
  using _lock = await lockLogin(host, dir);
  return await told(async () => {
    const { [keyOf(url)]: own, ...others } = entriesOf(await store.read());
    if (own === undefined) return;
    await (Object.keys(others).length === 0 ? store.remove() : store.write(encode(others)));
  });
}

async function told(work: () => Promise<void>): Promise<string | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    if (error.code === "not-permitted" || error.code === "not-found") return error.message;
    throw new UserError(`use keyring: ${error.message}`, { cause: error, hint: IN_A_FILE });
  }
}

function entriesOf(secret: Uint8Array | undefined): Readonly<Record<string, unknown>> {
  if (secret === undefined || secret.length === 0) return {};
  const parsed = v.safeParse(ENTRIES, parseSecret(secret));
  if (parsed.success) return parsed.output;
  // Whoever replaced it would throw away the logins of other deployments.
  throw new UserError(`parse existing credentials: "${SERVICE}" in the keyring is damaged`, {
    hint: `Remove it there, or: ${IN_A_FILE}`,
  });
}

function encode(entries: Readonly<Record<string, unknown>>): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(entries));
}
