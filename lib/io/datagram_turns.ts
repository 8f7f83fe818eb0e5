/** What reading and sending datagrams have in common: turns of the event loop, and which errors are the network's. */

/** Datagrams that come or go by calls that the event loop knows nothing of, before all others have their turn. */
export const MAX_UNBROKEN = 512;

/** Other sockets, timers and files have theirs. */
export function eventLoopTurn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

/** Errors of the system's calls carry its code; what the runtime refuses, and a socket that we closed, have a class. */
export function isSystemError(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return "code" in error || error instanceof Deno.errors.BadResource ||
    error instanceof Deno.errors.Interrupted || error instanceof Deno.errors.NotCapable;
}
