/** A terminal that a test types at and reads from, for whatever takes `TerminalHost`. */
import type { SessionInput, SessionOutput, TerminalSize } from "../../lib/ssh/host.ts";
import type { TerminalHost } from "../../lib/ssh/terminal_session.ts";
import { createBytePipe, type PipeEnd } from "./byte_pipe.ts";

export interface FakeTerminalOptions {
  /** @default true */
  readonly isStdinTerminal?: boolean;
  /** @default true */
  readonly isStdoutTerminal?: boolean;
  /** @default 80x24 */
  readonly size?: TerminalSize;
}

export class FakeTerminal implements TerminalHost {
  readonly stdin: SessionInput;
  readonly stdout: FakeOutput;
  readonly stderr: FakeOutput;
  readonly suspend: () => Promise<void>;
  /** What happened to raw mode, in order: `raw`, `cooked`, `stopped`. */
  readonly modes: string[] = [];
  size: TerminalSize;
  #isRaw = false;
  readonly #keyboard: PipeEnd;
  readonly #inputFailure = Promise.withResolvers<never>();
  readonly #resizeHandlers = new Set<() => void>();

  constructor(options: FakeTerminalOptions = {}) {
    const { isStdinTerminal = true, isStdoutTerminal = true } = options;
    this.size = options.size ?? { columns: 80, rows: 24 };
    const [keyboard, program] = createBytePipe();
    this.#keyboard = keyboard;
    this.stdin = {
      isTerminal: isStdinTerminal,
      read: (into) => Promise.race([program.read(into), this.#inputFailure.promise]),
      size: () => isStdinTerminal ? this.size : undefined,
      enterRawMode: () => {
        this.modes.push("raw");
        this.#isRaw = true;
        let isDone = false;
        return () => {
          if (isDone) return;
          isDone = true;
          this.#isRaw = false;
          this.modes.push("cooked");
        };
      },
    };
    this.stdout = new FakeOutput(isStdoutTerminal, () => isStdoutTerminal ? this.size : undefined);
    this.stderr = new FakeOutput(isStdoutTerminal, () => undefined);
    this.suspend = () => {
      this.modes.push("stopped");
      return Promise.resolve();
    };
  }

  get isRaw(): boolean {
    return this.#isRaw;
  }

  onResize(handler: () => void): () => void {
    this.#resizeHandlers.add(handler);
    return () => this.#resizeHandlers.delete(handler);
  }

  get resizeHandlerCount(): number {
    return this.#resizeHandlers.size;
  }

  resize(size: TerminalSize): void {
    this.size = size;
    for (const handler of this.#resizeHandlers) handler();
  }

  /** Types text; resolves when it was taken. */
  type(text: string): Promise<void> {
    return this.#keyboard.write(new TextEncoder().encode(text));
  }

  /** Reads of the input fail from now on. */
  breakInput(error: Error): void {
    this.#inputFailure.promise.catch(() => {}); // between two reads
    this.#inputFailure.reject(error);
  }

  /** The end of input. */
  async typeEnd(): Promise<void> {
    await this.#keyboard.closeWrite();
  }
}

class FakeOutput implements SessionOutput {
  readonly isTerminal: boolean;
  readonly #size: () => TerminalSize | undefined;
  text = "";
  /** How writes fail from now on. */
  failure: Error | undefined;
  /** While set, writes wait. */
  gate: Promise<void> | undefined;
  #wake: (() => void) | undefined;
  #begun: (() => void) | undefined;

  constructor(isTerminal: boolean, size: () => TerminalSize | undefined) {
    this.isTerminal = isTerminal;
    this.#size = size;
  }

  size(): TerminalSize | undefined {
    return this.#size();
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#begun?.();
    await this.gate;
    if (this.failure !== undefined) throw this.failure;
    this.print(new TextDecoder().decode(bytes));
  }

  print(text: string): void {
    this.text += text;
    this.#wake?.();
  }

  /** Resolves when the next write begins. */
  async waitForWrite(): Promise<void> {
    await new Promise<void>((resolve) => this.#begun = resolve);
  }

  /** Resolves when what was written contains `part`. */
  async waitFor(part: string): Promise<void> {
    while (!this.text.includes(part)) {
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }
}
