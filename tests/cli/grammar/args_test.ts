import assert from "node:assert/strict";
import fc from "fast-check";
import { UserError } from "../../../lib/base/errors.ts";
import {
  type AnyFlag,
  parseArgs,
  type ParsedArgs,
  splitCommand,
} from "../../../lib/cli/grammar/args.ts";
import { parseCsvRecord } from "../../../lib/cli/grammar/csv.ts";
import { GLOBAL, GLOBAL_FLAGS } from "../../../lib/cli/grammar/flags_global.ts";
import {
  readSshOptions,
  SSH,
  SSH_FLAGS,
  type SshOptions,
} from "../../../lib/cli/grammar/flags_ssh.ts";
import { optionsOf } from "../../../lib/cli/grammar/options.ts";

const FLAGS: readonly AnyFlag[] = [...SSH_FLAGS, ...GLOBAL_FLAGS];

function parse(args: readonly string[], env: Record<string, string> = {}): ParsedArgs {
  return parseArgs(args, {
    flags: FLAGS,
    env: (name) => env[name],
    command: "hawser ssh",
    shown: ["ssh", ...args],
  });
}

function messageOf(body: () => unknown): string {
  try {
    body();
  } catch (error) {
    assert.ok(error instanceof UserError, String(error));
    return error.message;
  }
  assert.fail("nothing thrown");
}

Deno.test("parseArgs() takes the grammar of coder's flags (docs/protocol/ssh.md#flags)", async (t) => {
  const rows: { in: string[]; positionals: string[]; options: Partial<SshOptions> }[] = [
    { in: ["ws"], positionals: ["ws"], options: {} },
    {
      in: ["ws", "-A", "ls"],
      positionals: ["ws", "ls"],
      options: { forwardAgent: true, isAgentExplicit: true },
    },
    {
      in: ["-tA", "ws"],
      positionals: ["ws"],
      options: { tty: true, forwardAgent: true, isAgentExplicit: true },
    },
    { in: ["-eA=1", "ws"], positionals: ["ws"], options: { env: ["A=1"] } },
    { in: ["-e=A=1", "ws"], positionals: ["ws"], options: { env: ["A=1"] } },
    { in: ["-e", "A=1", "ws"], positionals: ["ws"], options: { env: ["A=1"] } },
    {
      in: ["-tAeA=1", "ws"],
      positionals: ["ws"],
      options: { tty: true, forwardAgent: true, isAgentExplicit: true, env: ["A=1"] },
    },
    { in: ["-tA=false", "ws"], positionals: ["ws"], options: { tty: true, forwardAgent: false } },
    { in: ["--stdio=false", "ws"], positionals: ["ws"], options: { stdio: false } },
    { in: ["--stdio=T", "ws"], positionals: ["ws"], options: { stdio: true } },
    { in: ["--stdio", "false"], positionals: ["false"], options: { stdio: true } },
    { in: ["--log-dir", "-x", "ws"], positionals: ["ws"], options: { logDir: "-x" } },
    { in: ["--log-dir=", "ws"], positionals: ["ws"], options: { logDir: "" } },
    { in: ["-l/tmp", "ws"], positionals: ["ws"], options: { logDir: "/tmp" } },
    {
      in: ["-e", "a=1,b=2", "--env=c=3"],
      positionals: [],
      options: { env: ["a=1", "b=2", "c=3"] },
    },
    {
      in: ["-e", '"a=1,2","b=""x"""'],
      positionals: [],
      options: { env: ["a=1,2", 'b="x"'] },
    },
    { in: ["-e", "a=1", "-e", ""], positionals: [], options: { env: [] } },
    { in: ["--wait", "no", "--wait=yes"], positionals: [], options: { wait: "yes" } },
    {
      in: ["--workspace-poll-interval=1h30m"],
      positionals: [],
      options: { workspacePollIntervalMs: 5_400_000 },
    },
    {
      in: ["--network-info-interval", "25ms"],
      positionals: [],
      options: { networkInfoIntervalMs: 25 },
    },
    {
      in: ["--keepalive-interval=2d"],
      positionals: [],
      options: { keepaliveIntervalMs: 172_800_000 },
    },
    {
      in: ["ws", "--", "ls", "-la", "--wait=x"],
      positionals: ["ws", "ls", "-la", "--wait=x"],
      options: { wait: "auto" },
    },
    { in: ["ws", "-la"], positionals: ["ws"], options: { logDir: "a" } },
    { in: ["-", "ws"], positionals: ["-", "ws"], options: {} },
    { in: ["", "ws"], positionals: ["", "ws"], options: {} },
    {
      in: ["-R", "8222:localhost:80", "-R", "/a:/b"],
      positionals: [],
      options: { remoteForwards: ["8222:localhost:80", "/a:/b"] },
    },
    {
      in: ["-L1:h:2", "-D", "1080", "-W", "h:22", "-N"],
      positionals: [],
      options: {
        localForwards: ["1:h:2"],
        dynamicForwards: ["1080"],
        stdioForward: "h:22",
        noCommand: true,
      },
    },
    { in: ["--no-wait", "--wait=yes"], positionals: [], options: { wait: "no" } },
    { in: ["--log-to-file"], positionals: [], options: { logToFile: true } },
  ];
  for (const row of rows) {
    await t.step(row.in.join(" "), () => {
      const parsed = parse(row.in);
      assert.deepEqual(parsed.positionals, row.positionals);
      const options = readSshOptions(parsed);
      assert.deepEqual(options, { ...readSshOptions(parse([])), ...row.options });
    });
  }
});

