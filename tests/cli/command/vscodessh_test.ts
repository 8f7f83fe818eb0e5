/** Counterparts of upstream's vscodessh_test.go (docs/protocol/ssh.md#vscodessh). */
import { deepStrictEqual, ok, rejects } from "node:assert/strict";
import { checkPositionals } from "../../../lib/cli/command/command.ts";
import { runCommand } from "../../../lib/cli/command/run.ts";
import {
  command,
  openVscodesshLog,
  planVscodessh,
  VSCODESSH,
  type VscodesshPlan,
} from "../../../lib/cli/command/vscodessh.ts";
import { parseArgs } from "../../../lib/cli/grammar/args.ts";
import { GLOBAL, GLOBAL_FLAGS } from "../../../lib/cli/grammar/flags_global.ts";
import { optionsOf } from "../../../lib/cli/grammar/options.ts";
import { FakeHost, type FakeHostOptions } from "../../support/fake_host.ts";

const FILES = { "/s/token": "secret-token\n", "/s/url": "https://coder.example.com/\n" };
const FLAGS = ["--session-token-file=/s/token", "--url-file", "/s/url", "--network-info-dir=/net"];

async function plan(
  args: readonly string[],
  options: FakeHostOptions = {},
): Promise<VscodesshPlan> {
  using host = new FakeHost({ files: FILES, ...options });
  const flags = [...command.flags, ...GLOBAL_FLAGS];
  const env = (name: string) => host.env(name);
  const parsed = parseArgs(args, { flags, env, command: "hawser vscodessh" });
  checkPositionals(parsed.positionals, command.positionals, { usage: "hawser vscodessh" });
  return await planVscodessh(host, {
    options: optionsOf(VSCODESSH, parsed),
    global: optionsOf(GLOBAL, parsed),
    hostname: parsed.positionals[0] ?? "",
  });
}

Deno.test("vscodessh is ssh --stdio with the files' deployment and token", async () => {
  const { global, options, workspace, logDir } = await plan([
    ...FLAGS,
    "--log-dir=/logs",
    "coder-vscode--alice--dev",
  ], {
    env: { CODER_URL: "https://other.example.com", CODER_SESSION_TOKEN: "other" },
  });
  deepStrictEqual([global.url, global.token], ["https://coder.example.com/", "secret-token"]);
  deepStrictEqual([workspace, logDir], ["alice/dev", "/logs"]);
  const { stdio, disableAutostart, usageApp, networkInfoDir, networkInfoIntervalMs, wait } =
    options;
  deepStrictEqual(
    { stdio, disableAutostart, usageApp, networkInfoDir, networkInfoIntervalMs, wait },
    {
      stdio: true,
      disableAutostart: true,
      usageApp: "vscode",
      networkInfoDir: "/net",
      networkInfoIntervalMs: 5_000,
      wait: "auto",
    },
  );
});

Deno.test("vscodessh takes an agent, an interval, a wait, and the prefix of newer extensions", async () => {
  const { options, workspace } = await plan([
    ...FLAGS,
    "--network-info-interval=250ms",
    "--wait=yes",
    "coder-vscode.coder.example.com--alice--dev--main",
  ]);
  deepStrictEqual(workspace, "alice/dev.main");
  deepStrictEqual([options.networkInfoIntervalMs, options.wait], [250, "yes"]);
});

Deno.test("vscodessh knows a deployment with a name in punycode by its URL or by its form", async () => {
  for (const url of ["https://b\u00fccher.example", "https://other.example"]) {
    const { workspace } = await plan([
      ...FLAGS,
      "coder-vscode.xn--bcher-kva.example--demo--dev.main",
    ], { files: { ...FILES, "/s/url": url } });
    deepStrictEqual(workspace, "demo/dev.main");
  }
});

Deno.test("vscodessh takes paths as ssh_config writes them", async () => {
  const { global, options, logDir } = await plan([
    ...["--session-token-file=~/token", "--url-file", "${S}/url", "--network-info-dir=$S/net"],
    ...["--log-dir", "~/logs", "coder-vscode--alice--dev"],
  ], { env: { HOME: "/s", S: "/s" } });
  deepStrictEqual([global.url, global.token], ["https://coder.example.com/", "secret-token"]);
  deepStrictEqual([options.networkInfoDir, logDir], ["/s/net", "/s/logs"]);
});

