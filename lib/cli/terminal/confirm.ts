/** Questions that are answered by a line, from a terminal or a pipe. */
import { UserError } from "../../base/errors.ts";
import type { Host, HostInput } from "../../base/host.ts";
import { CanceledError } from "../../coder/errors.ts";
import { Interrupt } from "./interrupt.ts";
import { writeText } from "./print.ts";

/** No answer is as long as this. */
const MAX_LINE_BYTES = 4_096;
const LINE_FEED = 0x0a;

/** Lines of standard input, one at a time: what was read beyond one is kept for the next. */
export class LineInput {
  readonly #stdin: Pick<HostInput, "read" | "isTerminal">;
  readonly #signal: AbortSignal | undefined;
  #rest: number[] = [];
  #isOver = false;

  /** `signal` ends the wait for a line. */
  constructor(
    stdin: Pick<HostInput, "read" | "isTerminal">,
    { signal }: { readonly signal?: AbortSignal } = {},
  ) {
    this.#stdin = stdin;
    this.#signal = signal;
  }

  /** Whoever answers sees the question, and the cursor behind it. */
  get isTerminal(): boolean {
    return this.#stdin.isTerminal;
  }

  /** Whether its signal has come. */
  get isCalledOff(): boolean {
    return this.#signal?.aborted === true;
  }

  /** The next line without its end; `undefined` when the input ended before that. Rejects with the signal's reason. */
  async readLine(): Promise<string | undefined> {
    const buffer = new Uint8Array(MAX_LINE_BYTES);
    for (;;) {
      const end = this.#rest.indexOf(LINE_FEED);
      if (end !== -1) {
        const line = this.#rest.splice(0, end + 1).slice(0, -1);
        return new TextDecoder().decode(Uint8Array.from(line)).replace(/\r$/, "");
      }
      if (this.#isOver || this.#rest.length > MAX_LINE_BYTES) return undefined;
      const count = await this.#read(buffer);
      if (count === null) this.#isOver = true;
      else this.#rest.push(...buffer.subarray(0, count));
    }
  }

  async #read(buffer: Uint8Array): Promise<number | null> {
    const signal = this.#signal;
    signal?.throwIfAborted();
    const reading = this.#stdin.read(buffer);
    if (signal === undefined) return await reading;
    const aborted = Promise.withResolvers<never>();
    const onAbort = () => {
      reading.catch(() => {}); // a read cannot be called back, and nobody asks for it any more
      aborted.reject(signal.reason);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      return await Promise.race([reading, aborted.promise]);
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }
}

export interface Asking {
  readonly say: (text: string) => Promise<void>;
  readonly lines: LineInput;
}

/**
 * The line that answers the question; `undefined` when the input ended before that. Rejects with `CanceledError` when the signal comes: to
 * the official command Ctrl-C at a question is a no.
 */
export async function askLine(
  question: string,
  { say, lines }: Asking,
): Promise<string | undefined> {
  await say(`> ${question} `);
  let line: string | undefined;
  try {
    line = await lines.readLine();
  } catch (error) {
    if (lines.isCalledOff) throw new CanceledError();
    throw error;
  } finally {
    // No line end was typed, so the cursor stands behind the question.
    if (line === undefined && lines.isTerminal) await say("\n");
  }
  return line;
}

/** `"none"`: the input ended without an answer. */
export type Answer = "yes" | "no" | "none";

/** Asks as the official command does; a bare line end is a yes, unless `bare` says otherwise. */
export async function confirm(
  question: string,
  options: Asking & {
    /** @default "yes" */
    readonly bare?: "yes" | "no";
  },
): Promise<Answer> {
  const line = await askLine(`${question} (yes/no)`, options);
  if (line === undefined) return "none";
  if (line === "") return options.bare ?? "yes";
  return line === "y" || line === "yes" ? "yes" : "no";
}

/** The one question of a command. Returns for a yes. Throws `CanceledError` for a no, `UserError` when there is nobody who answers. */
export async function agree(
  host: Host,
  question: string,
  { bare = "yes" }: { readonly bare?: "yes" | "no" } = {},
): Promise<void> {
  using interrupt = new Interrupt(host);
  const answer = await confirm(question, {
    say: (text) => writeText(host.stdout, text),
    lines: new LineInput(host.stdin, interrupt),
    bare,
  });
  if (answer === "none") throw new UserError("EOF", { hint: "--yes asks nothing" });
  if (answer === "no") throw new CanceledError();
}
