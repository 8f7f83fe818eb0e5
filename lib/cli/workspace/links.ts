/** Links into workspaces: for editors, for apps, for a browser. Pure. */
import { UserError } from "../../base/errors.ts";
import type { App, Region } from "../../coder/apps.ts";
import { goQuote } from "../../coder/text.ts";

/** What a link names. */
export interface Place {
  readonly owner: string;
  readonly workspace: string;
  readonly agent: string;
}

/** Stands in links of templates where a session token belongs. */
export const TOKEN_MARK = "$SESSION_TOKEN";
/** What a page or a program over there has no business to open here. */
const REFUSED_SCHEMES: ReadonlySet<string> = new Set(["file:", "javascript:", "data:", "blob:"]);

export interface EditorLink extends Place {
  readonly deploymentUrl: string;
  /** Empty: the editor asks. */
  readonly folder: string;
  /** Empty: the editor logs in by itself. */
  readonly token: string;
}

/** `vscode://coder.coder-remote/open?…`, sorted as Go sorts a query. */
export function vscodeLink(link: EditorLink): string {
  return `vscode://coder.coder-remote/open?${
    query({
      agent: link.agent,
      folder: link.folder,
      owner: link.owner,
      token: link.token,
      url: link.deploymentUrl,
      workspace: link.workspace,
    })
  }`;
}

/** For JetBrains Toolbox with Coder's plugin (coder/coder-jetbrains-toolbox, README "Custom flows with URI handling"). */
export function jetbrainsLink(link: EditorLink & { readonly product: string }): string {
  return `jetbrains://gateway/coder?${
    query({
      agent_name: link.agent,
      folder: link.folder,
      ide_product_code: link.product,
      owner: link.owner,
      token: link.token,
      url: link.deploymentUrl,
      workspace: link.workspace,
    })
  }`;
}

/** What is empty is left out. */
function query(fields: Readonly<Record<string, string>>): string {
  const kept = Object.entries(fields).filter(([, value]) => value !== "");
  return new URLSearchParams(kept).toString();
}

/** The deployment without user and password, which are ours and nobody else's, and without a slash at its end. */
export function deploymentLink(url: URL): string {
  return `${url.origin}${url.pathname.replace(/\/$/, "")}`;
}

/** The dashboard's page of a workspace. */
export function pageLink(deploymentUrl: URL, { owner, workspace }: Omit<Place, "agent">): string {
  const path = `@${encodeURIComponent(owner)}/${encodeURIComponent(workspace)}`;
  return `${deploymentLink(deploymentUrl)}/${path}`;
}

/** Where an app is, seen from a region. Throws `UserError` for what cannot be opened. */
export function appLink(app: App, place: Place, region: Region): string {
  if (app.isExternal) return checked(app.url);
  const { owner, workspace, agent } = place;
  if (!URL.canParse(region.path_app_url)) {
    throw new UserError(`failed to parse proxy URL: ${goQuote(region.path_app_url)}`);
  }
  const base = new URL(region.path_app_url);
  if (region.wildcard_hostname !== "" && app.subdomain !== "" && !app.isCommand) {
    return checked(
      `${base.protocol}//${region.wildcard_hostname.replace("*", () => app.subdomain)}/`,
    );
  }
  const path = `${base.pathname.replace(/\/$/, "")}/@${owner}/${workspace}.${agent}`;
  const slug = encodeURIComponent(app.slug);
  return checked(
    app.isCommand
      ? `${base.origin}${path}/terminal?app=${slug}`
      : `${base.origin}${path}/apps/${slug}/`,
  );
}

function checked(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed !== undefined && !REFUSED_SCHEMES.has(parsed.protocol)) return url;
  throw new UserError(`the app leads to ${goQuote(url)}, which is not opened`, {
    hint: "Look at the app in the template, or in the dashboard",
  });
}

/** A folder of the workspace: what is not absolute stands in the agent's own. Throws `UserError`. */
export function folderOf(
  asked: string,
  agent: { readonly folder: string; readonly os: string },
): string {
  if (asked === "") return agent.folder;
  if (asked === "~" || asked.startsWith("~/")) {
    throw new UserError(
      `resolve agent path: path ${
        goQuote(asked)
      } requires expansion and is not supported, use an ` +
        "absolute path instead",
    );
  }
  const isWindows = agent.os === "windows";
  const path = isWindows ? asked.replaceAll("/", "\\") : asked;
  if (isWindows ? /^(?:[A-Za-z]:)?\\/.test(path) : path.startsWith("/")) return path;
  if (agent.folder === "") {
    throw new UserError(
      `resolve agent path: path ${goQuote(asked)} not supported, use an absolute path instead`,
    );
  }
  return isWindows ? `${agent.folder}\\${path.replace(/\\$/, "")}` : joined(agent.folder, path);
}

/** As Go's `path.Join`: dots are followed. */
function joined(folder: string, path: string): string {
  const parts: string[] = [];
  for (const part of `${folder}/${path}`.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}
