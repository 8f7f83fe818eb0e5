/** A shell's line as somebody types it in a terminal: run by `sh` on a pseudo-terminal, watched, and answered by keys. */
import { startInTerminal } from "../../lib/sandbox/ssh/program.ts";
import { PtyMaker } from "../../lib/sandbox/ssh/pty.ts";
import { LIMIT_MS } from "./command_host.ts";

export interface TerminalRunOptions {
  /** All variables that the line sees, but for those of the terminal. */
  readonly env: Readonly<Record<string, string>>;
  readonly directory: string;
  /** @default 100 × 30 */
  readonly size?: { readonly columns: number; readonly rows: number };
  /** Keys, each when what it answers stands there, behind what the one before answered. @default none */
  readonly keys?: readonly (readonly [after: RegExp, keys: string])[];
  /** More keys, when it resolves: for what says nothing. @default none */
  readonly later?: Promise<string>;
  /** @default 20 seconds */
  readonly limitMs?: number;
}

export interface TerminalResult {
  readonly code: number;
  /** What was shown, colours and all. */
  readonly shown: string;
  /** How much of it was shown when each of the keys was typed. */
  readonly marks: readonly number[];
}

// deno-lint-ignore no-control-regex -- they are what is looked for
const SEQUENCE = /\x1b(?:\[[\d;?]*[A-Za-z]|[()][A-Z0-9]|[78=>DM])/g;

/** What stood in a line until it was wiped for the next. */
// deno-lint-ignore no-control-regex -- they are what is looked for
const WIPED = /[^\n]*\r\x1b\[2?K/g;

/** Without colours, moves of the cursor, carriage returns, and what was wiped again. */
export function plainText(shown: string): string {
  return shown.replaceAll(WIPED, "").replaceAll(SEQUENCE, "").replaceAll("\r", "");
}

/** Ctrl-C goes to all that runs in the terminal; a shell that people type into outlives it, and has the status of what did not. */
const STAYING = 'trap : INT; eval "$0"';

/** Runs `line` to its end. Rejects, with what was shown, when that takes too long. */
export async function runInTerminal(
  line: string,
  options: TerminalRunOptions,
): Promise<TerminalResult> {
  const { env, directory, size = { columns: 100, rows: 30 }, limitMs = LIMIT_MS } = options;
  using maker = new PtyMaker();
  const words = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  const program = startInTerminal(
    {
      argv: ["env", "-i", "TERM=xterm-256color", ...words, "sh", "-c", STAYING, line],
      env: {},
      directory,
    },
    { maker, size, term: "xterm-256color" },
  );
  let isLate = false;
  const limit = setTimeout(() => {
    isLate = true;
    program.kill();
  }, limitMs);
  options.later?.then((keys) => program.write(new TextEncoder().encode(keys)));
  const decoder = new TextDecoder();
  const keys = [...options.keys ?? []];
  let shown = "";
  const marks: number[] = [];
  for (let bytes = await program.readOutput(); bytes; bytes = await program.readOutput()) {
    shown += decoder.decode(bytes, { stream: true });
    for (let next = keys[0]; next !== undefined; next = keys[0]) {
      if (!next[0].test(plainText(shown.slice(marks.at(-1) ?? 0)))) break;
      marks.push(shown.length);
      keys.shift();
      await program.write(new TextEncoder().encode(next[1]));
    }
  }
  const code = await program.status;
  await program.ended;
  clearTimeout(limit);
  if (isLate) throw new Error(`${line}: no end after ${limitMs} ms; it said\n${shown}`);
  const [left] = keys;
  if (left !== undefined) throw new Error(`${line}: never said ${left[0]}, but\n${shown}`);
  return { code, shown, marks };
}
