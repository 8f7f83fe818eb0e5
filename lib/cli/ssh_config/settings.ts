/**
 * What the deployment wants in its users' ssh_config, looked at before it gets there. Whoever runs the deployment may say how the
 * workspaces are reached, and nothing about this machine: no line may begin another one, run a program, or reach hosts of others
 * by a pattern. Stricter than the official command, which lets keys in quotes and patterns pass.
 */
import { UserError } from "../../base/errors.ts";
import { goQuote } from "../../coder/text.ts";
import type { SshSettings } from "../../coder/deployment.ts";

/** Options that run programs, load libraries, or leave the section (ssh_config(5)); in lower case. */
const FORBIDDEN: ReadonlySet<string> = new Set([
  "host",
  "match",
  "include",
  "proxycommand",
  "localcommand",
  "permitlocalcommand",
  "remotecommand",
  "knownhostscommand",
  "pkcs11provider",
  "securitykeyprovider",
  "smartcarddevice",
  "xauthlocation",
]);

/** `settings` as they are. Throws `UserError` for what must not be written. */
export function checkSshSettings(settings: SshSettings): SshSettings {
  const { hostnamePrefix, hostnameSuffix, options } = settings;
  try {
    checkHostnamePrefix(hostnamePrefix);
    checkHostnameSuffix(hostnameSuffix);
    for (const [key, value] of [...options].toSorted(([a], [b]) => a < b ? -1 : 1)) {
      checkOption(key, value);
    }
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(`invalid ssh config from coderd: ${error.message}`, {
      hint: "Nothing was written. Tell whoever runs the deployment",
    });
  }
  return settings;
}

/** Options that open this machine, or what its user may do, to the workspace; in lower case. */
const EXPOSING: ReadonlySet<string> = new Set([
  "forwardagent",
  "forwardx11",
  "forwardx11trusted",
  "gssapidelegatecredentials",
  "identityagent",
  "remoteforward",
  "tunnel",
]);

/** Lines of the deployment's that users should know of: they are allowed, and reach beyond the workspace. */
export function exposingOptions({ options }: SshSettings): string[] {
  return [...options]
    .filter(([key, value]) =>
      EXPOSING.has(key.toLowerCase()) && !["", "no"].includes(value.trim().toLowerCase())
    )
    .map(([key, value]) => `${key} ${value}`);
}

/** Throws `UserError` unless hosts can begin with it; empty is fine. */
export function checkHostnamePrefix(prefix: string): void {
  checkHostPart(prefix, "workspace hostname prefix");
}

/** Throws `UserError` unless hosts can end with it, behind a dot; empty is fine. */
export function checkHostnameSuffix(suffix: string): void {
  if (suffix.startsWith(".")) {
    throw new UserError(
      `workspace hostname suffix ${goQuote(suffix)} must not start with a leading dot`,
    );
  }
  checkHostPart(suffix, "workspace hostname suffix");
}

/** It becomes part of a pattern, and of a command for the shell. */
function checkHostPart(text: string, what: string): void {
  const refuse = (rule: string): never => {
    throw new UserError(`${what} ${goQuote(text)} must not contain ${rule}`);
  };
  if (/[*?]/.test(text)) refuse("glob characters");
  if (/[\s\p{Cc}]/u.test(text)) refuse("whitespace or control characters");
  if (!/^[\p{L}\p{M}\p{N}._-]*$/u.test(text)) refuse("characters that no host name has");
}

function checkOption(key: string, value: string): void {
  if (key === "") throw new UserError("ssh config option key must not be empty");
  // OpenSSH takes quotes off a keyword, and "=" for a blank.
  if (!/^[A-Za-z][A-Za-z0-9]*$/.test(key)) {
    throw new UserError(`ssh config option key ${goQuote(key)} is invalid`);
  }
  if (FORBIDDEN.has(key.toLowerCase())) {
    throw new UserError(
      `ssh config option ${goQuote(key)} is not allowed: it can execute code, load shared ` +
        "libraries, or override Coder's managed SSH settings on client machines",
    );
  }
  if (key.toLowerCase() === "proxyjump") {
    throw new UserError(
      `ssh config option ${
        goQuote(key)
      } is not allowed: it conflicts with Coder's managed ProxyCommand`,
    );
  }
  if (/[\r\n\0]/.test(value)) {
    throw new UserError(
      `ssh config option ${
        goQuote(key)
      } must not contain carriage return, newline, or NUL characters`,
    );
  }
  // deno-lint-ignore no-control-regex -- the tab is a blank
  if (/[\x00-\x08\x0a-\x1f\x7f]/.test(value)) {
    throw new UserError(`ssh config option ${goQuote(key)} must not contain control characters`);
  }
  if (!hasPairedQuotes(value)) {
    throw new UserError(
      `ssh config option ${
        goQuote(key)
      } has a quote without its pair, for which OpenSSH would refuse the whole file`,
    );
  }
}

/** As OpenSSH reads the words of a line: openssh-portable `misc.c` `argv_split`. */
function hasPairedQuotes(value: string): boolean {
  let open = "";
  for (let i = 0; i < value.length; i++) {
    const character = value.charAt(i);
    const next = value.charAt(i + 1);
    if (character === "\\" && next !== "" && `'"\\`.includes(next)) i++;
    else if (open !== "" && character === open) open = "";
    else if (open === "" && (character === "'" || character === '"')) open = character;
  }
  return open === "";
}
