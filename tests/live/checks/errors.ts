/** What a wrong name, token or address gets: status 1, what failed, and nothing on standard output. */
import { doesNotMatch, match, ok, strictEqual } from "node:assert/strict";
import type { Check } from "../check.ts";
import type { Exit } from "../process.ts";
import { freePort } from "../../support/free_port.ts";

/** A failure that a user can read. */
function expectError(exit: Exit, text: RegExp): void {
  strictEqual(exit.code, 1, exit.stderr);
  strictEqual(exit.stdout, "");
  match(exit.stderr, text);
  doesNotMatch(exit.stderr, /^\s+at .+:\d+:\d+/m, "There is a stack trace");
}

export const ERRORS_CHECKS: readonly Check[] = [
  {
    name: "says that there is no such workspace",
    run: async (desk) => {
      const text = /Resource not found or you do not have access to this resource/;
      for (const mode of [[], ["--stdio"]]) {
        for (const stdin of ["pipe", "null"] as const) {
          await using program = desk.startProgram([...mode, "no-such-workspace"], { stdin });
          expectError(await program.exit(), text);
        }
      }
      expectError(await desk.runProgram(["nobody-here/dev"]), /./);
    },
  },
  {
    name: "says that there is no such agent, and which there are",
    run: async (desk) => {
      // The workspace under test may have been named with its agent.
      const workspace = desk.workspace.split(".")[0];
      expectError(
        await desk.runProgram([`${workspace}.no-such-agent`]),
        /agent not found by name "no-such-agent", available agents: \[\S.*\]/,
      );
    },
  },
  {
    name: "says that a name cannot be one",
    run: async (desk) => {
      expectError(await desk.runProgram(["a/b/c/d"]), /invalid workspace identifier: "a\/b\/c\/d"/);
      expectError(await desk.runProgram([]), /expected the name of a workspace/);
    },
  },
  {
    name: "says that a flag is unknown",
    run: async (desk) => {
      expectError(await desk.runProgram(["--no-such-flag", desk.workspace]), /unknown flag/);
    },
  },
  {
    name: "says that a token is not accepted",
    run: async (desk) => {
      const env = { ...desk.env, CODER_SESSION_TOKEN: "wrongtoken-0123456789abcdefghijkl" };
      const exit = await desk.runProgram([desk.workspace], { env });
      expectError(exit, /login/);
      ok(!exit.stderr.includes("0123456789abcdefghijkl"), "The token is shown");
    },
  },
  {
    name: "says that nothing listens at the address",
    run: async (desk) => {
      const port = await freePort();
      const env = { ...desk.env, CODER_URL: `http://127.0.0.1:${port}` };
      const began = performance.now();
      expectError(await desk.runProgram([desk.workspace], { env }), /refused/);
      ok(performance.now() - began < 10_000, "It took more than 10 s");
    },
  },
];
