/** The API client of a command: configuration and host put together. */
import type { Log } from "../../base/log.ts";
import { CoderClient } from "../../coder/client.ts";
import type { Configuration } from "./config.ts";
import { debugHttp } from "./debug_http.ts";
import type { Host } from "../../base/host.ts";
import { VERSION } from "../version.ts";

export interface ClientOptions {
  readonly configuration: Configuration;
  /** e.g. `hawser ssh`. */
  readonly command: string;
  readonly log: Log;
  /** Told each line of every exchange, `--debug-http`. @default nobody is */
  readonly onHttp?: (line: string) => void;
}

export function createClient(host: Host, options: ClientOptions): CoderClient {
  const { configuration, command, log, onHttp } = options;
  const transport = host.network(configuration.network);
  return new CoderClient({
    url: configuration.url,
    ...(configuration.token === undefined ? {} : { token: configuration.token }),
    headers: configuration.headers,
    transport: onHttp === undefined ? transport : debugHttp(transport, onHttp),
    userAgent: userAgentOf(host, command),
    sleep: (ms, signal) => host.clock.sleep(ms, signal),
    log,
  });
}

/** What every request of a command calls itself, `hawser ssh` say; relays and coordinators are told the same. */
export function userAgentOf(host: Pick<Host, "os" | "arch">, command: string): string {
  return `hawser/${VERSION} (${host.os}/${host.arch}; ${command})`;
}
