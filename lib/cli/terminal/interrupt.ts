/**
 * Signals that end a command: the first aborts what it waits for and is remembered for the exit code. The next one ends the
 * program at once, whatever it is still waiting for.
 */
import type { Instant } from "../../base/core.ts";
import type { Host, SignalName } from "../../base/host.ts";

const NUMBERS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;
type EndingSignal = keyof typeof NUMBERS;
const ENDING: readonly EndingSignal[] = ["SIGHUP", "SIGINT", "SIGTERM"];

/**
 * One that follows this closely is the first one's echo: a terminal that closes is told of by the system and by the shell, and an
 * SSH client signals its ProxyCommand besides the terminal.
 */
const ECHO_MS = 100;

export class Interrupt implements Disposable {
  readonly #host: Pick<Host, "clock" | "exit">;
  readonly #controller = new AbortController();
  readonly #stopListening: (() => void)[] = [];
  #received: EndingSignal | undefined;
  #receivedAt: Instant = 0;

  /** Listens until disposed. */
  constructor(host: Pick<Host, "onSignal" | "clock" | "exit">) {
    this.#host = host;
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
    const now = this.#host.clock.now();
    if (this.#received !== undefined) {
      if (now - this.#receivedAt > ECHO_MS) this.#host.exit(128 + NUMBERS[this.#received]);
      return;
    }
    this.#received = name;
    this.#receivedAt = now;
    this.#controller.abort(new DOMException(`Interrupted by ${name}`, "AbortError"));
  }

  [Symbol.dispose](): void {
    for (const stop of this.#stopListening.splice(0)) stop();
  }
}
