/** What the commands about workspaces have in common: configuration, client, signals. */
import type { Host } from "../../base/host.ts";
import type { CoderClient } from "../../coder/client.ts";
import { type Log, SILENT_LOG } from "../../base/log.ts";
import { createClient } from "../config/client.ts";
import { type Configuration, readConfiguration } from "../config/config.ts";
import type { GlobalOptions } from "../grammar/flags_global.ts";
import { ExitError } from "../terminal/errors.ts";
import { isAbort } from "../terminal/report_error.ts";
import { createSteps, type Steps } from "../ready/steps.ts";
import { Interrupt } from "../terminal/interrupt.ts";
import type { Progress } from "../terminal/progress.ts";
import { timelineLog } from "../terminal/timeline.ts";

/** The part of an invocation that says who asks, and how. */
export interface Asking {
  readonly host: Host;
  /** The full name, e.g. `hawser list`. */
  readonly name: string;
  readonly global: GlobalOptions;
  readonly progress: Progress;
}

export interface Surroundings {
  readonly configuration: Configuration;
  readonly client: CoderClient;
  readonly steps: Steps;
  readonly interrupt: Interrupt;
}

/**
 * Runs `body` with a client that signals interrupt. What a signal called off ends as if the signal had ended the program, which is what it
 * does to commands that listen for none, and to the official ones: 128 and its number.
 */
export async function withClient(
  { host, name, global, progress }: Asking,
  body: (around: Surroundings) => Promise<number>,
): Promise<number> {
  using interrupt = new Interrupt(host);
  try {
    return await runWith({ host, name, global, progress }, interrupt, body);
  } catch (error) {
    if (interrupt.exitCode === undefined || !isAbort(error)) throw error;
    throw new ExitError(interrupt.exitCode);
  }
}

async function runWith(
  { host, name, global, progress }: Asking,
  interrupt: Interrupt,
  body: (around: Surroundings) => Promise<number>,
): Promise<number> {
  const configuration = await readConfiguration(host, global, interrupt.signal);
  const log: Log = global.verbose
    ? timelineLog({ clock: host.clock, progress, startedAt: 0 })
    : SILENT_LOG;
  const client = createClient(host, {
    configuration,
    command: name,
    log: log.child("api"),
    ...(global.debugHttp ? { onHttp: (line: string) => progress.line(line) } : {}),
  });
  const steps = createSteps({ host, client, progress, log, signal: interrupt.signal });
  return await body({ configuration, client, steps, interrupt });
}