Deno.test("parseArgs() refuses in coder's words, under our name (docs/protocol/ssh.md#exit-codes-and-errors)", async (t) => {
  const rows: { in: string[]; out: string }[] = [
    { in: ["ws", "--nope"], out: "unknown flag: --nope" },
    { in: ["ws", "--nope=1"], out: "unknown flag: --nope" },
    { in: ["ws", "-tz"], out: "unknown shorthand flag: 'z' in -z" },
    { in: ["ws", "-zt"], out: "unknown shorthand flag: 'z' in -zt" },
    { in: ["ws", "-t="], out: "unknown shorthand flag: '=' in -=" },
    { in: ["ws", "--env"], out: "flag needs an argument: --env" },
    { in: ["ws", "-e"], out: "flag needs an argument: 'e' in -e" },
    { in: ["ws", "---x"], out: "bad flag syntax: ---x" },
    { in: ["ws", "--=x"], out: "bad flag syntax: --=x" },
    {
      in: ["--stdio=maybe"],
      out:
        'invalid argument "maybe" for "--stdio" flag: strconv.ParseBool: parsing "maybe": invalid syntax',
    },
    {
      in: ["-A=maybe"],
      out:
        'invalid argument "maybe" for "-A, --forward-agent" flag: strconv.ParseBool: parsing "maybe": invalid syntax',
    },
    {
      in: ["--wait=x"],
      out:
        'invalid argument "x" for "--wait" flag: invalid choice: x, should be one of [yes no auto]',
    },
    {
      in: ["--network-info-interval=5"],
      out:
        'invalid argument "5" for "--network-info-interval" flag: time: missing unit in duration "5"',
    },
    {
      in: ["--network-info-interval=x"],
      out: 'invalid argument "x" for "--network-info-interval" flag: time: invalid duration "x"',
    },
    {
      in: ["-e", 'a"b'],
      out:
        'invalid argument "a\\"b" for "-e, --env" flag: parse error on line 1, column 2: bare " in non-quoted-field',
    },
    {
      in: ["--keepalive-count=-1"],
      out:
        'invalid argument "-1" for "--keepalive-count" flag: strconv.ParseInt: parsing "-1": invalid syntax',
    },
  ];
  for (const row of rows) {
    await t.step(row.in.join(" "), () => {
      assert.equal(
        messageOf(() => parse(row.in)),
        `parsing flags ([ssh ${row.in.join(" ")}]) for "hawser ssh": ${row.out}`,
      );
    });
  }
});

