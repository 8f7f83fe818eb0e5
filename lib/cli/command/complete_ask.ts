/** How completion asks a deployment: in the time that people wait for a tabulator key, and without a word when it fails. */
import { ExpectedError } from "../../base/errors.ts";
import type { Host } from "../../base/host.ts";
import { SILENT_LOG } from "../../base/log.ts";
import type { CoderClient } from "../../coder/client.ts";
import { createClient } from "../config/client.ts";
import { type Configuration, readConfiguration } from "../config/config.ts";
import type { GlobalOptions } from "../grammar/flags_global.ts";

/** Longer than this nobody waits for a tabulator key. */
const LIMIT_MS = 2_000;

/** What the line so far says. */
export interface CompletionAsking {
  readonly global: GlobalOptions;
  /** The full name, e.g. `hawser ssh`. */
  readonly command: string;
}

/** What `ask` is handed. */
export interface CompletionClient {
  readonly configuration: Configuration;
  readonly client: CoderClient;
  readonly signal: AbortSignal;
}

/** What `ask` gives; `undefined` when it cannot in time. Throws for bugs alone. */
export async function askInTime<Answer>(
  host: Host,
  { global, command }: CompletionAsking,
  ask: (around: CompletionClient) => Promise<Answer>,
): Promise<Answer | undefined> {
  const limit = new AbortController();
  const done = new AbortController();
  const { signal } = limit;
  const watchdog = host.clock.sleep(LIMIT_MS, done.signal).then(
    () => limit.abort(new DOMException("too slow for a completion", "TimeoutError")),
    () => {}, // the answer came first
  );
  try {
    const configuration = await readConfiguration(host, global, signal);
    const client = createClient(host, { configuration, command, log: SILENT_LOG });
    return await ask({ configuration, client, signal });
  } catch (error) {
    if (!signal.aborted && !(error instanceof ExpectedError)) throw error;
    return undefined;
  } finally {
    done.abort();
    await watchdog;
  }
}
