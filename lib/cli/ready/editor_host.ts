/**
 * Host names that editor extensions make for a workspace (vscode-coder `src/util.ts`, `parseRemoteAuthority`). With the domain of
 * the deployment in front, since they know several deployments, or without it, as older ones do:
 *   coder-vscode.<domain>--<owner>--<workspace>[.<agent>]
 *   coder-vscode[.<domain>]--<owner>--<workspace>[--<agent>]
 * A domain may hold the separator itself (`xn--…`, RFC 5890 §2.3.1; `a--b` is legal, too), so it is cut off as a whole where it is known;
 * else the name is read from the right, where nothing can: names of owners, workspaces and agents hold neither dots nor `--`.
 */
import { UserError } from "../../base/errors.ts";

const SEPARATOR = "--";

/** To `owner/workspace` or `owner/workspace.agent`; `domain` is the deployment's. Throws `UserError` for any other name. */
export function parseEditorHost(hostname: string, domain: string): string {
  const name = hostname.endsWith(".") ? hostname.slice(0, -1) : hostname;
  const [owner = "", workspace = "", agent, ...more] = cutDomain(name, domain);
  const isComplete = owner !== "" && workspace !== "" && more.length === 0;
  // An empty agent is what old extensions write for none.
  if (!isComplete || [owner, workspace, agent ?? ""].some((part) => part.includes("."))) {
    throw new UserError(
      "invalid argument format. must be: coder-vscode--<owner>--<name>--<agent?>",
    );
  }
  return agent === undefined || agent === ""
    ? `${owner}/${workspace}`
    : `${owner}/${workspace}.${agent}`;
}

/** Owner, workspace, and the agent if one is named. */
function cutDomain(name: string, domain: string): string[] {
  const known = endOfDomain(name, domain);
  const parts = known === -1 ? rightParts(name) : name.slice(known).split(SEPARATOR);
  const last = parts.at(-1) ?? "";
  const dot = last.indexOf(".");
  if (dot === -1 || parts.length !== 2) return parts;
  return [...parts.slice(0, -1), last.slice(0, dot), last.slice(dot + 1)];
}

/** Where the names begin when the domain stands in front of them; -1 when it does not. */
function endOfDomain(name: string, domain: string): number {
  const dot = name.indexOf(".");
  if (dot === -1 || name.slice(0, dot).includes(SEPARATOR)) return -1;
  const front = `${domain}${SEPARATOR}`;
  return name.slice(dot + 1).toLowerCase().startsWith(front) ? dot + 1 + front.length : -1;
}

/**
 * What stands behind the domain when it is not known: the domain ends with the last part but one that has a dot, or goes on
 * behind a label of just `xn`, which is the front half of another one.
 */
function rightParts(name: string): string[] {
  const parts = name.split(SEPARATOR);
  let end = 0;
  parts.slice(0, -1).forEach((part, i) => {
    if (part.includes(".")) end = i;
  });
  while (/(?:^|\.)xn$/i.test(parts[end] ?? "") && end < parts.length - 1) end++;
  return parts.slice(end + 1);
}
