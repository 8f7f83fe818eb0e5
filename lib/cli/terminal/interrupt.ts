/** Signals that end a command: they abort what it waits for, and are remembered for the exit code. */
import type { Host, SignalName } from "../../base/host.ts";

const NUMBERS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;
type EndingSignal = keyof typeof NUMBERS;
const ENDING: readonly EndingSignal[] = ["SIGHUP", "SIGINT", "SIGTERM"];

export class Interrupt implements Disposable {
  readonly #controller = new AbortController();
  readonly #stopListening: (() => void)[] = [];
  #received: EndingSignal | undefined;

  /** Listens until disposed. */
  constructor(host: Pick<Host, "onSignal">) {
    for (const name of ENDING) {
      this.#stopListening.push(host.onSignal(name satisfies SignalName, () => this.#handle(name)));
    }
  }

  /** Aborted at the first such signal, or by `cancel`. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** 128 + the signal's number; `undefined` when none came. */
  get exitCode(): number | undefined {
    return this.#received === undefined ? undefined : 128 + NUMBERS[this.#received];
  }

  /** The signal that came, without `SIG`, as SSH names it. */
  get signalName(): string | undefined {
    return this.#received?.slice("SIG".length);
  }

  /** Aborts with a reason of the program's own. */
  cancel(reason: unknown): void {
    this.#controller.abort(reason);
  }

  #handle(name: EndingSignal): void {
    this.#received ??= name;
    this.#controller.abort(new DOMException(`Interrupted by ${name}`, "AbortError"));
  }

  [Symbol.dispose](): void {
    for (const stop of this.#stopListening.splice(0)) stop();
  }
}
