/** Who wants to know of a change. Told once for any number of changes in one turn of the loop. */

export class Observers {
  readonly #observers = new Set<() => void>();
  #isScheduled = false;

  /** Calls `observer` after changes, until the returned function is called. */
  add(observer: () => void): () => void {
    this.#observers.add(observer);
    return () => this.#observers.delete(observer);
  }

  notify(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      for (const observer of [...this.#observers]) observer();
    });
  }

  /** Resolves when `isReached` holds, which is asked now and after every change; rejects with the signal's reason. */
  async until(isReached: () => boolean, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (isReached()) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const remove = this.add(() => {
      if (isReached()) resolve();
    });
    const onAbort = () => reject(signal?.reason);
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      await promise;
    } finally {
      remove();
      signal?.removeEventListener("abort", onAbort);
    }
  }
}
