/**
 * An agent that stops answering in the middle of a session, as one whose machine was destroyed or stopped: what ends the session
 * must not wait for it.
 */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import type { CommandOptions, CommandRun } from "../support/command_host.ts";
import { HurryingClock } from "../support/hurrying_clock.ts";
import { commandTestAtEach, type Desk, TERMINAL } from "./support.ts";

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
    commandTestAtEach(
      `A frozen agent does not keep ${kind.name} from ending at ${signal}`,
      async (desk) => {
        const end = await frozen(desk, kind, (run) => void run.raise(signal));
        deepStrictEqual(end, { code, stderr: "" });
      },
    );
  }

  commandTestAtEach(
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

commandTestAtEach("A frozen agent does not keep ~. from ending a shell", async (desk) => {
  const kind = { args: ["myworkspace"], options: { terminal: TERMINAL }, ready: /[$#] $/ };
  const { code, stderr } = await frozen(desk, kind, (run) => run.type("\r~."));
  strictEqual(code, 255);
  strictEqual(stderr, "~.\nConnection closed.\n");
});

commandTestAtEach(
  "A frozen agent: the second signal ends the process, wherever it is",
  async (desk) => {
    await using run = desk.start(["myworkspace", "echo started; cat"]);
    await run.stdout.waitFor("started");
    run.raise("SIGTERM");
    const first = performance.now();
    while (performance.now() - first < 150) await new Promise((resolve) => setTimeout(resolve));
    run.raise("SIGTERM");
    strictEqual((await run.result()).code, 143);
  },
);

const GONE = /^The workspace agent is gone since \d\d:\d\d:\d\d: .+\n/;

for (
  const { name, args, ready } of [
    { name: "a command", args: ["myworkspace", "echo started; cat"], ready: "started" },
    { name: "--stdio", args: ["--stdio", "myworkspace"], ready: "SSH-2.0" },
    { name: "-N", args: ["-N", "-R", "0:127.0.0.1:9", "myworkspace"], ready: undefined },
  ]
) {
  commandTestAtEach(
    `An agent that vanished without a word is told of and ends ${name} with 255`,
    async (desk) => {
      await using run = desk.start(args, { clock: new HurryingClock(40) });
      if (ready === undefined) await run.stderr.waitFor("Allocated port");
      else await run.stdout.waitFor(ready);
      const agent = desk.sandbox.workspace.agent();
      agent.silence();
      agent.setStatus("disconnected");
      await run.stderr.waitFor("gone since");
      const { code, stderr } = await run.result();
      strictEqual(code, 255);
      const lines = stderr.split("\n").filter((line) => /agent (is|has been) gone/.test(line));
      match(`${lines[0]}\n`, GONE);
      deepStrictEqual(lines.slice(1), ["The workspace agent has been gone for a minute"]);
    },
  );
}

commandTestAtEach(
  "A minute without an answer ends --stdio with 255, where a network file is written",
  async (desk) => {
    const folder = await Deno.makeTempDir();
    const args = [
      "--stdio",
      "--network-info-dir",
      folder,
      "--network-info-interval",
      "1s",
      "myworkspace",
    ];
    await using run = desk.start(args, { clock: new HurryingClock(40) });
    await run.stdout.waitFor("SSH-2.0");
    desk.sandbox.workspace.agent().silence();
    const { code, stderr } = await run.result();
    deepStrictEqual({ code, stderr }, {
      code: 255,
      stderr: "The workspace agent has not answered for a minute\n",
    });
    await Deno.remove(folder, { recursive: true });
  },
);