Deno.test("A flag beats its variable, an empty variable is unset, a bad one is named", () => {
  const env = {
    CODER_SSH_WAIT: "yes",
    CODER_SSH_ENV: "a=1,b=2",
    CODER_SSH_STDIO: "",
    CODER_URL: "https://x",
  };
  assert.deepEqual(readSshOptions(parse([], env)).env, ["a=1", "b=2"]);
  assert.equal(readSshOptions(parse([], env)).wait, "yes");
  assert.equal(optionsOf(GLOBAL, parse([], env)).url, "https://x");
  const parsed = parse(["--wait=no", "-e", "c=3"], env);
  assert.equal(readSshOptions(parsed).wait, "no");
  assert.deepEqual(readSshOptions(parsed).env, ["c=3"]);
  assert.equal(parsed.source(SSH.wait), "flag");
  assert.equal(parsed.source(SSH.stdio), "default");
  assert.match(
    messageOf(() => parse([], { CODER_SSH_WAIT: "perhaps" })),
    /^parsing environment variable CODER_SSH_WAIT="perhaps" for "hawser ssh": invalid choice/,
  );
});

Deno.test("Retired flags and variables are accepted with their warning (docs/protocol/ssh.md#global-flags)", () => {
  assert.deepEqual(parse(["--no-wait", "--log-to-file"]).deprecations(FLAGS), [
    "`--no-wait` is deprecated, please use `--wait` instead.",
    "`--log-to-file` is deprecated, please use `--log-dir` instead.",
  ]);
  assert.deepEqual(parse([], { CODER_SSH_NO_WAIT: "true" }).deprecations(FLAGS), [
    "`CODER_SSH_NO_WAIT` is deprecated, please use `CODER_SSH_WAIT` instead.",
  ]);
  assert.deepEqual(parse(["ws"]).deprecations(FLAGS), []);
});

Deno.test("splitCommand() finds the command behind global flags", () => {
  const split = (...args: string[]) => splitCommand(args, GLOBAL_FLAGS);
  assert.deepEqual(split("ssh", "ws"), { command: "ssh", args: ["ws"] });
  assert.deepEqual(split("--url", "ssh", "-v", "ssh", "ws", "-t"), {
    command: "ssh",
    args: ["--url", "ssh", "-v", "ws", "-t"],
  });
  assert.deepEqual(split("--header=a=b", "ssh"), { command: "ssh", args: ["--header=a=b"] });
  assert.deepEqual(split("-h"), { command: undefined, args: ["-h"] });
  assert.equal(
    messageOf(() => split("--stdio", "ssh", "ws")),
    'parsing flags ([--stdio ssh ws]) for "hawser": unknown flag: --stdio',
  );
});

Deno.test("parseCsvRecord() reads what encoding/csv reads, and refuses what it refuses", async (t) => {
  const rows: { in: string; out: string[] | string }[] = [
    { in: "a", out: ["a"] },
    { in: "a,,b,", out: ["a", "", "b", ""] },
    { in: '"a,b","c""d"', out: ["a,b", 'c"d'] },
    { in: '"a\nb",c', out: ["a\nb", "c"] },
    { in: "\n\na,b\nc", out: ["a", "b"] },
    { in: " a , b ", out: [" a ", " b "] },
    { in: 'a,b"c', out: 'parse error on line 1, column 4: bare " in non-quoted-field' },
    { in: '"a"b', out: 'parse error on line 1, column 3: extraneous or missing " in quoted-field' },
    { in: '"a', out: 'parse error on line 1, column 3: extraneous or missing " in quoted-field' },
  ];
  for (const row of rows) {
    await t.step(JSON.stringify(row.in), () => {
      if (typeof row.out === "string") {
        assert.throws(() => parseCsvRecord(row.in), { message: row.out });
      } else {
        assert.deepEqual(parseCsvRecord(row.in), row.out);
      }
    });
  }
  const field = fc.string();
  fc.assert(fc.property(fc.array(field, { minLength: 1 }), (fields) => {
    const text = fields.map((f) => `"${f.replaceAll('"', '""')}"`).join(",");
    assert.deepEqual(parseCsvRecord(text), fields.map((f) => f.replaceAll("\r\n", "\n")));
  }));
});

