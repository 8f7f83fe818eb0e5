/**
 * Workspaces as people name them (docs/protocol/ssh.md#names, #prefix-and-suffix): `ws`, `ws.agent`, `owner/ws`, `owner--ws--agent`,
 * `agent.ws.owner`, a UUID, with a host prefix or suffix that `ssh` put there.
 */
import { UserError } from "../../base/errors.ts";
import { goQuote } from "../../coder/text.ts";

export interface WorkspaceName {
  /** `me` when none was named. */
  readonly owner: string;
  readonly name: string;
  /** `undefined`: the workspace's only agent. */
  readonly agent: string | undefined;
  /** Set when the name may as well be the workspace's id: look it up first. */
  readonly uuid: string | undefined;
}

export interface NameOptions {
  /** @default none */
  readonly hostPrefix?: string;
  /** Without its leading dot. @default none */
  readonly hostnameSuffix?: string;
}

const MAX_NAME_CHARS = 32;
const MAX_AGENT_NAME_CHARS = 128;
const SEPARATORS = /[/.]+|--/;

/** Throws `UserError` for what names no workspace. */
export function parseWorkspaceName(input: string, options: NameOptions = {}): WorkspaceName {
  const normal = normalize(cutHost(input, options));
  const parts = normal.split(".");
  const identifier = parts[0] ?? "";
  const agent = parts[1] || undefined;
  const owners = identifier.split("/");
  if (owners.length > 2 || owners.includes("")) {
    throw new UserError(`invalid workspace identifier: ${goQuote(identifier || input)}`, {
      hint: "Name a workspace as workspace, owner/workspace or owner/workspace.agent",
    });
  }
  const [first = "", second] = owners;
  return {
    owner: second === undefined ? "me" : first,
    name: second ?? first,
    agent,
    uuid: second === undefined ? toUuid(first) : undefined,
  };
}

/**
 * Takes the host's prefix off, else its suffix (docs/protocol/ssh.md#prefix-and-suffix). Case does not count, as in any host name, and neither does the one
 * dot at the end that makes it absolute (RFC 1034 §3.1).
 */
function cutHost(input: string, options: NameOptions): string {
  const { hostPrefix = "", hostnameSuffix = "" } = options;
  const host = withoutRoot(input);
  const isPrefixed = hostPrefix !== "" && isSameHost(host.slice(0, hostPrefix.length), hostPrefix);
  if (isPrefixed) return host.slice(hostPrefix.length);
  // With or without its dot: people write both into their configuration.
  const suffix = `.${withoutRoot(hostnameSuffix).replace(/^\./, "")}`;
  const isSuffixed = suffix !== "." && isSameHost(host.slice(-suffix.length), suffix);
  return isSuffixed ? host.slice(0, -suffix.length) : host;
}

function isSameHost(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

function withoutRoot(host: string): string {
  return host.endsWith(".") ? host.slice(0, -1) : host;
}

/** To `owner/ws.agent`, with what was not named left out. */
function normalize(input: string): string {
  const parts = input.split(SEPARATORS);
  const [a, b, c] = parts;
  switch (parts.length) {
    case 2:
      return input.includes(".") ? `${a}.${b}` : `${a}/${b}`;
    case 3: {
      const isConnectOrder = !input.includes("/") && !input.includes("--");
      return isConnectOrder ? `${c}/${b}.${a}` : `${a}/${b}.${c}`;
    }
    default:
      return input;
  }
}

/** The UUID that `text` is, with or without its hyphens, as servers write it; `undefined` when it is none. */
export function toUuid(text: string): string | undefined {
  const hex = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i;
  if (!hex.test(text) || (text.includes("-") && text.length !== 36)) return undefined;
  const digits = text.toLowerCase().replaceAll("-", "");
  return [[0, 8], [8, 12], [12, 16], [16, 20], [20, 32]]
    .map(([from, to]) => digits.slice(from, to)).join("-");
}

/** Whether a workspace can be called so: what a UUID lookup that found nothing falls back to. */
export function isWorkspaceName(text: string): boolean {
  return text.length <= MAX_NAME_CHARS && /^[a-zA-Z0-9]+(?:-[a-zA-Z0-9]+)*$/.test(text);
}

/** Whether an agent can be called so; older servers took underscores (coder/coder `provisioner/regexes.go`). */
export function isAgentName(text: string): boolean {
  return text.length <= MAX_AGENT_NAME_CHARS && /^[a-zA-Z0-9]+(?:[-_]+[a-zA-Z0-9]+)*$/.test(text);
}
