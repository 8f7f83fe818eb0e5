/** What every failure must be like: told in lines, without a stack, nothing on standard output. */
import { deepStrictEqual, ok } from "node:assert/strict";
import type { CommandResult } from "../support/command_host.ts";

const FRAME =
  'Encountered an error running "hawser ssh", see "hawser ssh --help" for more information';

/** Exactly these lines behind the frame's. */
export function checkFailure(
  result: CommandResult,
  lines: readonly string[],
  options: { readonly code?: number } = {},
): void {
  const expected = [FRAME, ...lines].join("\n") + "\n";
  const { code = 1 } = options;
  deepStrictEqual(result, { code, stdout: "", stderr: expected });
}

/** No stack, no control character but line ends and tabs, nothing on standard output. */
export function checkClean(result: CommandResult): void {
  const { stdout, stderr } = result;
  deepStrictEqual(stdout, "");
  ok(!/^\s+at .*:\d+/m.test(stderr), `a stack: ${stderr}`);
  ok(!/file:\/\/\//.test(stderr), `a path of ours: ${stderr}`);
  ok(
    !/\p{Cc}/u.test(stderr.replaceAll(/[\n\t]/g, "")),
    `control characters: ${JSON.stringify(stderr)}`,
  );
}
