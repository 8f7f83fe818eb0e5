/** Upstream's table of written files and questions (cli/configssh_test.go), each file then read by OpenSSH. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { startCommand } from "../support/command_host.ts";
import {
  BASE_HEADER,
  ConfigDesk,
  HAS_SSH,
  HEADER_END,
  HEADER_START,
  sshOptionsOf,
} from "./config_ssh_support.ts";

interface Row {
  readonly name: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** What is asked, and the answers, in order. */
  readonly asks?: readonly (readonly [string, string])[];
  /** The file before. @default none */
  readonly before?: string;
  /** Parts of the file afterwards, in this order. */
  readonly parts?: readonly string[];
  readonly without?: readonly string[];
  readonly pattern?: RegExp;
  /** What the error says; the file stays as it was. */
  readonly error?: string;
}

const OLD_OPTION = [
  HEADER_START,
  "# Last config-ssh options:",
  "# :ssh-option=ForwardAgent=yes",
  "#",
];

const ROWS: readonly Row[] = [
  {
    name: "the file is made",
    asks: [["Continue?", "yes"]],
    parts: [HEADER_START, HEADER_END],
  },
  {
    name: "the section stands behind what is there",
    before: "Host myhost\n\tHostName myhost",
    asks: [["Continue?", "yes"]],
    parts: [`Host myhost\n\tHostName myhost\n${HEADER_START}`, HEADER_END],
  },
  {
    name: "the section stays where it is when options change",
    before:
      `Host myhost\n\tHostName myhost\n\n${BASE_HEADER}\n\nHost otherhost\n\tHostName otherhost\n`,
    args: ["--ssh-option", "ForwardAgent=yes"],
    asks: [["Use new options?", "yes"], ["Continue?", "yes"]],
    parts: [
      `Host myhost\n\tHostName myhost\n\n${OLD_OPTION.join("\n")}`,
      `${HEADER_END}\n\nHost otherhost\n\tHostName otherhost\n`,
    ],
  },
  {
    name: "the last line gets its end",
    before: BASE_HEADER,
    asks: [["Continue?", "yes"]],
    parts: [HEADER_START, `${HEADER_END}\n`],
  },
  {
    name: "the first run asks nothing about options",
    before: "",
    args: ["--ssh-option", "ForwardAgent=yes"],
    asks: [["Continue?", "yes"]],
    parts: [OLD_OPTION.join("\n"), `${HEADER_END}\n`],
  },
  {
    name: "new options are asked about when there were none",
    before: BASE_HEADER,
    args: ["--ssh-option", "ForwardAgent=yes"],
    asks: [["Use new options?", "yes"], ["Continue?", "yes"]],
    parts: [OLD_OPTION.join("\n"), `${HEADER_END}\n`],
  },
  {
    name: "no options are asked about when there were some",
    before: [...OLD_OPTION, HEADER_END].join("\n"),
    asks: [["Use new options?", "yes"], ["Continue?", "yes"]],
    parts: [`${HEADER_START}\nHost`, `${HEADER_END}\n`],
    without: ["Last config-ssh options"],
  },
  {
    name: "a no leaves the file as it is",
    before: [...OLD_OPTION, HEADER_END, ""].join("\n"),
    args: ["--ssh-option", "ForwardAgent=no"],
    asks: [["Use new options?", "yes"], ["Continue?", "no"]],
    parts: [[...OLD_OPTION, HEADER_END, ""].join("\n")],
    without: ["Host"],
  },
  {
    name: "a no to new options keeps the old ones",
    before: [...OLD_OPTION, HEADER_END, ""].join("\n"),
    args: ["--ssh-option", "ForwardAgent=no"],
    asks: [["Use new options?", "no"], ["Continue?", "yes"]],
    parts: [[...OLD_OPTION, "Host"].join("\n"), "\tForwardAgent=yes\n"],
  },
  {
    name: "--yes asks nothing",
    before: [...OLD_OPTION, HEADER_END, ""].join("\n"),
    args: ["--yes"],
    parts: [`${HEADER_START}\nHost`, HEADER_END],
  },
  {
    name: "flags are kept in the file",
    args: [
      "--yes",
      "--wait=yes",
      "--ssh-host-prefix",
      "coder-test.",
      "--hostname-suffix",
      "coder-suffix",
      "--header",
      "X-Test-Header=foo",
      "--header",
      "X-Test-Header2=bar",
      "--header-command",
      "echo h1=v1 h2=\"v2\" h3='v3'",
    ],
    parts: [
      [
        HEADER_START,
        "# Last config-ssh options:",
        "# :wait=yes",
        "# :ssh-host-prefix=coder-test.",
        "# :hostname-suffix=coder-suffix",
        "# :header=X-Test-Header=foo",
        "# :header=X-Test-Header2=bar",
        "# :header-command=echo h1=v1 h2=\"v2\" h3='v3'",
        "#",
      ].join("\n"),
      `${HEADER_END}\n`,
    ],
    pattern: /ssh --stdio --wait=yes --ssh-host-prefix coder-test\. %h/,
  },
  {
    name: "--no-wildcard is kept in the file",
    args: ["--yes", "--hostname-suffix", "coder-suffix", "--no-wildcard"],
    parts: [
      `${HEADER_START}\n# Last config-ssh options:\n# :hostname-suffix=coder-suffix\n# :no-wildcard=true\n#`,
      `${HEADER_END}\n`,
    ],
  },
  {
    name: "--no-wildcard names each workspace",
    args: ["--yes", "--hostname-suffix", "coder", "--no-wildcard"],
    parts: ["# :hostname-suffix=coder\n", "# :no-wildcard=true\n", "Host coder.myworkspace\n"],
    pattern: /Host myworkspace\.coder\n/,
    without: ["Host coder.*", "Host *.coder"],
  },
  {
    name: "--use-previous-options asks nothing about options",
    before: [
      HEADER_START,
      "# Last config-ssh options:",
      "# :wait=no",
      "# :ssh-option=ForwardAgent=yes",
      "#",
      HEADER_END,
      "",
    ].join("\n"),
    args: ["--use-previous-options", "--yes"],
    parts: [
      `${HEADER_START}\n# Last config-ssh options:\n# :wait=no\n# :ssh-option=ForwardAgent=yes\n#\nHost`,
      " --wait=no ",
      `${HEADER_END}\n`,
    ],
  },
  {
    name: "--dry-run writes nothing",
    before: `${BASE_HEADER}\n`,
    args: ["--ssh-option", "ForwardAgent=yes", "--dry-run", "--yes"],
    parts: [`${BASE_HEADER}\n`],
    without: ["Host"],
  },
  {
    name: "headers out of order",
    before:
      `# Content before coder block\n${HEADER_END}\n${HEADER_START}\n# Content after coder block`,
    error: "Malformed config: ssh config has coder section, but it is malformed and the END " +
      "header is before the START header",
  },
  {
    name: "two sections",
    before: `${BASE_HEADER}\n${BASE_HEADER}`,
    error: "Malformed config: ssh config has multiple coder sections, please remove all but one",
  },
  {
    name: "no start",
    before: `Host a\n${HEADER_END}\n`,
    error: "Malformed config: ssh config has end header, but missing start header",
  },
  {
    name: "no end",
    before: `Host a\n${HEADER_START}\nHost b\n`,
    error: "Malformed config: ssh config has start header, but missing end header",
  },
  {
    name: "--coder-binary-path",
    args: ["-y", "--coder-binary-path", "/foo/bar/coder"],
    pattern: /ProxyCommand \/foo\/bar\/coder --global-config /,
  },
  {
    name: "headers",
    args: ["--yes", "--header", "X-Test-Header=foo", "--header", "X-Test-Header2=bar"],
    pattern:
      /ProxyCommand .* --header "X-Test-Header=foo" --header "X-Test-Header2=bar" ssh .* --ssh-host-prefix coder\. %h/,
  },
  {
    name: "a header command",
    args: ["--yes", "--header-command", "echo h1=v1"],
    pattern: /ProxyCommand .* --header-command "echo h1=v1" ssh .* --ssh-host-prefix coder\. %h/,
  },
  {
    name: "a header command with double quotes",
    args: ["--yes", "--header-command", 'echo h1=v1 h2="v2"'],
    pattern: /ProxyCommand .* --header-command "echo h1=v1 h2=\\"v2\\"" ssh /,
  },
  {
    name: "a header command with single quotes",
    args: ["--yes", "--header-command", "echo h1=v1 h2='v2'"],
    pattern: /ProxyCommand .* --header-command "echo h1=v1 h2='v2'" ssh /,
  },
  {
    name: "several remote forwards",
    args: [
      "--yes",
      "--ssh-option",
      "RemoteForward 2222 192.168.11.1:2222",
      "--ssh-option",
      "RemoteForward 2223 192.168.11.1:2223",
    ],
    parts: ["\tRemoteForward 2222 192.168.11.1:2222\n\tRemoteForward 2223 192.168.11.1:2223\n"],
  },
  {
    name: "--hostname-suffix",
    args: ["--yes", "--ssh-option", "ServerAliveInterval=7", "--hostname-suffix", "testy"],
    parts: [
      "Host *.testy\n\tServerAliveInterval=7\n\tConnectTimeout=0\n\tStrictHostKeyChecking=no\n" +
      "\tUserKnownHostsFile=/dev/null\n\tLogLevel ERROR\n\n",
    ],
    pattern:
      /Match host \*\.testy !exec ".* connect exists %h"\n\tProxyCommand .* ssh .* --hostname-suffix testy %h/,
  },
  {
    name: "prefix and suffix",
    args: ["--yes", "--ssh-host-prefix", "presto.", "--hostname-suffix", "testy"],
    parts: ["Host presto.*", "Match host *.testy !exec"],
  },
  {
    name: "an explicitly empty prefix",
    args: ["--yes", "--ssh-host-prefix", ""],
    parts: [HEADER_START, "# Last config-ssh options:", "# :ssh-host-prefix=\n", HEADER_END],
    without: ["Host coder.*", "--ssh-host-prefix coder."],
  },
  {
    name: "an explicitly empty prefix of the environment",
    args: ["--yes"],
    env: { CODER_CONFIGSSH_SSH_HOST_PREFIX: "" },
    parts: [HEADER_START, "# Last config-ssh options:", "# :ssh-host-prefix=\n", HEADER_END],
    without: ["Host coder.*", "--ssh-host-prefix coder."],
  },
  {
    name: "an explicitly empty prefix and a suffix",
    args: ["--yes", "--ssh-host-prefix", "", "--hostname-suffix", "testy"],
    parts: ["# :ssh-host-prefix=\n", "# :hostname-suffix=testy\n", "Host *.testy"],
    without: ["Host coder.*", "--ssh-host-prefix coder."],
  },
  {
    name: "an explicitly empty suffix",
    args: ["--yes", "--hostname-suffix="],
    parts: ["# :hostname-suffix=\n", "Host coder.*"],
    without: ["Host *.", "Match"],
  },
  {
    name: "both empty: a section without hosts",
    args: ["--yes", "--hostname-suffix=", "--ssh-host-prefix="],
    parts: ["# :ssh-host-prefix=\n# :hostname-suffix=\n#\n# ------------END"],
  },
  {
    name: "--use-previous-options keeps an empty prefix",
    before: `${HEADER_START}\n# Last config-ssh options:\n# :ssh-host-prefix=\n#\n${HEADER_END}\n`,
    args: ["--use-previous-options", "--yes"],
    parts: ["# :ssh-host-prefix=\n"],
    without: ["Host coder.*", "--ssh-host-prefix coder."],
  },
  {
    name: "--use-previous-options wins over an empty prefix",
    before:
      `${HEADER_START}\n# Last config-ssh options:\n# :ssh-host-prefix=coder-test.\n#\n${HEADER_END}\n`,
    args: ["--use-previous-options", "--yes", "--ssh-host-prefix", ""],
    parts: ["# :ssh-host-prefix=coder-test.", "Host coder-test.*"],
  },
  {
    name: "--skip-proxy-command",
    args: ["--yes", "--skip-proxy-command", "--no-wildcard"],
    parts: ["Host coder.myworkspace\n\tConnectTimeout=0\n", "Host myworkspace.coder\n"],
    without: ["ProxyCommand", "Match", "Host *.", "Host coder.*"],
  },
  {
    name: "--skip-proxy-command with --wait",
    args: ["--yes", "--skip-proxy-command", "--wait=yes"],
    error: "cannot specify both --skip-proxy-command and --wait",
  },
  {
    name: "--disable-autostart",
    args: ["--yes", "--disable-autostart"],
    parts: [
      "# :disable-autostart=true\n",
      " ssh --stdio --disable-autostart=true --ssh-host-prefix",
    ],
  },
  {
    name: "an empty option takes the default away",
    args: ["--yes", "-o", "ConnectTimeout=", "-o", "connecttimeout 5", "-o", "User x"],
    parts: ["Host coder.*\n\tUser x\n\tStrictHostKeyChecking=no\n"],
    without: ["\tConnectTimeout", "\tconnecttimeout"],
  },
  {
    name: "an option without a value's place",
    args: ["--yes", "-o", "novalue"],
    error: "config-ssh option \"novalue\" is missing a key/value separator ('=' or ' ')",
  },
  {
    name: "an option of two lines",
    args: ["--yes", "-o", '"User=a\nHost *"'],
    error: "must not contain carriage return, newline, or NUL characters",
  },
  {
    name: "a header of two lines",
    args: ["--yes", "--header-command", "echo a=b\nProxyCommand x"],
    error: "header command",
  },
  {
    name: "a suffix that is a pattern",
    args: ["--yes", "--hostname-suffix", "*"],
    error: "must not contain glob characters",
  },
  {
    name: "a program with quotes in its path",
    args: ["--yes", "--coder-binary-path", '/a"b/coder'],
    error:
      'escape coder binary for Match exec failed: path must not contain quotes: "/a\\"b/coder"',
  },
  {
    name: "a program whose path is not absolute",
    args: ["--yes", "--coder-binary-path", "coder"],
    error:
      'invalid argument "coder" for "--coder-binary-path" flag: coder cli path must be an absolute path',
  },
  { name: "too many words", args: ["--yes", "more"], error: "wanted no args but got 1 [more]" },
];

