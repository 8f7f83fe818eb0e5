/**
 * When a failed step of connecting is tried again (docs/protocol/ssh.md#retries).
 * A pure policy and a thin loop around it. Data transfer is never retried here.
 */
import type { Instant } from "../base/core.ts";
import { ApiError, findCause } from "./errors.ts";
import { TransportError } from "../base/http.ts";

const MAX_ATTEMPTS = 10;
const RETRY_DELAY_MS = 2_000;
/** Before anything ever answered, a wrong URL is likelier than a hiccup. */
const FIRST_CONTACT_ATTEMPTS = 3;
const FIRST_CONTACT_MS = 5_000;
const MAX_RETRY_AFTER_MS = 60_000;

/** Whether the failure may pass by itself: the socket layer's, or the server's own (status ≥ 500). */
export function isRetryable(error: unknown): boolean {
  const transport = findCause(error, TransportError);
  if (transport !== undefined) return isPassing(transport);
  const api = findCause(error, ApiError);
  // Deviation: 429 as well; upstream gives up where waiting would help (docs/protocol/api.md#errors).
  return api !== undefined && (api.status >= 500 || api.status === 429);
}

function isPassing(error: TransportError): boolean {
  switch (error.code) {
    case "unknown-host":
    case "refused":
    case "unreachable":
    case "timeout":
    case "reset":
      return true;
    case "unknown-authority":
    case "certificate-time":
    case "tls":
    case "no-tls":
    case "too-large":
    case "not-permitted":
    case "other":
      return false;
  }
}

export interface RetryPolicyOptions {
  /** Tries in all. @default 10 */
  readonly attempts?: number;
  /** Pause between them. @default 2000 */
  readonly delayMs?: number;
}

/** Counts the tries of one step. */
export class RetryPolicy {
  readonly #attempts: number;
  readonly #delayMs: number;
  #failures = 0;
  #startedAt: Instant | undefined;

  constructor(options: RetryPolicyOptions = {}) {
    this.#attempts = options.attempts ?? MAX_ATTEMPTS;
    this.#delayMs = options.delayMs ?? RETRY_DELAY_MS;
  }

  /** Should be called before the first try. */
  start(now: Instant): void {
    this.#startedAt = now;
  }

  /** After a failure: how long to pause before the next try, or `undefined` to give up. */
  handleFailure(
    error: unknown,
    context: { readonly now: Instant; readonly hasAnswered: boolean },
  ): number | undefined {
    this.#failures++;
    if (!isRetryable(error) || this.#failures >= this.#attempts) return undefined;
    if (!context.hasAnswered && findCause(error, TransportError) !== undefined) {
      const elapsedMs = context.now - (this.#startedAt ?? context.now);
      const isLate = elapsedMs + this.#delayMs > FIRST_CONTACT_MS;
      if (this.#failures >= FIRST_CONTACT_ATTEMPTS || isLate) return undefined;
    }
    const askedMs = findCause(error, ApiError)?.retryAfterMs ?? 0;
    return Math.max(this.#delayMs, Math.min(askedMs, MAX_RETRY_AFTER_MS));
  }
}

export interface RetryOptions extends RetryPolicyOptions {
  readonly now: () => Instant;
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
  /** Whether any server has answered yet; asked at each failure. */
  readonly hasAnswered: () => boolean;
  /** Told before each pause, so that it is no silent one. */
  readonly onRetry?: (error: unknown, delayMs: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/** Runs `attempt` until it succeeds or the policy gives up; then the last error is thrown untouched. */
export async function withRetries<T>(
  attempt: () => Promise<T>,
  options: RetryOptions,
): Promise<T> {
  const { now, sleep, hasAnswered, onRetry, signal } = options;
  const policy = new RetryPolicy(options);
  policy.start(now());
  for (;;) {
    signal?.throwIfAborted();
    try {
      return await attempt();
    } catch (error) {
      if (signal?.aborted === true) throw error;
      const delayMs = policy.handleFailure(error, { now: now(), hasAnswered: hasAnswered() });
      if (delayMs === undefined) throw error;
      onRetry?.(error, delayMs);
      await sleep(delayMs, signal);
    }
  }
}
