import { deepStrictEqual, ok, throws } from "node:assert/strict";
import { checkPositionals, defineCommand } from "../../../lib/cli/command/command.ts";
import { runCommand } from "../../../lib/cli/command/run.ts";
import { loadCommands } from "../../../lib/cli/commands.ts";
import { countFlag, switchFlag, textFlag } from "../../../lib/cli/grammar/flag.ts";
import { main } from "../../../lib/cli/main.ts";
import { FakeHost } from "../../support/fake_host.ts";

function greet(seen: unknown[]) {
  return defineCommand({
    name: "greet",
    usage: "[flags] <name>",
    summary: "Say hello.",
    flags: {
      loud: switchFlag({ name: "loud", shorthand: "l", help: "Shout." }),
      times: countFlag({ name: "times", env: "GREET_TIMES", initial: 1, help: "How often." }),
      greeting: textFlag({ name: "greeting", initial: "hello", help: "What to say." }),
    },
    positionals: { min: 1, max: 1 },
    run: ({ loud, times, greeting }, { name, args, global }) => {
      // The options' types follow from the flags: this would not compile otherwise.
      seen.push({ loud: !loud, times: times + 1, greeting: greeting.length, name, args });
      seen.push(global.verbose);
      return Promise.resolve(7);
    },
  });
}

Deno.test("runCommand() hands a command its options by name, from flags, variables and defaults", async () => {
  const seen: unknown[] = [];
  using host = new FakeHost({ env: { GREET_TIMES: "3" } });
  deepStrictEqual(await runCommand(greet(seen), ["-l", "you", "-v"], host), 7);
  deepStrictEqual(seen, [
    { loud: false, times: 4, greeting: 5, name: "hawser greet", args: ["you"] },
    true,
  ]);
});

Deno.test("runCommand() makes help from the definition alone", async () => {
  using host = new FakeHost();
  deepStrictEqual(await runCommand(greet([]), ["--help"], host), 0);
  ok(host.stdout.text.startsWith("USAGE:\n  hawser greet [flags] <name>\n\n  Say hello.\n"));
  ok(host.stdout.text.includes("--times int, $GREET_TIMES (default: 1)"));
});

const USAGE = { usage: "hawser greet [flags] <name>" };

Deno.test("checkPositionals() counts in the words of coder's command library (coder/serpent command.go)", () => {
  const rows = [
    { args: ["a"], allowed: { min: 0, max: 0 }, message: "wanted no args but got 1 [a]" },
    { args: [], allowed: { min: 1, max: 1 }, message: "wanted 1 args but got 0 []" },
    { args: ["a"], allowed: { min: 2 }, message: "wanted at least 2 args but got 1" },
    {
      args: ["a", "b", "c"],
      allowed: { min: 1, max: 2 },
      message: "wanted between 1 and 2 args but got 3",
    },
  ];
  for (const { args, allowed, message } of rows) {
    throws(() => checkPositionals(args, allowed, USAGE), {
      message,
      hint: "It is written: hawser greet [flags] <name>",
    });
  }
  checkPositionals([], { min: 0 }, USAGE);
  checkPositionals(["a", "b"], { min: 1, max: 2 }, USAGE);
});

Deno.test("Every command says what it is, and its examples begin with a program people have", async () => {
  const commands = await loadCommands();
  deepStrictEqual(new Set(commands.map(({ name }) => name)).size, commands.length);
  for (const { name, summary, examples = [] } of commands) {
    ok(/^[A-Z].*\.$/.test(summary), name);
    for (const { line, does } of examples) {
      ok(/^(hawser|ssh|scp|git|rsync) /.test(line), line);
      ok(/^[A-Z].*[^.]$/.test(does), does);
    }
  }
});

Deno.test("main() names an unknown command, and lists those there are", async () => {
  using host = new FakeHost();
  deepStrictEqual(await main(["nonsense"], host), 1);
  deepStrictEqual(host.stderr.lines.slice(0, 3), [
    'hawser: unknown command "nonsense"',
    "To get into a workspace of that name: hawser ssh nonsense",
    'Run "hawser --help" for what there is.',
  ]);
  deepStrictEqual(await main([], host), 0);
  ok(/\n {2}ssh +Open a shell/.test(host.stdout.text));
  ok(!host.stdout.text.includes("vscodessh"));
});

Deno.test("main() asks whether a command that is there was meant", async () => {
  const rows: [args: string[], lines: string[]][] = [
    [["shs", "dev"], ['hawser: unknown command "shs"', 'Did you mean "ssh"?']],
    [["SSH", "dev"], ['hawser: unknown command "SSH"', 'Did you mean "ssh"?']],
    [["connect", "exsits"], [
      'hawser: unknown subcommand "exsits" of connect',
      'Did you mean "exists"?',
    ]],
    [["help", "shs"], ['hawser: unknown command "shs"', 'Did you mean "ssh"?']],
    [["../ssh-not"], ['hawser: unknown command "../ssh-not"']],
  ];
  for (const [args, lines] of rows) {
    using host = new FakeHost();
    deepStrictEqual(await main(args, host), 1);
    const program = args[0] === "connect" ? "hawser connect" : "hawser";
    deepStrictEqual(host.stderr.lines.slice(0, lines.length + 1), [
      ...lines,
      `Run "${program} --help" for what there is.`,
    ]);
  }
});

Deno.test("main() shows a command's page for help and its name, as for --help", async () => {
  using asked = new FakeHost();
  deepStrictEqual(await main(["help", "ssh"], asked), 0);
  using flagged = new FakeHost();
  deepStrictEqual(await main(["ssh", "--help"], flagged), 0);
  deepStrictEqual(asked.stdout.text, flagged.stdout.text);
  ok(asked.stdout.text.startsWith("USAGE:\n  hawser ssh "));
});
