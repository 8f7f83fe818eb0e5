/** Endpoints of the deployment (docs/protocol/api.md#deployment-and-users). */
import * as v from "valibot";
import type { CoderClient } from "./client.ts";
import { ApiError } from "./errors.ts";
import { FLAG, TEXT, WEB_URL } from "./model_parts.ts";
import type { CallOptions } from "./workspaces.ts";

const BUILD_INFO = v.pipe(
  v.object({
    version: v.string(),
    dashboard_url: WEB_URL,
    upgrade_message: TEXT,
    workspace_proxy: FLAG,
  }),
  v.transform((wire): BuildInfo => ({
    version: wire.version,
    dashboardUrl: wire.dashboard_url,
    upgradeMessage: wire.upgrade_message,
    isWorkspaceProxy: wire.workspace_proxy,
  })),
);

export interface BuildInfo {
  readonly version: string;
  readonly dashboardUrl: string;
  readonly upgradeMessage: string;
  /** The URL is that of a workspace proxy, not of the deployment. */
  readonly isWorkspaceProxy: boolean;
}

/** Needs no token. */
export async function getBuildInfo(
  client: CoderClient,
  options: CallOptions = {},
): Promise<BuildInfo> {
  return await client.get("/buildinfo", BUILD_INFO, options);
}

const APPEARANCE = v.object({ docs_url: WEB_URL });

/** Where the deployment's documentation is; empty when it does not say. 404 on builds without a licence. */
export async function getDocsUrl(client: CoderClient, options: CallOptions = {}): Promise<string> {
  return (await client.get("/appearance", APPEARANCE, options)).docs_url;
}

/** How users' own SSH programs are to reach workspaces. */
export interface SshSettings {
  /** Before workspaces' names; empty for none. */
  readonly hostnamePrefix: string;
  /** Behind workspaces' names, without its dot; empty for none. */
  readonly hostnameSuffix: string;
  /** Lines of ssh_config by keyword. */
  readonly options: ReadonlyMap<string, string>;
}

const SSH_SETTINGS = v.pipe(
  v.object({
    hostname_prefix: TEXT,
    hostname_suffix: TEXT,
    ssh_config_options: v.nullish(v.record(v.string(), v.string()), {}),
  }),
  v.transform((wire): SshSettings => ({
    hostnamePrefix: wire.hostname_prefix,
    hostnameSuffix: wire.hostname_suffix,
    options: new Map(Object.entries(wire.ssh_config_options)),
  })),
);

/** What servers say that do not know the question yet: those before v0.20. */
const OLD_SSH_SETTINGS: SshSettings = {
  hostnamePrefix: "coder.",
  hostnameSuffix: "",
  options: new Map(),
};

export async function getSshSettings(
  client: CoderClient,
  options: CallOptions = {},
): Promise<SshSettings> {
  try {
    return await client.get("/deployment/ssh", SSH_SETTINGS, options);
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return OLD_SSH_SETTINGS;
    throw error;
  }
}
