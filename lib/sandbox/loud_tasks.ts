/**
 * Work that goes on in the background and has an owner who waits for its end. What it rejects with ends the program: a demo that went on
 * without a part of it would only puzzle. (`Tasks` of `lib/io/tasks.ts` tell their owner instead.)
 */

/** A fault of this program: nobody can live on without the part that failed, so the program ends with the stack. */
export function failLoudly(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}

export class LoudTasks {
  readonly #running = new Set<Promise<void>>();

  /** Takes responsibility for `work`: a rejection is told by `settled`, so work should not reject for what peers do. */
  run(work: Promise<void>): void {
    const running = work.finally(() => this.#running.delete(running));
    // Told again by `settled` if it is still waited for; a failure before that must not go unheard either.
    running.catch(failLoudly);
    this.#running.add(running);
  }

  /** Resolves when nothing runs any more, what was begun meanwhile included. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.allSettled(this.#running);
  }
}
