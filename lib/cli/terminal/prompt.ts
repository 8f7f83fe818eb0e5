/**
 * The one shell around prompts: it owns raw mode, cursor and drawing, and restores them whatever happens. A prompt itself
 * is `render(state, size)` and `onKey(state, key)` and touches no terminal.
 */
import type { Host, TerminalSize } from "../../base/host.ts";
import { stripToLine } from "../../coder/text.ts";
import { type Key, parseKeys } from "./keys.ts";

export type PromptStep<State, Result> =
  | { readonly kind: "state"; readonly state: State }
  | { readonly kind: "done"; readonly result: Result }
  /** The user wants out. */
  | { readonly kind: "canceled" };

export interface Prompt<State, Result> {
  readonly initial: State;
  /** Lines, none wider than the terminal. */
  render(state: State, size: TerminalSize): readonly string[];
  onKey(state: State, key: Key): PromptStep<State, Result>;
}

const DEFAULT_SIZE: TerminalSize = { columns: 80, rows: 24 };
const HIDE_CURSOR = "\x1b[?25l";
const SHOW_CURSOR = "\x1b[?25h";
const ERASE_BELOW = "\r\x1b[J";

/** Whether a prompt can be shown at all. */
export function canPrompt(host: Host): boolean {
  return host.stdin.isTerminal && host.stderr.isTerminal;
}

/** Shows the prompt on stderr; the result, or `undefined` when the user canceled. */
export async function runPrompt<State, Result>(
  host: Host,
  prompt: Prompt<State, Result>,
): Promise<Result | undefined> {
  const { stdin, stderr } = host;
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(256);
  const leaveRawMode = stdin.enterRawMode();
  let state = prompt.initial;
  let drawnLines = 0;
  const draw = (lines: readonly string[]) => {
    const up = drawnLines > 1 ? `\x1b[${drawnLines - 1}A` : "";
    stderr.print(up + ERASE_BELOW + lines.map(stripToLine).join("\r\n"));
    drawnLines = lines.length;
  };
  stderr.print(HIDE_CURSOR);
  try {
    for (;;) {
      draw(prompt.render(state, stderr.size() ?? DEFAULT_SIZE));
      const count = await stdin.read(buffer);
      if (count === null) return undefined;
      for (const key of parseKeys(decoder.decode(buffer.subarray(0, count), { stream: true }))) {
        const step = prompt.onKey(state, key);
        if (step.kind === "done") return step.result;
        if (step.kind === "canceled") return undefined;
        state = step.state;
      }
    }
  } finally {
    draw([""]);
    stderr.print(SHOW_CURSOR);
    leaveRawMode();
  }
}
