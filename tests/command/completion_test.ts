/** `completion`: the scripts, and real shells that complete with them. */
import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { runToEnd } from "../support/command_host.ts";

async function has(shell: string): Promise<boolean> {
  try {
    return (await new Deno.Command(shell, { args: ["--version"], stdout: "null" }).output())
      .success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** What a shell says that has the script, and a `hawser` that answers with these offers and notes what it was asked. */
async function said(
  shell: string,
  { asks, offers, code = 0, before = "" }: {
    readonly before?: string;
    readonly asks: string;
    readonly offers: readonly string[];
    readonly code?: number;
  },
): Promise<{ readonly asked: string; readonly stdout: string }> {
  const { stdout: script, code: printed } = await runToEnd(["completion", "--shell", shell]);
  strictEqual(printed, 0);
  const folder = await Deno.makeTempDir({ prefix: "hawser-completion-" });
  try {
    await Deno.writeTextFile(`${folder}/script`, script);
    await Deno.writeTextFile(`${folder}/offers`, offers.map((offer) => `${offer}\n`).join(""));
    const fake = "#!/bin/sh\n" +
      `[ "$COMPLETION_MODE" = 1 ] || exit 9\nprintf '<%s>' "$@" > ${folder}/asked\n` +
      `cat ${folder}/offers\necho noise >&2\nexit ${code}\n`;
    await Deno.writeTextFile(`${folder}/hawser`, fake, { mode: 0o755 });
    await Deno.mkdir(`${folder}/here/some folder`, { recursive: true });
    await Deno.writeTextFile(`${folder}/here/data.txt`, "");
    const output = await new Deno.Command(shell, {
      args: ["-c", `${before}. ${folder}/script; ${asks}`],
      env: { PATH: `${folder}:${Deno.env.get("PATH") ?? ""}`, HOME: folder },
      cwd: `${folder}/here`,
    }).output();
    strictEqual(new TextDecoder().decode(output.stderr), "");
    return {
      asked: await Deno.readTextFile(`${folder}/asked`),
      stdout: new TextDecoder().decode(output.stdout),
    };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const NAMES = ["dev", "deploy", "data.main"];

/** As readline calls: the line, its words as bash splits them, which of them, and what of it stands before the cursor. */
const BASH_ROWS: readonly {
  readonly line: string;
  readonly words: string;
  readonly typed: string;
  readonly offers?: readonly string[];
  readonly code?: number;
  readonly asked: string;
  readonly reply: readonly string[];
}[] = [
  {
    line: "hawser ssh de",
    words: "hawser ssh de",
    typed: "de",
    asked: "<ssh><de>",
    reply: ["dev", "deploy"],
  },
  { line: "hawser ssh ", words: "hawser ssh ''", typed: "", asked: "<ssh><>", reply: NAMES },
  {
    line: "hawser  list\t--context=w",
    words: "hawser list --context = w",
    typed: "w",
    offers: ["--context=work"],
    asked: "<list><--context=w>",
    reply: ["work"],
  },
  {
    line: "hawser list --context=",
    words: "hawser list --context =",
    typed: "",
    offers: ["--context=a", "--context=b"],
    asked: "<list><--context=>",
    reply: ["a", "b"],
  },
  {
    line: "hawser cp x dev:pro",
    words: "hawser cp x dev : pro",
    typed: "pro",
    offers: [],
    asked: "<cp><x><dev:pro>",
    reply: [],
  },
  {
    line: "hawser -e A=1 ssh d",
    words: "hawser -e A = 1 ssh d",
    typed: "d",
    asked: "<-e><A=1><ssh><d>",
    reply: NAMES,
  },
  {
    line: 'hawser ssh "de',
    words: "hawser ssh '\"de'",
    typed: "de",
    asked: "<ssh><de>",
    reply: ["dev", "deploy"],
  },
  {
    line: "hawser ssh ",
    words: "hawser ssh ''",
    typed: "",
    offers: ["a b", "$(reboot)", ";id"],
    asked: "<ssh><>",
    reply: ["a\\ b", "\\$\\(reboot\\)", "\\;id"],
  },
  {
    line: "hawser cp d",
    words: "hawser cp d",
    typed: "d",
    offers: ["dev:"],
    code: 10,
    asked: "<cp><d>",
    reply: ["dev:", "data.txt"],
  },
  {
    line: "hawser cp ",
    words: "hawser cp ''",
    typed: "",
    offers: ["dev:"],
    code: 10,
    asked: "<cp><>",
    reply: ["dev:", "data.txt", "some\\ folder/"],
  },
];

Deno.test({
  name: "bash completes with the script, in the words of people and in no word that it would run",
  ignore: !await has("bash"),
  async fn(t) {
    for (const { line, words, typed, offers = NAMES, code = 0, asked, reply } of BASH_ROWS) {
      await t.step(`${line} → ${reply.join(", ")}`, async () => {
        const asks = `COMP_LINE=$'${line.replaceAll("\t", "\\t")}'; COMP_POINT=\${#COMP_LINE}; ` +
          `COMP_WORDS=(${words}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); ` +
          `_hawser hawser '${typed}' x; printf '%s\\n' "\${COMPREPLY[@]}"; complete -p hawser`;
        const got = await said("bash", { asks, offers, code });
        deepStrictEqual(got.asked, asked);
        const lines = got.stdout.trimEnd().split("\n");
        deepStrictEqual(lines.at(-1), "complete -F _hawser hawser");
        deepStrictEqual(lines.slice(0, -1).filter(Boolean).toSorted(), reply.toSorted());
      });
    }
  },
});

Deno.test({
  name: "fish completes with the script",
  ignore: !await has("fish"),
  async fn() {
    const asked = async (line: string, offers = NAMES, code = 0) => {
      const got = await said("fish", { asks: `complete -C '${line}'`, offers, code });
      return [got.asked, got.stdout];
    };
    deepStrictEqual(await asked("hawser ssh de"), ["<ssh><de>", "deploy\ndev\n"]);
    deepStrictEqual(await asked("hawser ssh --log-dir=s", [], 10), [
      "<ssh><--log-dir=s>",
      "--log-dir=some folder/\n",
    ]);
  },
});

Deno.test({
  name: "zsh takes the script",
  ignore: !await has("zsh"),
  async fn() {
    // Its completion needs a terminal; here its words are only put together.
    const asks =
      'compadd() { print -r -- "$@" }; _files() { print files }; compset() { : }; compdef() { : }; ' +
      "words=(hawser cp 'a b' d); CURRENT=4; _hawser";
    const got = await said("zsh", {
      before: "compdef() { : }; ",
      asks,
      offers: ["dev:", "work"],
      code: 10,
    });
    deepStrictEqual(got, { asked: "<cp><a b><d>", stdout: "-S  -- dev:\n-- work\nfiles\n" });
  },
});

Deno.test("completion finds the shell by SHELL, or says what it needs", async () => {
  const { stdout } = await runToEnd(["completion"], { env: { SHELL: "/usr/bin/zsh" } });
  match(stdout, /^#compdef hawser\n/);
  match(
    (await runToEnd(["completion", "-p", "-s", "powershell"])).stdout,
    /Register-ArgumentCompleter/,
  );
  const { code, stderr } = await runToEnd(["completion"], { env: { SHELL: "/bin/csh" } });
  strictEqual(code, 1);
  match(
    stderr,
    /could not detect the current shell, please specify one with --shell\nOne of bash, zsh, fish, powershell/,
  );
});
