/**
 * Every example of every command's help, typed into a shell in a terminal, each with a home folder and a deployment of its own. What must
 * come of it is in `examples_expected.ts`: an example without a row there fails, and so does a row without an example.
 */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { loadCommands } from "../../lib/cli/commands.ts";
import type { Command } from "../../lib/cli/command/command.ts";
import { Sandbox } from "../../lib/sandbox/mod.ts";
import { denoDir } from "../support/deno_dir.ts";
import { Toolbox } from "../support/fake_tmux.ts";
import { freePorts } from "../support/free_port.ts";
import { plainText, runInTerminal } from "../support/terminal_run.ts";
import { isInstalled, testWith } from "../live/check.ts";
import { CTRL_C, type ExampleDesk, OWNER } from "./examples_desk.ts";
import { EXPECTED, WITHOUT } from "./examples_expected.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;
const LONGEST_MS = 60_000;

const COMMANDS = await loadCommands();

/** `127.0.0.1:8080-8082` and the like: whole numbers of two digits or more, and spans of them. */
const PORTS = /(?<![\d.-])(\d{2,5})(?:-(\d{2,5}))?(?![\d.])/g;

/** The line with ports that nobody listens on here; the same one for the same number. */
async function withFreePorts(line: string): Promise<string> {
  const chosen = new Map<string, string>();
  for (const [whole, from, to = from] of line.matchAll(PORTS)) {
    if (chosen.has(whole)) continue;
    const count = Number(to) - Number(from) + 1;
    const first = await freePorts(count);
    chosen.set(whole, count === 1 ? `${first}` : `${first}-${first + count - 1}`);
  }
  return line.replaceAll(PORTS, (whole) => chosen.get(whole) ?? whole);
}

/** Somebody's home: logged in, with the files and programs that the examples name. */
async function furnish(desk: ExampleDesk, name: string): Promise<void> {
  const { home, sandbox } = desk;
  for (const folder of ["bin", "photos/summer", "there/project", ".ssh", ".config/coderv2"]) {
    await Deno.mkdir(`${home}/${folder}`, { recursive: true });
  }
  for (const folder of ["fish/completions"]) {
    await Deno.mkdir(`${home}/.config/${folder}`, { recursive: true });
  }
  const files: Readonly<Record<string, string>> = {
    ".bashrc": "# mine\n",
    ".config/coderv2/url": sandbox.url.href,
    ".config/coderv2/session": sandbox.token,
    "a.txt": "a\n",
    "b.txt": "b\n",
    "photos/summer/beach": "sand\n",
    "there/file": "from there\n",
    "there/project/report.pdf": "a report\n",
  };
  for (const [path, text] of Object.entries(files)) {
    await Deno.writeTextFile(`${home}/${path}`, text);
  }
  const programs: Readonly<Record<string, string>> = {
    hawser: `DENO_DIR='${denoDir()}' exec '${Deno.execPath()}' run --quiet --no-prompt ` +
      `--no-check --frozen -A --unstable-net '${MAIN}' "$@"`,
    // The real one would read the files of whoever runs the tests.
    ssh: `exec "$(PATH=\${PATH#*:} command -v ssh)" -F /dev/null -o StrictHostKeyChecking=no ` +
      `-o UserKnownHostsFile='${home}/.ssh/known_hosts' -o ProxyUseFdpass=no "$@"`,
    "xdg-open": `echo "$1" >>'${home}/opened'`,
    make: 'echo "made $*"',
    npm: `echo '"9.8.7"'`,
  };
  for (const [program, script] of Object.entries(programs)) {
    const path = `${home}/bin/${program}`;
    await Deno.writeTextFile(path, `#!/bin/sh\n${script}\n`);
    await Deno.chmod(path, 0o755);
  }
  await EXPECTED.get(name)?.before?.(desk);
}

