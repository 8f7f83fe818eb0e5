/** What OpenSSH runs: the commands of written files arrive at the program word by word, whatever is in the words. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { parseCsvRecord } from "../../lib/cli/grammar/csv.ts";
import { ConfigDesk, HAS_SSH } from "./config_ssh_support.ts";

/** Names of folders that shells, OpenSSH or its configuration would like to take for something else. */
const NAMES = [
  "plain",
  "with space",
  "two  spaces ",
  "tab\there",
  "dollar$HOME",
  "back`id`tick",
  "back\\slash",
  "trailing\\",
  "per%cent%h",
  "hash #x",
  "semi;colon",
  "amp&ersand|pipe<>",
  "star*?[a]",
  "paren(1){a,b}",
  "bang!!",
  "~tilde",
  "it's",
  "Grüße 🚀",
  "=equals",
];

/** Shells of users, as far as they are here. */
const SHELLS = ["/bin/sh", "/bin/bash", "/bin/dash", "/bin/zsh"].filter((path) => {
  try {
    return Deno.statSync(path).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
});

const HEADERS = [
  "X-Plain=a",
  "X-Space=b c",
  "X-Variable=$HOME ${HOME} $(id)",
  "X-Command=`id`",
  'X-Quote=a"b"',
  "X-Single=it's",
  "X-Backslash=a\\b\\\\c\\",
  'X-Both=\\"',
  "X-Comma=a,b,,c",
  "X-Percent=100% %h %%",
  "X-Umlaut=Grüße",
  "X-Empty=",
];

const HEADER_COMMAND = "printf 'a=%s\\n' \"$(echo b)\" `true` # 100%";

for (const name of NAMES) {
  Deno.test({
    name: `OpenSSH runs a program in ${JSON.stringify(name)} with its words`,
    ignore: !HAS_SSH || Deno.build.os === "windows",
    fn: async () => {
      await using desk = await ConfigDesk.open();
      const dir = `${desk.home}/${name}`;
      await Deno.mkdir(dir);
      const program = `${dir}/hawser`;
      const log = `${desk.home}/log`;
      // Coder Connect does not lead there: the proxy command is asked for next.
      await Deno.writeTextFile(
        program,
        `#!/bin/sh\nprintf '%s\\0' "$@" >>'${log}'; printf '\\n\\n' >>'${log}'; exit 1\n`,
        { mode: 0o755 },
      );
      const module = `${dir}/main.ts`;
      // People write variables into the folder's variable, and they are replaced.
      const config = `${desk.home}/${name.replaceAll("$", "-")}/config`;
      const result = await desk.run(
        [
          "--yes",
          ...HEADERS.flatMap((header) => ["--header", csv(header)]),
          "--header-command",
          HEADER_COMMAND,
        ],
        { program: [program, "run", module], env: { CODER_CONFIG_DIR: config } },
      );
      strictEqual(result.code, 0, result.stderr);
      for (const shell of SHELLS) {
        const ssh = await new Deno.Command("ssh", {
          args: ["-F", desk.path, "dev.coder", "true"],
          env: { SHELL: shell },
          stdin: "null",
          stdout: "null",
          stderr: "piped",
        }).output();
        const text = await Deno.readTextFile(log).catch((error) => {
          throw new Error(new TextDecoder().decode(ssh.stderr), { cause: error });
        });
        const [exists, proxy] = text.split("\0\n\n").map((call) => call.split("\0"));
        deepStrictEqual(exists, ["run", module, "connect", "exists", "dev.coder"]);
        const words = [...proxy ?? []];
        for (const [i, word] of words.entries()) {
          if (words[i - 1] === "--header") words[i] = parseCsvRecord(word).join("|");
        }
        deepStrictEqual(words, [
          "run",
          module,
          "--global-config",
          config,
          ...HEADERS.flatMap((header) => ["--header", header]),
          "--header-command",
          HEADER_COMMAND,
          "ssh",
          "--stdio",
          "--hostname-suffix",
          "coder",
          "dev.coder",
        ]);
        await Deno.remove(log);
      }
    },
  });
}

Deno.test("a path that no line of ssh_config holds is refused, and the file left as it is", async () => {
  await using desk = await ConfigDesk.open();
  for (const name of ['a"b', "a\nb", "a\rb"]) {
    const result = await desk.run(["--yes"], { program: [`/opt/${name}/hawser`] });
    strictEqual(result.code, 1);
    ok(/error: escape coder binary for (ProxyCommand|Match exec) failed: /.test(result.stderr));
  }
});

/** A text as one field of a flag that reads CSV. */
function csv(text: string): string {
  return `"${text.replaceAll('"', '""')}"`;
}
