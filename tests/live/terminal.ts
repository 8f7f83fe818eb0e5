/**
 * A real terminal around a program: `script` makes it, a shell in it notes the terminal's modes before and after. What
 * the terminal shows is read as it comes; its size is changed from outside as a window manager does.
 */
import { strictEqual } from "node:assert/strict";
import type { Desk } from "./desk.ts";
import type { Output, Process } from "./process.ts";
import { shellQuote } from "./names.ts";

export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

export class Terminal implements AsyncDisposable {
  readonly #desk: Desk;
  readonly #process: Process;
  readonly #device: string;

  private constructor(desk: Desk, process: Process, device: string) {
    this.#desk = desk;
    this.#process = process;
    this.#device = device;
  }

  /** Runs `command`, a line of shell, in a terminal of this size. */
  static async open(desk: Desk, command: string, size: TerminalSize): Promise<Terminal> {
    const line = [
      `stty rows ${size.rows} cols ${size.columns}`,
      `echo "device=$(tty) before=$(stty -g)"`,
      command,
      `echo "left=$? after=$(stty -g)"`,
    ].join("; ");
    const process = desk.start([
      "script",
      "-q",
      "-f",
      "-e",
      "-c",
      `sh -c ${shellQuote(line)}`,
      "/dev/null",
    ]);
    const [, device = ""] = await process.stdout.until(/device=(\S+) before=\S+/);
    return new Terminal(desk, process, device);
  }

  get shown(): Output {
    return this.#process.stdout;
  }

  async type(keys: string): Promise<void> {
    await this.#process.write(keys);
  }

  async resize(size: TerminalSize): Promise<void> {
    await this.#desk.must([
      ...["stty", "-F", this.#device, "rows", `${size.rows}`, "cols", `${size.columns}`],
    ]);
  }

  /** Whether the terminal hands keys on one by one, without echo. */
  async isRaw(): Promise<boolean> {
    const { stdout } = await this.#desk.must(["stty", "-F", this.#device, "-a"]);
    return /(^|\s)-icanon\b/.test(stdout) && /(^|\s)-echo\b/.test(stdout);
  }

  /** Waits for the program's end, compares the terminal's modes, and gives the program's exit status. */
  async left(): Promise<number> {
    const [, code = "", after = ""] = await this.shown.until(/left=(\d+) after=(\S+)/);
    const before = /before=(\S+)/.exec(this.shown.text())?.[1];
    strictEqual(after, before, "The terminal was not restored");
    await this.#process.closeInput();
    await this.#process.exit();
    return Number(code);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
  }
}
