/** Work that goes on beside its owner, who waits for its end and hears of its mistakes. */
export class Tasks {
  readonly #running = new Set<Promise<void>>();
  readonly #onFault: () => void;
  #fault: { readonly error: unknown } | undefined;

  /** `onFault` is called at the first rejection, so that the rest can be ended. */
  constructor(onFault: () => void) {
    this.#onFault = onFault;
  }

  /** Whatever `task` rejects with is a mistake of ours, and told by `ended`. */
  add(task: Promise<void>): void {
    const watched = this.#watch(task);
    this.#running.add(watched);
    const forget = () => this.#running.delete(watched);
    watched.then(forget); // never rejects
  }

  /** Resolves when none runs any more. Rejects with the first mistake. */
  async ended(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
    if (this.#fault !== undefined) throw this.#fault.error;
  }

  async #watch(task: Promise<void>): Promise<void> {
    try {
      await task;
    } catch (error) {
      if (this.#fault !== undefined) return;
      this.#fault = { error };
      this.#onFault();
    }
  }
}
