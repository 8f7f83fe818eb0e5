/**
 * Warnings before connecting (docs/protocol/ssh.md#warnings-before-connecting, #global-flags): retired flags, versions, licences, legacy and outdated workspaces.
 * To terminals only: in a pipe they would clutter every ssh, scp and rsync. None of them ends the command.
 */
import { ExpectedError } from "../../base/errors.ts";
import { trimEnd } from "../../base/trim.ts";
import { isAtLeast, isUnversioned, parseVersion, releaseOf } from "../../base/version.ts";
import { type BuildInfo, getBuildInfo, getDocsUrl } from "../../coder/deployment.ts";
import { stripToLine } from "../../coder/text.ts";
import { webUrl } from "../../coder/url.ts";
import { versionMismatch } from "../../coder/version.ts";
import type { Build, Workspace } from "../../coder/workspace_model.ts";
import { getTemplateVersion } from "../../coder/workspaces.ts";
import type { Steps } from "./steps.ts";

const LEGACY = "👋 Your workspace uses legacy parameters which are not supported anymore. " +
  "Contact your administrator for assistance.";
const RELEASES = "https://github.com/coder/coder/releases";
const DEFAULT_DOCS = "https://coder.com/docs";

/** Legacy parameters first, an outdated workspace second; both before any line of the agent's. */
export async function warnAboutWorkspace(
  steps: Steps,
  target: { readonly workspace: Workspace; readonly build: Build },
): Promise<void> {
  const { client, progress, signal } = steps;
  if (!progress.isTerminal) return;
  const version = await optional(
    steps,
    () => getTemplateVersion(client, target.build.templateVersionId, { signal }),
  );
  if (version?.warnings.includes("UNSUPPORTED_WORKSPACES") === true) progress.line(LEGACY);
  const banner = outdatedBanner(client.url, target.workspace);
  if (banner === undefined) return;
  progress.line(banner);
  progress.line("");
}

/** The banner, behind which upstream has an empty line; `undefined` for a workspace that is up to date. */
export function outdatedBanner(deployment: URL, workspace: Workspace): string | undefined {
  if (!workspace.outdated) return undefined;
  const link = workspaceLink(deployment, workspace);
  return `👋 Your workspace is outdated! Update it here: ${link}`;
}

/** The workspace's page. Keeps a path in the deployment's URL, which upstream loses (docs/protocol/ssh.md#what-we-do-otherwise). */
export function workspaceLink(
  deployment: URL,
  workspace: Pick<Workspace, "ownerName" | "name">,
): string {
  const base = new URL(deployment);
  base.username = "";
  base.password = "";
  base.search = "";
  base.hash = "";
  if (!base.pathname.endsWith("/")) base.pathname += "/";
  const { ownerName, name } = workspace;
  return new URL(`@${encodeURIComponent(ownerName)}/${encodeURIComponent(name)}`, base).href;
}

export interface ServerWarningOptions {
  readonly noVersionWarning: boolean;
  readonly noFeatureWarning: boolean;
  /** Our own version. */
  readonly version: string;
}

/** What the answers so far told about the server, each once. Call it after the first answer. */
export async function warnAboutServer(steps: Steps, options: ServerWarningOptions): Promise<void> {
  const { client, host, progress, signal } = steps;
  if (!progress.isTerminal) return;
  if (!options.noFeatureWarning) {
    for (const warning of client.entitlementWarnings) progress.line(warning);
  }
  const mismatch = options.noVersionWarning
    ? undefined
    : versionMismatch(`v${options.version}`, client.serverVersion);
  if (mismatch === undefined || client.serverVersion === undefined) return;
  progress.line(mismatch);
  const info = await optional(steps, () => getBuildInfo(client, { signal }));
  progress.line(downloadLine(host.os, client.serverVersion, info));
}

/** Where to get a client that fits (docs/protocol/ssh.md#global-flags). */
export function downloadLine(os: string, server: string, info: BuildInfo | undefined): string {
  if (info !== undefined && info.upgradeMessage !== "") return stripToLine(info.upgradeMessage);
  const parsed = parseVersion(server);
  if (parsed === undefined) return `download it from: ${RELEASES}`;
  const version = releaseOf(parsed);
  const bare = version.slice(1);
  const dashboard = pasteable(info?.dashboardUrl ?? "");
  if (dashboard !== undefined && isAtLeast(server, "v2.19.0")) {
    return `download ${version} with: 'curl -fsSL ${dashboard}/install.sh | sh'`;
  }
  if (os === "windows") {
    return `download the server version from: ${RELEASES}/${version}`;
  }
  return "download the server version with: " +
    `'curl -L https://coder.com/install.sh | sh -s -- --version ${bare}'`;
}

/**
 * A URL without its last slash, fit to stand in a command that somebody copies into a shell; `undefined` when it is no
 * web address or has a character that a shell could take for its own.
 */
function pasteable(text: string): string | undefined {
  const url = webUrl(text);
  return /^[A-Za-z0-9:/.[\]_~%-]+$/.test(url) ? trimEnd(url, "/") : undefined;
}

/** Where the documentation is, without slash at the end: the deployment's word, else the public one of its version. */
export async function findDocsUrl(steps: Steps): Promise<string> {
  const { client, signal } = steps;
  const own = await optional(steps, () => getDocsUrl(client, { signal }));
  if (own !== undefined && own !== "") return trimEnd(own, "/");
  return publicDocsUrl(client.serverVersion);
}

export function publicDocsUrl(server: string | undefined): string {
  const version = server === undefined ? undefined : parseVersion(server);
  if (version === undefined || version.prerelease !== "") return DEFAULT_DOCS;
  return isUnversioned(version) ? DEFAULT_DOCS : `${DEFAULT_DOCS}/@${releaseOf(version)}`;
}

/** A request whose failure only goes to the log. */
async function optional<T>(steps: Steps, request: () => Promise<T>): Promise<T | undefined> {
  try {
    return await request();
  } catch (error) {
    if (steps.signal.aborted || !(error instanceof ExpectedError)) throw error;
    steps.log.debug("optional request failed", {
      error: error.message,
    });
    return undefined;
  }
}