/** One use of a flag in one of the ways that the grammar allows. */
function usesOf(flag: AnyFlag): fc.Arbitrary<{ args: string[]; flag: AnyFlag; text: string }> {
  const text = flag.isSwitch
    ? fc.constantFrom("true", "false", "1", "0", "t", "F", "TRUE", "False")
    : flag.kind === "duration"
    ? fc.constantFrom("5s", "1h30m", "0", "-2m", "1.5h", "3d", "1w", "100ms")
    : flag.kind === "int"
    ? fc.nat().map(String)
    : flag.kind.includes("|")
    ? fc.constantFrom(...flag.kind.split("|"))
    : flag.kind === "stringArray"
    ? fc.stringMatching(/^[a-z=:/.-]{1,8}$/)
    : flag.isPath === true // without what a path stands for: `path_test.ts`
    ? fc.string().map((path) => path.replaceAll("$", "").replace(/^~/, ""))
    : fc.string();
  const short = flag.shorthand;
  return text.chain((value) => {
    const forms: string[][] = [[`--${flag.name}=${value}`]];
    if (!flag.isSwitch) forms.push([`--${flag.name}`, value]);
    else if (value === "true") forms.push([`--${flag.name}`]);
    if (short !== undefined) {
      if (value !== "") forms.push([`-${short}=${value}`]);
      if (!flag.isSwitch) forms.push([`-${short}`, value]);
      if (!flag.isSwitch && value !== "" && !value.startsWith("=")) {
        forms.push([`-${short}${value}`]);
      }
      if (flag.isSwitch && value === "true") forms.push([`-${short}`]);
    }
    return fc.constantFrom(...forms).map((args) => ({ args, flag, text: value }));
  });
}

Deno.test("What coder's grammar accepts is accepted, in any order and form (issue 4, Tests)", () => {
  const use = fc.oneof(...FLAGS.map(usesOf));
  const positional = fc.stringMatching(/^[a-z./][a-z0-9./-]{0,10}$/);
  const item = fc.oneof(
    use.map((u) => ({ ...u, word: undefined })),
    positional.map((word) => ({ args: [word], flag: undefined, text: "", word })),
  );
  fc.assert(fc.property(
    fc.array(item, { maxLength: 12 }),
    fc.option(fc.array(fc.string(), { maxLength: 4 }), { nil: undefined }),
    (items, behind) => {
      const args = items.flatMap((one) => one.args);
      if (behind !== undefined) args.push("--", ...behind);
      const parsed = parse(args);
      const words = items.flatMap((one) => one.word === undefined ? [] : [one.word]);
      assert.deepEqual(parsed.positionals, [...words, ...behind ?? []]);
      for (const flag of FLAGS) {
        const texts = items.filter((one) => one.flag === flag).map((one) => one.text);
        const expected = texts.reduce((value, text) => flag.parse(text, value), flag.initial);
        assert.deepEqual(parsed.value(flag), expected, flag.name);
      }
    },
  ));
});

Deno.test("Clusters of switches mean what they mean one by one", () => {
  const switches = FLAGS.filter((flag) => flag.isSwitch && flag.shorthand !== undefined);
  fc.assert(fc.property(fc.shuffledSubarray(switches, { minLength: 1 }), (chosen) => {
    const together = parse([`-${chosen.map((flag) => flag.shorthand).join("")}`]);
    const apart = parse(chosen.map((flag) => `--${flag.name}`));
    for (const flag of FLAGS) assert.deepEqual(together.value(flag), apart.value(flag));
  }));
});

Deno.test("Any arguments at all parse or give a UserError", () => {
  const arg = fc.oneof(
    fc.string(),
    fc.string().map((s) => `-${s}`),
    fc.string().map((s) => `--${s}`),
  );
  fc.assert(fc.property(fc.array(arg), (args) => {
    try {
      parse(args);
    } catch (error) {
      assert.ok(error instanceof UserError, String(error));
    }
  }));
});
