/** Endpoints of the deployment (http-api §8). */
import * as v from "valibot";
import type { CoderClient } from "./client.ts";
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