for (const row of ROWS) {
  Deno.test(`config-ssh: ${row.name}`, async () => {
    await using desk = await ConfigDesk.open();
    if (row.before !== undefined) await desk.put(row.before);
    const asks = row.asks ?? [];
    const result = await desk.run(row.args ?? [], {
      stdin: asks.map(([, answer]) => `${answer}\n`).join(""),
      ...(row.env === undefined ? {} : { env: row.env }),
    });
    if (row.error !== undefined) {
      strictEqual(result.code, 1, result.stdout);
      ok(result.stderr.includes(row.error), result.stderr);
      if (row.before === undefined) ok(!await exists(desk.path), "no file");
      else strictEqual(await desk.text(), row.before);
      return;
    }
    strictEqual(result.code, 0, result.stderr);
    let said = result.stdout;
    for (const [question] of asks) {
      const at = said.indexOf(question);
      ok(at !== -1, `${question} in ${said}`);
      said = said.slice(at + question.length);
    }
    ok(!said.includes("(yes/no) \n> "), `nothing else is asked: ${said}`);
    const full = await desk.text();
    let rest = full;
    for (const part of row.parts ?? []) {
      const at = rest.indexOf(part);
      ok(at !== -1, `${part}\n--- in ---\n${rest}`);
      rest = rest.slice(at + part.length);
    }
    if (row.pattern !== undefined) match(full, row.pattern);
    for (const part of row.without ?? []) ok(!full.includes(part), `${part} in ${full}`);
    if (HAS_SSH) await sshOptionsOf(desk.path, "coder.myworkspace");
  });
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

Deno.test("config-ssh writes the official section to the byte, and finds nothing to do the second time", async () => {
  await using desk = await ConfigDesk.open();
  const first = await desk.run(["--yes"]);
  const options =
    "\tConnectTimeout=0\n\tStrictHostKeyChecking=no\n\tUserKnownHostsFile=/dev/null\n\tLogLevel ERROR\n";
  strictEqual(
    await desk.text(),
    `${HEADER_START}\nHost coder.*\n${options}` +
      `\tProxyCommand ${desk.proxy} ssh --stdio --ssh-host-prefix coder. %h\n` +
      `\nHost *.coder\n${options}` +
      `\nMatch host *.coder !exec "${desk.program} connect exists %h"\n` +
      `\tProxyCommand ${desk.proxy} ssh --stdio --hostname-suffix coder %h\n${HEADER_END}\n`,
  );
  deepStrictEqual(first, {
    code: 0,
    stderr: "",
    stdout: `Updated "${desk.path}"\nYou should now be able to ssh into your workspace.\n` +
      "For example, try running:\n\n\t$ ssh myworkspace.coder\n",
  });
  const info = await Deno.stat(desk.path);
  if (Deno.build.os !== "windows") {
    strictEqual((info.mode ?? 0) & 0o777, 0o600);
    strictEqual(((await Deno.stat(`${desk.home}/.ssh`)).mode ?? 0) & 0o777, 0o700);
  }
  const second = await desk.run([]);
  deepStrictEqual(second, { code: 0, stderr: "", stdout: "No changes to make.\n" });
  strictEqual((await Deno.stat(desk.path)).ino, info.ino, "the file was not touched");
});

Deno.test("config-ssh shows what it would do as a diff, on standard output alone", async () => {
  await using desk = await ConfigDesk.open();
  const before = "# Gr\xfc\xdfe\r\nHost a\r\n\tUser b";
  await desk.put(Uint8Array.from(before, (character) => character.charCodeAt(0)));
  const result = await desk.run(["-n"]);
  strictEqual(result.code, 0);
  strictEqual(
    result.stderr,
    "Dry run, the following changes would be made to your SSH configuration:\n\n" +
      `  * Update the coder section in ${desk.path}\n\n`,
  );
  ok(result.stdout.startsWith(`--- ${desk.path}\n+++ ${desk.path}\n@@ -1,3 +1,`), result.stdout);
  ok(result.stdout.includes("\r\n-\tUser b\n\\ No newline at end of file\n+\tUser b\n"));
  const again = await desk.run(["-n", "-o", "User=x"]);
  ok(again.stdout.includes("+\tUser=x\n"), again.stdout);
});

Deno.test("config-ssh at a terminal: questions, answers, a diff in colours that obeys nothing of the file", async () => {
  await using desk = await ConfigDesk.open();
  const terminal = { columns: 80, rows: 24 };
  const { stdout } = await desk.run(["--yes"], { terminal });
  ok(stdout.startsWith(`Updated "${desk.path}"\n`), stdout);
  await desk.put(`# \x1b]0;title\x07\n${await desk.text()}`);
  const options = ["-n", "--yes", "-o", "User=\u{202e}x"];
  const colored = (await desk.run(options, { terminal })).stdout;
  ok(colored.includes("\n\x1b[32m+\tUser=x\x1b[0m\n"), colored);
  ok(colored.includes("\x1b[36m@@ -5,"), colored);
  ok(!colored.includes("title"), colored);
  const plain = await desk.run(options, { terminal, env: { NO_COLOR: "1" } });
  ok(plain.stdout.includes("\n+\tUser=x\n"), plain.stdout);
  await using run = startCommand(["config-ssh", "--ssh-config-file", desk.path, "-o", "User=y"], {
    terminal,
    program: [desk.program],
    env: {
      CODER_URL: desk.sandbox.url.href,
      CODER_SESSION_TOKEN: desk.sandbox.token,
      PATH: `${desk.home}/bin`,
    },
  });
  await run.stdout.waitFor("Use new options? (yes/no) ");
  await run.type("y\n");
  await run.stdout.waitFor("Continue? (yes/no) ");
  await run.type("\n");
  strictEqual((await run.result()).code, 0);
  ok((await desk.text()).includes("\tUser=y\n"));
});

Deno.test("config-ssh needs no answer for a dry run, and takes none for a no", async () => {
  await using desk = await ConfigDesk.open();
  const silent = await desk.run([]);
  strictEqual(silent.code, 0);
  ok(silent.stderr.includes("Nothing was changed: there was no answer"), silent.stderr);
  ok(!await exists(desk.path));
  await desk.put([...OLD_OPTION, HEADER_END, ""].join("\n"));
  const dry = await desk.run(["-n"]);
  ok(dry.stderr.includes("  * Use new options\n"), dry.stderr);
  ok(!dry.stdout.includes("(yes/no)"), "the question is no part of the diff");
  ok(dry.stdout.includes("-# :ssh-option=ForwardAgent=yes\n"), dry.stdout);
});
