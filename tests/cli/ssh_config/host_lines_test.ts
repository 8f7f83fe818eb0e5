import { deepStrictEqual, throws } from "node:assert/strict";
import { hostLines, splitOption } from "../../../lib/cli/ssh_config/host_lines.ts";

const DEFAULTS = [
  "ConnectTimeout=0",
  "StrictHostKeyChecking=no",
  "UserKnownHostsFile=/dev/null",
  "LogLevel ERROR",
];

const ROWS: readonly (readonly [
  name: string,
  user: readonly string[],
  deployment: Readonly<Record<string, string>>,
  lines: readonly string[],
])[] = [
  ["nothing", [], {}, DEFAULTS],
  ["one", ["foo bar"], {}, ["foo bar", ...DEFAULTS]],
  ["the same twice", ["foo bar", "Foo baz"], {}, ["foo bar", "Foo baz", ...DEFAULTS]],
  [
    "one that is taken away, in any case, for what comes later",
    ["a 1", "b c", "a ", "A hello", "hello world"],
    { A: "2", B: "3" },
    ["a 1", "b c", "hello world", "B 3", ...DEFAULTS],
  ],
  [
    "defaults that are taken away by either",
    ["ConnectTimeout="],
    { LogLevel: "" },
    ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null"],
  ],
  [
    "the deployment's behind the user's, by keyword",
    ["User me"],
    { User: "them", Port: "22", SetEnv: "FOO=bar BAZ=qux" },
    ["User me", "Port 22", "SetEnv FOO=bar BAZ=qux", "User them", ...DEFAULTS],
  ],
  ["a value with the other separator in it", ["A=b c=d"], {}, ["A=b c=d", ...DEFAULTS]],
];

for (const [name, user, deployment, lines] of ROWS) {
  Deno.test(`hostLines(): ${name}`, () => {
    const options = { user, deployment: new Map(Object.entries(deployment)) };
    deepStrictEqual(hostLines(options), lines);
  });
}

Deno.test("hostLines() refuses an option without a value's place, and one of two lines", () => {
  const refusal = (option: string, why: string) => ({
    name: "UserError",
    message: `add flag config option ${option}: config-ssh option ${option} ${why}`,
  });
  throws(
    () => hostLines({ user: ["novalue"], deployment: new Map() }),
    refusal('"novalue"', "is missing a key/value separator ('=' or ' ')"),
  );
  throws(
    () => hostLines({ user: ["A=b\nHost *"], deployment: new Map() }),
    refusal('"A=b\\nHost *"', "must not contain carriage return, newline, or NUL characters"),
  );
});

Deno.test("splitOption() parts at the first blank or equals sign", () => {
  deepStrictEqual(splitOption("A=b c"), { key: "A", value: "b c" });
  deepStrictEqual(splitOption("A b=c"), { key: "A", value: "b=c" });
  deepStrictEqual(splitOption("A="), { key: "A", value: "" });
});