Deno.test("vscodessh does not listen to the variables of ssh", async () => {
  const { options } = await plan([...FLAGS, "coder-vscode--alice--dev"], {
    env: { CODER_SSH_FORWARD_GPG: "true", CODER_SSH_LOG_DIR: "/x", CODER_SSH_USAGE_APP: "disable" },
  });
  deepStrictEqual([options.forwardGpg, options.logDir, options.usageApp], [false, "", "vscode"]);
});

interface Row {
  readonly name: string;
  readonly args: readonly string[];
  readonly message: string;
  readonly files?: Readonly<Record<string, string>>;
}

const [TOKEN = "", URL_FLAG = "", URL_FILE = "", NET = ""] = FLAGS;
const HOST = "coder-vscode--alice--dev";
const BAD_FORMAT = "invalid argument format. must be: coder-vscode--<owner>--<name>--<agent?>";

const ROWS: readonly Row[] = [
  { name: "no arguments", args: FLAGS, message: "wanted 1 args but got 0 []" },
  {
    name: "two arguments",
    args: [...FLAGS, HOST, "x"],
    message: `wanted 1 args but got 2 [${HOST} x]`,
  },
  { name: "nothing given", args: [HOST], message: "network-info-dir must be specified" },
  {
    name: "no token file",
    args: [NET, URL_FLAG, URL_FILE, HOST],
    message: "session-token-file must be specified",
  },
  { name: "no URL file", args: [NET, TOKEN, HOST], message: "url-file must be specified" },
  {
    name: "token file missing",
    args: [...FLAGS, HOST],
    files: {},
    message: "read session token: open /s/token: no such file or directory",
  },
  {
    name: "URL file missing",
    args: [...FLAGS, HOST],
    files: { "/s/token": "t" },
    message: "read url: open /s/url: no such file or directory",
  },
  {
    name: "token that no header can carry",
    args: [...FLAGS, HOST],
    files: { "/s/token": "secret\u200btoken\n", "/s/url": "https://coder.example.com" },
    message: 'The session token of "/s/token" holds characters that no token has',
  },
  {
    name: "token file empty: no other token is tried",
    args: [...FLAGS, HOST],
    files: { "/s/token": "\n", "/s/url": "https://coder.example.com" },
    message: "read session token: /s/token is empty",
  },
  { name: "no owner", args: [...FLAGS, "coder-vscode--dev"], message: BAD_FORMAT },
  { name: "no separators", args: [...FLAGS, "dev"], message: BAD_FORMAT },
  { name: "an empty owner", args: [...FLAGS, "coder-vscode----dev"], message: BAD_FORMAT },
];

Deno.test("vscodessh refuses what it cannot use, in upstream's words (docs/protocol/ssh.md#vscodessh)", async (t) => {
  for (const { name, args, message, files = FILES } of ROWS) {
    await t.step(name, () => rejects(plan(args, { files }), { message }));
  }
});

Deno.test("vscodessh logs to stderr and to <log-dir>/<parent pid>.log, with details", async () => {
  using host = new FakeHost({ files: { "/logs/1234.log": "of an older process\n" } });
  const { log, close } = await openVscodesshLog(host, "/logs");
  log.child("net").debug("relay ready", { region: 1 });
  await close();
  const line = "2026-07-24 10:00:00.000 [debu]  net: relay ready  region=1\n";
  deepStrictEqual([...host.files.entries].map(([path, { text }]) => [path, text]), [
    ["/logs/1234.log", line],
  ]);
  deepStrictEqual(host.stderr.text, line);
});

Deno.test("vscodessh logs to stderr alone without a folder", async () => {
  using host = new FakeHost();
  const { log, close } = await openVscodesshLog(host, "");
  log.info("hello");
  await close();
  deepStrictEqual(host.stderr.text, "2026-07-24 10:00:00.000 [info]  hello\n");
  deepStrictEqual(host.files.entries.size, 0);
});

Deno.test("vscodessh --help needs nothing else", async () => {
  using host = new FakeHost();
  deepStrictEqual(await runCommand(command, ["--help"], host), 0);
  ok(host.stdout.text.includes("--session-token-file string"));
});
