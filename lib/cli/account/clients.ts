/** The API client of the account commands: the same deployment, with one token or another. */
import { SILENT_LOG } from "../../base/log.ts";
import type { CoderClient } from "../../coder/client.ts";
import { createClient } from "../config/client.ts";
import type { Configuration } from "../config/config.ts";
import type { GlobalOptions } from "../grammar/flags_global.ts";
import type { Host } from "../../base/host.ts";
import type { Progress } from "../terminal/progress.ts";
import { timelineLog } from "../terminal/timeline.ts";

export interface ClientMaker {
  readonly host: Host;
  readonly name: string;
  readonly global: GlobalOptions;
  readonly progress: Progress;
}

export function accountClient(maker: ClientMaker, configuration: Configuration): CoderClient {
  const { host, name, global, progress } = maker;
  const timeline = { clock: host.clock, progress, startedAt: 0 };
  return createClient(host, {
    configuration,
    command: name,
    log: global.verbose ? timelineLog(timeline) : SILENT_LOG,
    ...(global.debugHttp ? { onHttp: (line) => progress.line(line) } : {}),
  });
}
