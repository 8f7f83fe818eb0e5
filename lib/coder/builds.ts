/** Endpoints of builds (docs/protocol/api.md#reading, #build-logs). */
import type { CoderClient } from "./client.ts";
import type { TextStream } from "../base/http.ts";
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
