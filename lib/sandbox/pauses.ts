/** Waiting that ends early when its owner does. */

export class Pauses {
  readonly #waits = new Map<ReturnType<typeof setTimeout>, () => void>();
  #isOver = false;

  get isOver(): boolean {
    return this.#isOver;
  }

  pause(ms: number): Promise<void> {
    if (this.#isOver) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#waits.delete(timer);
        resolve();
      }, ms);
      this.#waits.set(timer, resolve);
    });
  }

  /** Ends all waits, now and from now on. */
  end(): void {
    this.#isOver = true;
    for (const [timer, resolve] of this.#waits) {
      clearTimeout(timer);
      resolve();
    }
    this.#waits.clear();
  }
}
