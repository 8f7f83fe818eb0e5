/** Applications of a workspace, and the ways to them (docs/protocol/api.md#agent, #deployment-and-users). */
import * as v from "valibot";
import type { CoderClient } from "./client.ts";
import { FLAG, list, NEEDED_TEXT, TEXT } from "./model_parts.ts";
import { segment } from "./url.ts";
import type { CallOptions } from "./workspaces.ts";

const APP = v.object({
  slug: NEEDED_TEXT,
  url: TEXT,
  external: FLAG,
  command: TEXT,
  subdomain: FLAG,
  subdomain_name: TEXT,
});

export interface App {
  readonly slug: string;
  /** Of an external one: where it leads. */
  readonly url: string;
  readonly isExternal: boolean;
  /** It is a command in a terminal. */
  readonly isCommand: boolean;
  /** Its name among the deployment's; empty for one that has none. */
  readonly subdomain: string;
}

/** The apps of an agent, sorted by their slug. */
export async function getApps(
  client: CoderClient,
  agentId: string,
  options: CallOptions = {},
): Promise<readonly App[]> {
  const schema = v.object({ apps: list(APP) });
  const { apps } = await client.get(`/workspaceagents/${segment(agentId)}`, schema, options);
  return apps.map((app) => ({
    slug: app.slug,
    url: app.url,
    isExternal: app.external,
    isCommand: app.command !== "",
    subdomain: app.subdomain ? app.subdomain_name : "",
  })).toSorted((a, b) => a.slug < b.slug ? -1 : 1);
}

export interface Region {
  readonly name: string;
  /** Where apps are that go by a path. */
  readonly path_app_url: string;
  /** `*.apps.example.com`; empty for none. */
  readonly wildcard_hostname: string;
}

const REGIONS = v.object({
  regions: list(v.object({ name: NEEDED_TEXT, path_app_url: TEXT, wildcard_hostname: TEXT })),
});

export async function getRegions(
  client: CoderClient,
  options: CallOptions = {},
): Promise<readonly Region[]> {
  return (await client.get("/regions", REGIONS, options)).regions;
}
