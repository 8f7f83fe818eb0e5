/** `completion`: the scripts, and real shells that complete with them. */
import { match, strictEqual } from "node:assert/strict";
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

/** What a shell says that has the script, and a `hawser` that answers with its arguments and these offers. */
async function said(shell: string, asks: string): Promise<string> {
  const { stdout: script, code } = await runToEnd(["completion", "--shell", shell]);
  strictEqual(code, 0);
  const folder = await Deno.makeTempDir({ prefix: "hawser-completion-" });
  try {
    await Deno.writeTextFile(`${folder}/script`, script);
    const fake = "#!/bin/sh\n" +
      `[ "$COMPLETION_MODE" = 1 ] || exit 9\nprintf '<%s>' "$@" > ${folder}/asked\n` +
      "printf '%s\\n' dev deploy 'data.main'\necho noise >&2\n";
    await Deno.writeTextFile(`${folder}/hawser`, fake, { mode: 0o755 });
    const output = await new Deno.Command(shell, {
      args: ["-c", `. ${folder}/script; ${asks}`],
      env: { PATH: `${folder}:${Deno.env.get("PATH") ?? ""}`, HOME: folder },
    }).output();
    strictEqual(new TextDecoder().decode(output.stderr), "");
    const words = await Deno.readTextFile(`${folder}/asked`);
    return `${words} ${new TextDecoder().decode(output.stdout)}`;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test({
  name: "bash completes with the script",
  ignore: !await has("bash"),
  async fn() {
    const asked = (words: string, at: number, typed: string) =>
      said(
        "bash",
        `COMP_WORDS=(${words}); COMP_CWORD=${at}; _hawser hawser '${typed}' x; echo "\${COMPREPLY[@]}"`,
      );
    strictEqual(await asked("hawser ssh de", 2, "de"), "<ssh><de> dev deploy\n");
    strictEqual(await asked("hawser ssh ''", 2, ""), "<ssh><> dev deploy data.main\n");
    strictEqual(await asked("hawser ssh x y", 2, "x"), "<ssh><x> \n");
    match(
      await said(
        "bash",
        "complete -p hawser; COMP_WORDS=(hawser ''); COMP_CWORD=1; _hawser hawser '' x",
      ),
      /-F _hawser hawser/,
    );
  },
});

Deno.test({
  name: "fish completes with the script",
  ignore: !await has("fish"),
  async fn() {
    strictEqual(await said("fish", "complete -C 'hawser ssh de'"), "<ssh><de> deploy\ndev\n");
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
