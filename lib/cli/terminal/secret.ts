/** Asking for a secret: on a terminal what is typed or pasted shows as stars, elsewhere it is a line of the input. */
import type { Host } from "../../base/host.ts";
import { CanceledError } from "../../coder/errors.ts";
import { LineInput } from "./confirm.ts";
import type { Key } from "./keys.ts";
import { writeText } from "./print.ts";
import { keysOf } from "./prompt.ts";

/** No secret is as long as this. */
const MAX_CHARS = 4_096;
const ERASE_STAR = "\b \b";

/** One question after the other: what was typed ahead answers the next. Disposing it lets go of the input. */
export class SecretInput implements AsyncDisposable {
  readonly #host: Host;
  readonly #lines: LineInput;
  #keys: AsyncGenerator<readonly Key[]> | undefined;
  #ahead: Key[] = [];

  constructor(host: Host) {
    this.#host = host;
    this.#lines = new LineInput(host.stdin);
  }

  /** The answer; `undefined` when the input ended without. Throws `CanceledError` for Ctrl-C. */
  async ask(question: string): Promise<string | undefined> {
    const { stdin, stdout } = this.#host;
    await writeText(stdout, `> ${question} `);
    if (!stdin.isTerminal) return await this.#lines.readLine();
    const leaveRawMode = stdin.enterRawMode();
    try {
      return await this.#read();
    } finally {
      leaveRawMode();
      // The key that ended it was not echoed.
      stdout.print("\n");
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#keys?.return(undefined);
  }

  async #read(): Promise<string | undefined> {
    const { stdout } = this.#host;
    const typed: string[] = [];
    const erase = (count: number) => {
      for (let left = count; left > 0 && typed.pop() !== undefined; left--) {
        stdout.print(ERASE_STAR);
      }
    };
    for (;;) {
      const key = await this.#next();
      switch (key?.kind) {
        case undefined:
        case "end-of-input":
          return undefined;
        case "interrupt":
          throw new CanceledError();
        case "enter":
          return typed.join("");
        case "text":
          if (typed.length >= MAX_CHARS) break;
          typed.push(key.text);
          stdout.print("*");
          break;
        case "backspace":
          erase(1);
          break;
        case "kill-word":
        case "kill-line":
          erase(typed.length);
          break;
        default: // nothing to move around in
      }
    }
  }

  async #next(): Promise<Key | undefined> {
    this.#keys ??= keysOf(this.#host, undefined);
    while (this.#ahead.length === 0) {
      const { done, value } = await this.#keys.next();
      if (done === true) return undefined;
      this.#ahead.push(...value);
    }
    return this.#ahead.shift();
  }
}
