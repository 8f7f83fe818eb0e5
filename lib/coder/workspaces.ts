/** Endpoints of workspaces and templates that a session needs (docs/protocol/api.md#reading, #making-a-build). */
import * as v from "valibot";
import type { CoderClient } from "./client.ts";
import { isAtLeast } from "../base/version.ts";
import { ID, list, TEXT } from "./model_parts.ts";
import { segment } from "./url.ts";
import { BUILD, type Build, WORKSPACE, type Workspace, WORKSPACE_LIST } from "./workspace_model.ts";

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

/** `owner` is `me`, a user name or a UUID. Throws `ApiError` 404 for none. */
export async function getWorkspaceByName(
  client: CoderClient,
  id: { readonly owner: string; readonly name: string },
  options: CallOptions = {},
): Promise<Workspace> {
  const path = `/users/${segment(id.owner)}/workspace/${segment(id.name)}`;
  return await client.get(path, WORKSPACE, { ...options, query: { include_deleted: false } });
}

export async function getWorkspace(
  client: CoderClient,
  workspaceId: string,
  options: CallOptions = {},
): Promise<Workspace> {
  return await client.get(`/workspaces/${segment(workspaceId)}`, WORKSPACE, options);
}

export interface ListOptions extends CallOptions {
  /** How many are passed over. @default 0 */
  readonly offset?: number;
  /** How many at most. @default as many as the server likes */
  readonly limit?: number;
}

/** The workspaces that a search finds, e.g. `owner:"me"`. */
export async function listWorkspaces(
  client: CoderClient,
  search: string,
  options: ListOptions = {},
): Promise<readonly Workspace[]> {
  const { offset, limit, ...call } = options;
  const found = await client.get("/workspaces", WORKSPACE_LIST, {
    ...call,
    query: {
      q: search,
      ...(offset === undefined ? {} : { offset }),
      ...(limit === undefined ? {} : { limit }),
    },
  });
  return found.workspaces;
}

const PAGE_SIZE = 100;
/** More than anybody has: a server whose pages never end is given up there. */
const MAX_WORKSPACES = 10_000;

/** All workspaces that a search finds, page by page. */
export async function listAllWorkspaces(
  client: CoderClient,
  search: string,
  options: CallOptions = {},
): Promise<readonly Workspace[]> {
  const all: Workspace[] = [];
  while (all.length < MAX_WORKSPACES) {
    const limits = { offset: all.length, limit: PAGE_SIZE };
    const page = await listWorkspaces(client, search, { ...options, ...limits });
    all.push(...page);
    if (page.length < PAGE_SIZE) break;
  }
  return all;
}

export interface TemplateVersion {
  readonly id: string;
  readonly name: string;
  /** `UNSUPPORTED_WORKSPACES` and the like. */
  readonly warnings: readonly string[];
}

const TEMPLATE_VERSION = v.object({ id: ID, name: TEXT, warnings: list(v.string()) });

export async function getTemplateVersion(
  client: CoderClient,
  versionId: string,
  options: CallOptions = {},
): Promise<TemplateVersion> {
  return await client.get(`/templateversions/${segment(versionId)}`, TEMPLATE_VERSION, options);
}

const TEMPLATE = v.object({ id: ID, active_version_id: ID });

/** The version of a template that new builds should use. */
export async function getActiveVersionId(
  client: CoderClient,
  templateId: string,
  options: CallOptions = {},
): Promise<string> {
  const template = await client.get(`/templates/${segment(templateId)}`, TEMPLATE, options);
  return template.active_version_id;
}

export interface BuildParameter {
  readonly name: string;
  readonly value: string;
}

export interface NewBuild extends CallOptions {
  readonly transition: "start" | "stop";
  /** @default that of the last build */
  readonly templateVersionId?: string;
  /** Those that change; the others stay those of the last build. @default none changes */
  readonly parameters?: readonly BuildParameter[];
  /** Who wants it, in the server's words. @default nobody says */
  readonly reason?: string;
  /** Of the provisioner's log. @default as the deployment has it */
  readonly logLevel?: "debug";
}

/**
 * Begins a build. Throws `ApiError` 409 when one is active already, 403 when the template wants its active version
 * (docs/protocol/api.md#making-a-build).
 */
export async function createBuild(
  client: CoderClient,
  workspaceId: string,
  options: NewBuild,
): Promise<Build> {
  const { signal, transition, templateVersionId, parameters = [], reason, logLevel } = options;
  // Servers before v2.25.0 know none of today's reasons and refuse unknown ones.
  const takesReason = reason !== undefined && isAtLeast(client.serverVersion, "v2.25.0");
  return await client.request("POST", `/workspaces/${segment(workspaceId)}/builds`, {
    schema: BUILD,
    signal,
    body: {
      transition,
      ...(templateVersionId === undefined ? {} : { template_version_id: templateVersionId }),
      ...(parameters.length === 0 ? {} : { rich_parameter_values: parameters }),
      ...(takesReason ? { reason } : {}),
      ...(logLevel === undefined ? {} : { log_level: logLevel }),
    },
  });
}

/** Wakes a dormant workspace. */
export async function activateWorkspace(
  client: CoderClient,
  workspaceId: string,
  options: CallOptions = {},
): Promise<void> {
  const isOld = !isAtLeast(client.serverVersion, "v2.1.4");
  await client.send("PUT", `/workspaces/${segment(workspaceId)}/${isOld ? "lock" : "dormant"}`, {
    ...options,
    body: isOld ? { lock: false } : { dormant: false },
  });
}

export interface UsageOptions extends CallOptions {
  readonly agentId: string;
  /** `undefined`: no program that the deployment counts by its name. */
  readonly appName: "ssh" | "vscode" | "jetbrains" | "reconnecting-pty" | undefined;
}

/** Tells the server that the workspace is in use (docs/protocol/ssh.md#usage-heartbeat). */
export async function postUsage(
  client: CoderClient,
  workspaceId: string,
  options: UsageOptions,
): Promise<void> {
  const { agentId, appName, signal } = options;
  await client.send("POST", `/workspaces/${segment(workspaceId)}/usage`, {
    signal,
    ...(appName === undefined ? {} : { body: { agent_id: agentId, app_name: appName } }),
  });
}
