/**
 * An agent that stops answering in the middle of a session, as one whose machine was destroyed or stopped: what ends the session
 * must not wait for it.
 */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import type { CommandOptions, CommandRun } from "../support/command_host.ts";
import { commandTest, type Desk, TERMINAL } from "./support.ts";

/** Far above what an end takes, and below every limit that the network's silence could run into. */
const PROMPT_MS = 1_500;

interface Kind {
  readonly name: string;
  readonly args: readonly string[];
  readonly options: CommandOptions;
  readonly ready: string | RegExp;
}

const KINDS: readonly Kind[] = [
  {
    name: "a command",
    args: ["myworkspace", "echo started; cat"],
    options: {},
    ready: "started",
  },
  {
    name: "a command with a terminal",
    args: ["-t", "myworkspace", "echo started; cat"],
    options: { terminal: TERMINAL },
    ready: "started",
  },
  { name: "a shell", args: ["myworkspace"], options: { terminal: TERMINAL }, ready: /[$#] $/ },
];

/** Starts a session and freezes its agent; checks that what `end` does ends it at once. */
async function frozen(
  desk: Desk,
  { args, options, ready }: Omit<Kind, "name">,
  end: (run: CommandRun) => Promise<unknown> | void,
): Promise<{ readonly code: number; readonly stderr: string }> {
  await using run = desk.start(args, options);
  await run.stdout.waitFor(ready);
  desk.sandbox.workspace.agent().silence();
  const from = performance.now();
  await end(run);
  const { code, stderr } = await run.result();
  const tookMs = performance.now() - from;
  ok(tookMs < PROMPT_MS, `took ${Math.round(tookMs)} ms`);
  const isRaw = options.terminal !== undefined;
  deepStrictEqual(run.modes, isRaw ? ["raw", "cooked"] : []);
  return { code, stderr };
}

for (const kind of KINDS) {
  for (const [signal, code] of [["SIGTERM", 143], ["SIGINT", 130], ["SIGHUP", 129]] as const) {
    commandTest(
      `A frozen agent does not keep ${kind.name} from ending at ${signal}`,
      async (desk) => {
        const end = await frozen(desk, kind, (run) => void run.raise(signal));
        deepStrictEqual(end, { code, stderr: "" });
      },
    );
  }

  commandTest(
    `A frozen agent does not keep ${kind.name} from ending with its workspace`,
    async (desk) => {
      const { code, stderr } = await frozen(
        desk,
        kind,
        () => desk.sandbox.workspace.buildToEnd("stop"),
      );
      strictEqual(code, 255);
      match(stderr, /^Workspace "myworkspace" was stopped\n$/);
    },
  );
}

commandTest("A frozen agent does not keep ~. from ending a shell", async (desk) => {
  const kind = { args: ["myworkspace"], options: { terminal: TERMINAL }, ready: /[$#] $/ };
  const { code, stderr } = await frozen(desk, kind, (run) => run.type("\r~."));
  strictEqual(code, 255);
  strictEqual(stderr, "~.\r\nConnection closed.\n");
});
