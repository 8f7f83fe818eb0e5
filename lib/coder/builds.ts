/** Endpoints of builds (docs/protocol/api.md#reading, #build-logs). */
import type { CoderClient } from "./client.ts";
import type { TextStream } from "../base/http.ts";
import { BUILD_LOG, type BuildLog } from "./log_stream.ts";
import { list } from "./model_parts.ts";
import { segment } from "./url.ts";
import { BUILD, type Build } from "./workspace_model.ts";
import type { CallOptions } from "./workspaces.ts";

export async function getBuild(
  client: CoderClient,
  buildId: string,
  options: CallOptions = {},
): Promise<Build> {
  return await client.get(`/workspacebuilds/${segment(buildId)}`, BUILD, options);
}

/** A build by its number, which counts from 1 for each workspace. Throws `ApiError` 404 for none. */
export async function getBuildByNumber(
  client: CoderClient,
  of: { readonly owner: string; readonly name: string; readonly number: number },
  options: CallOptions = {},
): Promise<Build> {
  const path = `/users/${segment(of.owner)}/workspace/${segment(of.name)}/builds/${of.number}`;
  return await client.get(path, BUILD, options);
}

/** The log so far. */
export async function getBuildLogs(
  client: CoderClient,
  buildId: string,
  options: LogOptions = {},
): Promise<readonly BuildLog[]> {
  const { after = 0, signal } = options;
  const path = `/workspacebuilds/${segment(buildId)}/logs`;
  return await client.get(path, list(BUILD_LOG), { query: { after }, signal }) ?? [];
}

export interface LogOptions extends CallOptions {
  /** Only lines with a greater id. @default 0, all */
  readonly after?: number;
}

/** The log from `after` on, as it is written: one message is one line, for `parseBuildLog`. */
export async function followBuildLogs(
  client: CoderClient,
  buildId: string,
  options: LogOptions = {},
): Promise<TextStream> {
  const { after = 0, signal } = options;
  return await client.openTextStream(`/workspacebuilds/${segment(buildId)}/logs`, {
    query: { follow: true, after },
    signal,
  });
}
