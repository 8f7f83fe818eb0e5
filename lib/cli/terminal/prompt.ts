/**
 * The one shell around prompts: it owns raw mode, cursor and drawing, and restores them whatever happens. A prompt itself
 * is `render(state, size)` and `onKey(state, key)` and touches no terminal.
 */
import type { Host, TerminalSize } from "../../base/host.ts";
import { stripToLine } from "../../coder/text.ts";
import { type Key, KeyDecoder } from "./keys.ts";

export type PromptStep<State, Result> =
  | { readonly kind: "state"; readonly state: State }
  | { readonly kind: "done"; readonly result: Result }
  /** The user wants out. */
  | { readonly kind: "canceled" };

export interface Prompt<State, Result> {
  readonly initial: State;
  /** Lines, none wider than the terminal, and no more than it has. */
  render(state: State, size: TerminalSize): readonly string[];
  onKey(state: State, key: Key): PromptStep<State, Result>;
}

const DEFAULT_SIZE: TerminalSize = { columns: 80, rows: 24 };
/**
 * A screen of the prompt's own, where there is such a thing: a new width breaks the lines of the ordinary one, and
 * moves some of the pieces where no cursor can reach them. Elsewhere the drawing stands where the cursor was.
 */
const OPEN = "\x1b[?25l\x1b[?1049h";
const CLOSE = "\x1b[?1049l\x1b[?25h";
const ERASE_BELOW = "\r\x1b[J";
/** The parts of a sequence come closer together than this, on a slow line too; behind a lone escape nobody notices so short a wait. */
const ESCAPE_MS = 50;

/** Whether a prompt can be shown at all. */
export function canPrompt(host: Host): boolean {
  return host.stdin.isTerminal && host.stderr.isTerminal && host.env("TERM") !== "dumb";
}

/** Shows the prompt on stderr; the result, or `undefined` when the user canceled. Rejects with the signal's reason. */
export async function runPrompt<State, Result>(
  host: Host,
  prompt: Prompt<State, Result>,
  options: { readonly signal?: AbortSignal } = {},
): Promise<Result | undefined> {
  const { stdin, stderr } = host;
  const { signal } = options;
  signal?.throwIfAborted();
  const leaveRawMode = stdin.enterRawMode();
  let state = prompt.initial;
  // The cursor waits where the drawing begins: whatever a new size makes of the lines below, they are all erased with it.
  const draw = (lines: readonly string[]) => {
    const back = lines.length > 1 ? `\x1b[${lines.length - 1}A` : "";
    stderr.print(`${ERASE_BELOW}${lines.map(stripToLine).join("\r\n")}${back}\r`);
  };
  const redraw = () => draw(prompt.render(state, stderr.size() ?? DEFAULT_SIZE));
  const stopResizing = host.onSignal("SIGWINCH", redraw);
  stderr.print(OPEN);
  try {
    redraw();
    for await (const pressed of keysOf(host, signal)) {
      for (const key of pressed) {
        const step = prompt.onKey(state, key);
        if (step.kind === "done") return step.result;
        if (step.kind === "canceled") return undefined;
        state = step.state;
      }
      redraw();
    }
    return undefined;
  } finally {
    stopResizing();
    draw([""]);
    stderr.print(CLOSE);
    leaveRawMode();
  }
}

/** Keys as they come, to the end of the input or the signal, whose reason it rejects with. */
export async function* keysOf(
  { stdin, clock }: Host,
  signal: AbortSignal | undefined,
): AsyncGenerator<readonly Key[]> {
  const text = new TextDecoder();
  const keys = new KeyDecoder();
  const buffer = new Uint8Array(256);
  const aborted = Promise.withResolvers<never>();
  const onAbort = () => aborted.reject(signal?.reason);
  signal?.addEventListener("abort", onAbort, { once: true });
  aborted.promise.catch(() => {}); // told to whoever waits for keys then
  let reading: Promise<number | null> | undefined;
  try {
    for (;;) {
      reading ??= stdin.read(buffer);
      const waits = [reading, aborted.promise];
      const count = await (keys.isUndecided ? pauseAtMost(clock, waits) : Promise.race(waits));
      if (count === "paused") {
        yield keys.settle();
        continue;
      }
      reading = undefined;
      if (count === null) return;
      yield keys.decode(text.decode(buffer.subarray(0, count), { stream: true }));
    }
  } finally {
    signal?.removeEventListener("abort", onAbort);
    reading?.catch(() => {}); // a read of the terminal cannot be called back, and nobody asks for it any more
  }
}

/** The first of `waits` to settle, or `"paused"` when an escape has stood alone for long enough. */
async function pauseAtMost<T>(
  clock: Host["clock"],
  waits: readonly Promise<T>[],
): Promise<T | "paused"> {
  const done = new AbortController();
  const pause = clock.sleep(ESCAPE_MS, done.signal).then((): "paused" => "paused", (error) => {
    if (!done.signal.aborted) throw error;
    return "paused" as const; // something came first
  });
  try {
    return await Promise.race([...waits, pause]);
  } finally {
    done.abort();
    await pause;
  }
}
