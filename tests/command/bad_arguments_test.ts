/** Arguments that are wrong: what is said, exactly, and before any request (issue 4, Bad input). */
import { deepStrictEqual } from "node:assert/strict";
import { runToEnd } from "../support/command_host.ts";
import { checkFailure } from "./support_bad.ts";

/** Nobody listens there: a request would be told. */
const NOWHERE = { CODER_URL: "http://127.0.0.1:1", CODER_SESSION_TOKEN: "t" };
const REMOTE_FORM =
  "invalid format of remote-forward, expected: remote_port:local_address:local_port";
const LOCAL_HINT = "Use [bind_address:]port:host:hostport or /local.sock:/remote.sock";
const NAME_HINT = "Name a workspace as workspace, owner/workspace or owner/workspace.agent";

interface Row {
  readonly args: readonly string[];
  /** Behind `error: `. */
  readonly says: string;
  readonly hint?: string;
}

/** What the parser of flags says, in coder's words. */
function flagRow(args: readonly string[], problem: string): Row {
  return { args, says: `parsing flags ([ssh ${args.join(" ")}]) for "hawser ssh": ${problem}` };
}

function valueRow(args: readonly [flag: string, value: string], problem: string): Row {
  const [flag, value] = args;
  return flagRow([...args, "ws"], `invalid argument "${value}" for "${flag}" flag: ${problem}`);
}

const ROWS: readonly Row[] = [
  flagRow(["--bogus", "ws"], "unknown flag: --bogus"),
  {
    ...flagRow(["ws", "ls", "-Z"], "unknown shorthand flag: 'Z' in -Z"),
    hint: "Flags of a remote command stand behind --, as in hawser ssh dev -- ls -la",
  },
  valueRow(["--wait", "soon"], "invalid choice: soon, should be one of [yes no auto]"),
  valueRow(["--workspace-poll-interval", "soon"], 'time: invalid duration "soon"'),
  valueRow(["--keepalive-interval", "5"], 'time: missing unit in duration "5"'),
  valueRow(["--network-info-interval", "1y"], 'time: invalid duration "1y"'),
  valueRow(["--keepalive-count", "-1"], 'strconv.ParseInt: parsing "-1": invalid syntax'),
  { args: ["-R", "8080", "ws"], says: REMOTE_FORM },
  { args: ["-R", "relative.sock:/x", "ws"], says: REMOTE_FORM },
  { args: ["-R", "99999:localhost:80", "ws"], says: "remote port is invalid: 99999 is not a port" },
  {
    args: ["--stdio", "-R", "1:localhost:2", "ws"],
    says: "remote-forward can't be enabled in the stdio mode",
  },
  {
    args: ["-L", "banana", "ws"],
    says: 'Bad local forwarding specification "banana"',
    hint: LOCAL_HINT,
  },
  {
    args: ["-L", "70000:h:1", "ws"],
    says: 'Bad local forwarding specification "70000:h:1"',
    hint: LOCAL_HINT,
  },
  {
    args: ["ws", "--forward-agnet"],
    says:
      'parsing flags ([ssh ws --forward-agnet]) for "hawser ssh": unknown flag: --forward-agnet',
    hint: "Did you mean --forward-agent?",
  },
  {
    args: ["--waits=no", "ws"],
    says: 'parsing flags ([ssh --waits=no ws]) for "hawser ssh": unknown flag: --waits',
    hint: "Did you mean --wait?",
  },
  {
    args: ["--wait", "atuo", "ws"],
    says:
      'parsing flags ([ssh --wait atuo ws]) for "hawser ssh": invalid argument "atuo" for "--wait" flag: ' +
      "invalid choice: atuo, should be one of [yes no auto]",
    hint: 'Did you mean "auto"?',
  },
  {
    args: ["ws", "make", "--jobs=4"],
    says: 'parsing flags ([ssh ws make --jobs=4]) for "hawser ssh": unknown flag: --jobs',
    hint: "Flags of a remote command stand behind --, as in hawser ssh dev -- ls -la",
  },
  {
    args: ["-D", "x:y:z", "ws"],
    says: 'Bad dynamic forwarding specification "x:y:z"',
    hint: "Use [bind_address:]port",
  },
  {
    args: ["-W", "nowhere", "ws"],
    says: 'Bad stdio forwarding specification "nowhere"',
    hint: "Use host:port",
  },
  {
    args: ["-e", "novalue", "ws"],
    says: 'invalid environment variable setting "novalue"',
    hint: "Write it as -e NAME=value",
  },
  {
    args: ["-e", "\u001b]0;t\u0007", "ws"],
    says: 'invalid environment variable setting "\\x1b]0;t\\a"',
    hint: "Write it as -e NAME=value",
  },
  {
    args: ["--escape-char", "ab", "ws"],
    says: 'Bad escape character "ab": want one character, ^X or "none"',
    hint: "Give --escape-char one character, ^X or none",
  },
  {
    args: ["a/b/c/d/e"],
    says: 'invalid workspace identifier: "a/b/c/d/e"',
    hint: NAME_HINT,
  },
  { args: [""], says: 'invalid workspace identifier: ""', hint: NAME_HINT },
  {
    args: [],
    says: "expected the name of a workspace",
    hint: "Name one, e.g. hawser ssh my-workspace",
  },
];

Deno.test("Arguments that are wrong are told in one line and what to do, and end with 1", async (t) => {
  for (const { args, says, hint } of ROWS) {
    await t.step(JSON.stringify(args), async () => {
      const result = await runToEnd(["ssh", ...args], { env: NOWHERE });
      checkFailure(result, [`error: ${says}`, ...(hint === undefined ? [] : [hint])]);
    });
  }
});

Deno.test("A bad variable is named as such", async () => {
  const env = { ...NOWHERE, CODER_SSH_WAIT: "soon" };
  const result = await runToEnd(["ssh", "ws"], { env });
  deepStrictEqual(result.code, 1);
  deepStrictEqual(result.stderr.includes("CODER_SSH_WAIT"), result.stdout === "");
});

Deno.test("A flag of a command that stands before its name is told where it belongs", async () => {
  const { code, stderr } = await runToEnd(["--tty", "ssh", "ws"], { env: NOWHERE });
  deepStrictEqual(code, 1);
  deepStrictEqual(stderr.split("\n").slice(1), [
    'error: parsing flags ([--tty ssh ws]) for "hawser": unknown flag: --tty',
    "Flags of a command stand behind its name, as in hawser ssh --tty dev",
    "",
  ]);
});

Deno.test("A command that does not exist is quoted, whatever is in its name", async () => {
  deepStrictEqual(await runToEnd(["no\u001b[31m"]), {
    code: 1,
    stdout: "",
    stderr: 'hawser: unknown command "no\\x1b[31m"\nRun "hawser --help" for what there is.\n',
  });
});
