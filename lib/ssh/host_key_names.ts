/**
 * The names under which an agent's host key is pinned. A core.
 *
 * What is pinned is the workspace's id and the agent, at one deployment: ids do not change and are nobody's to choose, while a
 * deployment may answer any display name it likes. The display names count besides, because up to version 0.1 they were all there was,
 * and because a deployment that answers another id for the same names is no less suspicious. The rule that keeps this from
 * loosening anything: where there are keys for a name, whichever it is, the offered key must be among them. So every pin ever
 * made goes on to refuse what it refused, and a key must suit both names from the first connection on that records both.
 *
 * A pin by display names vouches for a key as well, unless the names could be read in two ways: agent `a` of workspace `b.c`
 * has the same joined name as agent `a.b` of workspace `c`. No deployment has names with dots, so whoever answers such names
 * gets a pin by id alone, and one that exists under the joined name can refuse them but let nobody in.
 */

export interface HostKeySubject {
  readonly workspaceId: string;
  readonly agent: string;
  readonly workspace: string;
  readonly owner: string;
  /** Host and port as in the deployment's URL: `coder.example.com`, `127.0.0.1:3000`, `[::1]:3000`. */
  readonly deployment: string;
}

export interface HostKeyNames {
  /** By id; no other agent of any workspace at any deployment has it. */
  readonly byId: string;
  /** By display names, as version 0.1 recorded them. */
  readonly byDisplay: string;
  /** Whether `byDisplay` may vouch for a key, and is recorded. */
  readonly isDisplayExact: boolean;
}

export function hostKeyNames(subject: HostKeySubject): HostKeyNames {
  const { workspaceId, agent, workspace, owner, deployment } = subject;
  const parts = [agent, workspace, owner];
  return {
    byId: atPort(`${escape(agent)}.${escape(workspaceId)}`, deployment),
    byDisplay: [...parts, deployment].join(".").replace(/[^A-Za-z0-9._-]/g, "_"),
    isDisplayExact: parts.every((part) => /^[A-Za-z0-9_-]+$/.test(part)),
  };
}

/** Behind each line, for whoever reads the file: `alice/dev.main`. */
export function hostKeyComment({ agent, workspace, owner }: HostKeySubject): string {
  return `${owner}/${workspace}.${agent}`.replace(/[^A-Za-z0-9._/-]/g, "_");
}

/** As OpenSSH writes names on a port of their own: `[agent.id.127.0.0.1]:3000`. */
function atPort(prefix: string, deployment: string): string {
  const colon = deployment.lastIndexOf(":");
  // A URL's port has at most five digits; the colons of an IPv6 address end with its bracket.
  const port = /^:(\d{1,5})$/.exec(deployment.slice(colon))?.[1];
  const host = port === undefined ? deployment : deployment.slice(0, colon);
  const name = `${prefix}.${escape(host.replace(/[[\]]/g, ""), HOST_CHARS)}`;
  return port === undefined ? name : `[${name}]:${port}`;
}

const LABEL_CHARS = /^[a-z0-9-]$/;
const HOST_CHARS = /^[a-z0-9.:-]$/;

/**
 * Bytes other than those plain ones become `_` and two hexadecimal digits: names are compared without regard to case, and none
 * of `*?!,|@#` may reach the file.
 */
function escape(text: string, plain = LABEL_CHARS): string {
  return [...new TextEncoder().encode(text)].map((byte) => {
    const char = String.fromCharCode(byte);
    return plain.test(char) ? char : `_${byte.toString(16).padStart(2, "0")}`;
  }).join("");
}
