/**
 * The session token in the keychain of macOS, where the official command keeps it since v2.29.0 (docs/protocol/ssh.md#configuration).
 * Read only. Linux never has one; Windows' store is left out.
 *   the secret: base64 of JSON {"<host[:port]>": {"coder_url": …, "api_token": …}}
 */
import * as v from "valibot";
import { type Host, HostError } from "../../base/host.ts";

const SERVICE = "coder-v2-credentials";
const ACCOUNT = "coder-login-credentials";

const CREDENTIALS = v.record(v.string(), v.object({ api_token: v.string() }));

/** The token for the deployment; `undefined` when there is none, or no keychain. Never throws but on abort. */
export async function readKeyring(
  host: Host,
  url: URL,
  signal?: AbortSignal,
): Promise<string | undefined> {
  if (host.os !== "darwin") return undefined;
  try {
    const result = await host.run(
      "/usr/bin/security",
      ["find-generic-password", "-s", SERVICE, "-a", ACCOUNT, "-w"],
      { maxOutputBytes: 1024 * 1024, ...(signal === undefined ? {} : { signal }) },
    );
    if (result.code !== 0) return undefined;
    return tokenFor(url, new TextDecoder().decode(result.stdout).trim());
  } catch (error) {
    // Not there, or not allowed: the file is looked at next, and the server has the last word.
    if (error instanceof HostError) return undefined;
    throw error;
  }
}

/** The token of a deployment in the keychain's secret; `undefined` when the secret is not understood. */
export function tokenFor(url: URL, secret: string): string | undefined {
  const json = decode(secret);
  const parsed = v.safeParse(CREDENTIALS, json);
  if (!parsed.success) return undefined;
  return parsed.output[url.host.toLowerCase()]?.api_token;
}

function decode(secret: string): unknown {
  try {
    const bytes = Uint8Array.from(atob(secret), (character) => character.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    if (error instanceof DOMException || error instanceof SyntaxError) return undefined;
    throw error;
  }
}
