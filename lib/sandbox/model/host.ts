/** What the model is handed by the sandbox that owns it. */
import type { Clock, Random } from "../../base/core.ts";
import type { SandboxCoordinator } from "../net/coordinator.ts";
import type { SandboxRelay } from "../net/relay.ts";
import type { LoudTasks } from "../loud_tasks.ts";
import type { HostKeyType } from "../ssh/host_key.ts";
import type { LogNumbers } from "./log_book.ts";

export interface ModelHost {
  readonly clock: Clock;
  readonly random: Random;
  readonly logNumbers: LogNumbers;
  readonly tasks: LoudTasks;
  readonly relay: SandboxRelay;
  readonly coordinator: SandboxCoordinator;
  readonly url: URL;
  /** Sent to the relay by agents, so that faults spare them. */
  readonly agentHeaders: readonly (readonly [string, string])[];
  readonly hostKeyType: HostKeyType;
  /** The server's version, e.g. `v2.36.0`. */
  version(): string;
  /** Whether agents that start now can be reached without a relay. */
  isDirect(): boolean;
  /** A fresh UUID. */
  newId(): string;
  wallMs(): number;
  /** Whether the sandbox stops, or has stopped: nothing begins any more. */
  readonly isStopping: boolean;
  /** Waits; returns early when the sandbox stops. */
  pause(ms: number): Promise<void>;
}
