/**
 * What a session opened, closed in reverse order with a limit for each (behaviour §2.8): one that hangs delays those below
 * it by two seconds and keeps none of them from being closed.
 */
import { messageOf } from "../../base/errors.ts";
import { type Log, SILENT_LOG } from "../../base/log.ts";
import { StepError } from "../../coder/errors.ts";
import type { HostClock } from "../../base/host.ts";

export interface CloserStackOptions {
  readonly clock: HostClock;
  /** @default silent */
  readonly log?: Log;
  /** How long an item may take before the next one is closed anyway. @default 2_000 */
  readonly limitMs?: number;
  /** Closes the stack when raised; its reason is the cause. @default never */
  readonly signal?: AbortSignal;
}

type Close = () => void | Promise<void>;

interface Item {
  readonly name: string;
  readonly close: Close;
}

type State =
  | { readonly kind: "open"; readonly items: Item[] }
  | { readonly kind: "closed"; readonly cause: unknown; readonly done: Promise<void> };

const LIMIT_MS = 2_000;

export class CloserStack implements AsyncDisposable {
  readonly #options: Required<Omit<CloserStackOptions, "signal">>;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort = () => void this.close(this.#signal?.reason);
  #state: State = { kind: "open", items: [] };

  constructor(options: CloserStackOptions) {
    this.#options = { log: SILENT_LOG, limitMs: LIMIT_MS, ...options };
    this.#signal = options.signal;
    this.#signal?.addEventListener("abort", this.#onAbort, { once: true });
    if (this.#signal?.aborted === true) this.#onAbort();
  }

  get isClosed(): boolean {
    return this.#state.kind === "closed";
  }

  /** Puts an item on top. A stack that is closed closes the item at once and throws `already closed: <cause>`. */
  push(name: string, close: Close): void {
    if (this.#state.kind === "open") {
      this.#state.items.push({ name, close });
      return;
    }
    const { cause, done } = this.#state;
    const late = this.#closeLimited({ name, close });
    this.#state = { ...this.#state, done: Promise.all([done, late]).then(() => {}) };
    throw new StepError("already closed", cause);
  }

  /** Closes all items, the last one first. Resolves when they are closed, or were given their time; never rejects. */
  close(cause?: unknown): Promise<void> {
    if (this.#state.kind === "closed") return this.#state.done;
    this.#signal?.removeEventListener("abort", this.#onAbort);
    const items = this.#state.items.toReversed();
    const { promise: done, resolve } = Promise.withResolvers<void>();
    // Closed before the first item is: closing one may push or close again.
    this.#state = { kind: "closed", cause: cause ?? "the session is over", done };
    void this.#closeAll(items).then(resolve);
    return done;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
    // An item that came late.
    await this.close();
  }

  async #closeAll(items: readonly Item[]): Promise<void> {
    for (const item of items) await this.#closeLimited(item);
  }

  async #closeLimited(item: Item): Promise<void> {
    const { clock, limitMs } = this.#options;
    const closed = new AbortController();
    const limit = clock.sleep(limitMs, closed.signal).then(
      () => this.#options.log.warn("item of the stack is slow to close", { name: item.name }),
      () => {}, // it was closed first
    );
    const closing = this.#closeOne(item).finally(() => closed.abort());
    await Promise.race([closing, limit]);
  }

  /** Its failure is told in the log: those below are closed all the same. */
  async #closeOne({ name, close }: Item): Promise<void> {
    const { log } = this.#options;
    try {
      await close();
      log.debug("closed item from stack", { name });
    } catch (error) {
      log.error("closed item from stack", { name, error: messageOf(error) });
    }
  }
}
