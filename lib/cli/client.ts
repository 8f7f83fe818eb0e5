/** The API client of a command: configuration and host put together. */
import type { Log } from "../base/log.ts";
import { CoderClient } from "../coder/client.ts";
import type { Configuration } from "./config.ts";
import type { Host } from "./host.ts";
import { VERSION } from "./version.ts";

export interface ClientOptions {
  readonly configuration: Configuration;
  /** e.g. `hawser ssh`. */
  readonly command: string;
  readonly log: Log;
}

export function createClient(host: Host, options: ClientOptions): CoderClient {
  const { configuration, command, log } = options;
  return new CoderClient({
    url: configuration.url,
    ...(configuration.token === undefined ? {} : { token: configuration.token }),
    headers: configuration.headers,
    transport: host.network(configuration.network),
    userAgent: `hawser/${VERSION} (${host.os}/${host.arch}; ${command})`,
    sleep: (ms, signal) => host.clock.sleep(ms, signal),
    log,
  });
}
