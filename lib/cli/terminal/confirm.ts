/** Questions that are answered by a line, from a terminal or a pipe. */
import type { HostInput } from "../../base/host.ts";

/** No answer is as long as this. */
const MAX_LINE_BYTES = 4_096;
const LINE_FEED = 0x0a;

/** Lines of standard input, one at a time: what was read beyond one is kept for the next. */
export class LineInput {
  readonly #stdin: Pick<HostInput, "read">;
  #rest: number[] = [];
  #isOver = false;

  constructor(stdin: Pick<HostInput, "read">) {
    this.#stdin = stdin;
  }

  /** The next line without its end; `undefined` when the input ended before that. */
  async readLine(): Promise<string | undefined> {
    const buffer = new Uint8Array(MAX_LINE_BYTES);
    for (;;) {
      const end = this.#rest.indexOf(LINE_FEED);
      if (end !== -1) {
        const line = this.#rest.splice(0, end + 1).slice(0, -1);
        return new TextDecoder().decode(Uint8Array.from(line)).replace(/\r$/, "");
      }
      if (this.#isOver || this.#rest.length > MAX_LINE_BYTES) return undefined;
      const count = await this.#stdin.read(buffer);
      if (count === null) this.#isOver = true;
      else this.#rest.push(...buffer.subarray(0, count));
    }
  }
}

/** `"none"`: the input ended without an answer. */
export type Answer = "yes" | "no" | "none";

/** Asks as the official command does; a bare line end is a yes, unless `bare` says otherwise. */
export async function confirm(
  question: string,
  options: {
    readonly say: (text: string) => Promise<void>;
    readonly lines: LineInput;
    /** @default "yes" */
    readonly bare?: "yes" | "no";
  },
): Promise<Answer> {
  await options.say(`> ${question} (yes/no) `);
  const line = await options.lines.readLine();
  if (line === undefined) return "none";
  if (line === "") return options.bare ?? "yes";
  return line === "y" || line === "yes" ? "yes" : "no";
}
