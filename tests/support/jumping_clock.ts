/**
 * A clock for commands: time stands still while anything can run, then jumps to the next sleeper. Hours pass in a
 * millisecond. It counts on everything else being in the process: promises only, no sockets.
 */
import { clearImmediate, setImmediate } from "node:timers";
import type { HostClock } from "../../lib/base/host.ts";

interface Sleeper {
  readonly at: number;
  readonly wake: () => void;
}

/** 2026-07-24T10:00:00Z */
export const WALL_START_MS = Date.UTC(2026, 6, 24, 10);

export class JumpingClock implements HostClock {
  #now = 0;
  #sleepers: Sleeper[] = [];
  #pump: ReturnType<typeof setImmediate> | undefined;
  offsetMinutes = 0;
  /** Whether time stands still for good: for what is not in the process alone, such as modules that are loaded. */
  isStill = false;

  now(): number {
    return this.#now;
  }

  wallMs(): number {
    return WALL_START_MS + this.#now;
  }

  utcOffsetMinutes(): number {
    return this.offsetMinutes;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted === true) return Promise.reject(signal.reason);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const onAbort = () => {
      this.#remove(sleeper);
      reject(signal?.reason);
    };
    const sleeper: Sleeper = {
      at: this.#now + Math.max(0, ms),
      wake: () => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      },
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    this.#sleepers.push(sleeper);
    this.#arm();
    return promise;
  }

  /** Runs `action` after `ms` of this clock, if the test still runs then. */
  after(ms: number, action: () => void): void {
    this.#sleepers.push({ at: this.#now + ms, wake: action });
    this.#arm();
  }

  /** Forgets all sleepers; they never wake. Call it at the end of a test. */
  stop(): void {
    this.#sleepers = [];
    if (this.#pump !== undefined) clearImmediate(this.#pump);
    this.#pump = undefined;
  }

  #remove(sleeper: Sleeper): void {
    this.#sleepers = this.#sleepers.filter((other) => other !== sleeper);
    if (this.#sleepers.length === 0) this.stop();
  }

  #arm(): void {
    this.#pump ??= setImmediate(() => this.#jump());
  }

  /** One sleeper a turn: what it does may add others that are due sooner. */
  #jump(): void {
    this.#pump = undefined;
    if (this.isStill) return;
    const next = this.#sleepers.reduce<Sleeper | undefined>(
      (first, sleeper) => first === undefined || sleeper.at < first.at ? sleeper : first,
      undefined,
    );
    if (next === undefined) return;
    this.#sleepers = this.#sleepers.filter((other) => other !== next);
    this.#now = Math.max(this.#now, next.at);
    next.wake();
    if (this.#sleepers.length > 0) this.#arm();
  }
}