/** Ctrl-C, when a connection to the line's first port stands. */
async function onceListening(line: string): Promise<string> {
  const port = Number(/\d{4,5}/.exec(line)?.[0]);
  for (;;) {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      return CTRL_C;
    } catch (error) {
      if (!(error instanceof Deno.errors.ConnectionRefused)) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

/** Runs one example, and holds it to what is expected of it. */
async function tryOut(line: string): Promise<void> {
  const expected = EXPECTED.get(line);
  ok(expected !== undefined, `${line}: nothing is expected of it`);
  await using stack = new AsyncDisposableStack();
  const home = await Deno.makeTempDir({ prefix: "hawser-example-" });
  // The last to go: the workspace's shells write their history there as they end.
  stack.defer(() => Deno.remove(home, { recursive: true }));
  const PATH = `${home}/bin:${Deno.env.get("PATH") ?? ""}`;
  const tools = stack.use(new Toolbox({ hasTmux: true }));
  const agentEnv = {
    ...tools.env,
    PATH: `${home}/bin:${tools.folder}/bin:${Deno.env.get("PATH") ?? ""}`,
    HOME: `${home}/there`,
  };
  const agents = [{
    name: "main",
    shell: "/bin/sh",
    directory: `${home}/there`,
    env: agentEnv,
  }];
  const sandbox = stack.use(
    await Sandbox.start({
      user: "me",
      settings: { disablesDirect: false },
      workspaces: [{ name: "dev", agents }, { name: "dev", owner: OWNER, agents }],
    }),
  );
  const desk: ExampleDesk = { home, sandbox };
  await furnish(desk, line);
  const typed = (expected.hasPorts === true ? await withFreePorts(line) : line)
    .replaceAll("coder.example.com", sandbox.url.origin);
  const { code, shown } = await runInTerminal(typed, {
    env: {
      HOME: home,
      USER: "me",
      SHELL: "/bin/sh",
      LANG: "C.UTF-8",
      PATH,
      DISPLAY: ":99",
      DENO_NO_UPDATE_CHECK: "1",
      ...expected.env?.(desk),
    },
    directory: home,
    limitMs: LONGEST_MS,
    ...(expected.endsOnceItListens === true ? { later: onceListening(typed) } : {}),
    keys: typeof expected.keys === "function" ? expected.keys(desk) : expected.keys ?? [],
  });
  const text = plainText(shown);
  match(text, expected.says, `${typed}\n${text}`);
  strictEqual(code, expected.code, `${typed}\n${text}`);
  await expected.after?.(desk, text);
}

Deno.test("every command's help has an example, or a reason why not, and each is tried out", () => {
  const lines = COMMANDS.flatMap(({ examples = [] }) => examples.map(({ line }) => line));
  deepStrictEqual(lines.filter((line, i) => lines.indexOf(line) < i), [], "twice");
  deepStrictEqual(lines.toSorted(), [...EXPECTED.keys()].toSorted());
  const bare = COMMANDS.filter(({ examples = [] }) => examples.length === 0);
  deepStrictEqual(new Set(bare.map(({ name }) => name)), new Set(WITHOUT.keys()));
  for (const { name } of bare) ok((WITHOUT.get(name) ?? "").length > 20, name);
});

/** Programs that stand before a command's examples, besides those that were laid out. */
function missingFor({ examples = [] }: Command): string[] {
  const first = new Set(examples.map(({ line }) => line.split(" ")[0] ?? ""));
  return ["sh", "stty", ...first].filter((program) =>
    program !== "hawser" && !isInstalled(program)
  );
}

for (const command of COMMANDS) {
  const { name, examples = [] } = command;
  // Elsewhere pages are opened by programs of the system that no other can stand for.
  if (examples.length === 0 || Deno.build.os !== "linux") continue;
  testWith(
    `the examples of hawser ${name} do what its help says`,
    missingFor(command),
    async () => {
      const failures: unknown[] = [];
      await Promise.all(examples.map(async ({ line }) => {
        try {
          await tryOut(line);
        } catch (error) {
          failures.push(error);
        }
      }));
      if (failures.length > 0) throw new AggregateError(failures);
    },
  );
}
