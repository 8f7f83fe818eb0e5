import assert from "node:assert/strict";
import fc from "fast-check";
import { UserError } from "../../../lib/base/errors.ts";
import { parseArgs } from "../../../lib/cli/grammar/args.ts";
import { pathFlag } from "../../../lib/cli/grammar/flag.ts";
import { FlagValueError } from "../../../lib/cli/grammar/flag_error.ts";
import { GLOBAL_FLAGS } from "../../../lib/cli/grammar/flags_global.ts";
import { SSH_FLAGS } from "../../../lib/cli/grammar/flags_ssh.ts";
import { expandPath } from "../../../lib/cli/grammar/path.ts";

const ENV: Readonly<Record<string, string>> = {
  HOME: "/home/al ice",
  SOCK: "/run/agent.sock",
  UID: "1000",
  ODD: "~/$HOME/${HOME}",
  _a1: "x",
  EMPTY: "",
};
const env = (name: string) => ENV[name];

const ROWS: { in: string; out: string }[] = [
  { in: "", out: "" },
  { in: "/plain/path", out: "/plain/path" },
  { in: "none", out: "none" },
  { in: "SSH_AUTH_SOCK", out: "SSH_AUTH_SOCK" },
  { in: "~", out: "/home/al ice" },
  { in: "~/kh", out: "/home/al ice/kh" },
  { in: "~\\kh", out: "/home/al ice\\kh" },
  { in: "a/~/b", out: "a/~/b" },
  { in: "a~", out: "a~" },
  { in: "./~bob", out: "./~bob" },
  { in: "$SOCK", out: "/run/agent.sock" },
  { in: "${SOCK}", out: "/run/agent.sock" },
  { in: "$HOME/kh", out: "/home/al ice/kh" },
  { in: "${HOME}/kh", out: "/home/al ice/kh" },
  { in: "/run/user/$UID/a", out: "/run/user/1000/a" },
  { in: "/run/a-${UID}.sock", out: "/run/a-1000.sock" },
  { in: "$UID$_a1${UID}x", out: "1000x1000x" },
  { in: "~/$UID", out: "/home/al ice/1000" },
  { in: "$ODD", out: "~/$HOME/${HOME}" },
  { in: "C:\\share$\\x", out: "C:\\share$\\x" },
  { in: "a$", out: "a$" },
  { in: "$$UID", out: "$1000" },
  { in: "$1", out: "$1" },
];

for (const row of ROWS) {
  Deno.test(`expandPath() of ${JSON.stringify(row.in)}`, () => {
    assert.equal(expandPath(row.in, { env }), row.out);
  });
}

const UNKNOWN: { in: string; problem: string }[] = [
  { in: "$NOPE", problem: "environment variable NOPE is not set" },
  { in: "/a/${NOPE}/b", problem: "environment variable NOPE is not set" },
  { in: "$EMPTY/b", problem: "environment variable EMPTY is empty" },
  { in: "~bob", problem: "whose home folder ~bob is cannot be known: only ~ is understood" },
  { in: "~bob/x", problem: "whose home folder ~bob is cannot be known: only ~ is understood" },
  { in: "${HOME", problem: "after ${ comes the name of an environment variable and }" },
  { in: "${}", problem: "after ${ comes the name of an environment variable and }" },
  { in: "${A B}", problem: "after ${ comes the name of an environment variable and }" },
  { in: "${1}", problem: "after ${ comes the name of an environment variable and }" },
  { in: "${", problem: "after ${ comes the name of an environment variable and }" },
];

for (const { in: text, problem } of UNKNOWN) {
  Deno.test(`expandPath() refuses ${JSON.stringify(text)}`, () => {
    assert.throws(() => expandPath(text, { env }), { name: "FlagValueError", message: problem });
  });
}

Deno.test("expandPath() of ~ without a home folder, and with that of Windows", () => {
  assert.throws(() => expandPath("~/x", { env: () => undefined }), {
    message: "no home folder is known for ~: HOME is not set",
  });
  const windows = (name: string) => name === "USERPROFILE" ? "C:\\Users\\al" : undefined;
  assert.equal(expandPath("~\\x", { env: windows }), "C:\\Users\\al\\x");
});

Deno.test("expandPath() gives a path or refuses, whatever the text", () => {
  const piece = fc.oneof(fc.constantFrom("~", "/", "$", "{", "}", "HOME", "UID"), fc.string());
  fc.assert(fc.property(fc.array(piece), (pieces) => {
    try {
      expandPath(pieces.join(""), { env });
    } catch (error) {
      assert(error instanceof FlagValueError);
    }
  }));
});

Deno.test("every flag of ssh and of all commands that names a file or folder takes paths so", () => {
  const named = [...SSH_FLAGS, ...GLOBAL_FLAGS]
    .filter((flag) => !flag.isSwitch && /(?:dir|file|hosts|agent|config)$/.test(flag.name));
  assert(named.length >= 8);
  assert.deepEqual(named.filter((flag) => flag.isPath !== true).map((flag) => flag.name), []);
});

const KNOWN = pathFlag({ name: "known", shorthand: "k", env: "KNOWN", help: "" });

function parse(args: readonly string[], more: Readonly<Record<string, string>> = {}): string {
  const around = (name: string) => more[name] ?? ENV[name];
  return parseArgs(args, { flags: [KNOWN], env: around, command: "hawser x" }).value(KNOWN);
}

Deno.test("a path flag is expanded from the command line and from its variable", () => {
  assert.equal(parse(["--known", "~/kh"]), "/home/al ice/kh");
  assert.equal(parse(["--known=~/kh"]), "/home/al ice/kh");
  assert.equal(parse(["-k${HOME}/kh"]), "/home/al ice/kh");
  assert.equal(parse(["--known", "~/a", "--known", "~/b"]), "/home/al ice/b");
  assert.equal(parse([], { KNOWN: "$HOME/kh" }), "/home/al ice/kh");
  assert.equal(parse(["--known=$ODD"]), "~/$HOME/${HOME}");
});

Deno.test("a path that cannot be known is told as it was typed", () => {
  const failed = (args: readonly string[], more?: Readonly<Record<string, string>>) => {
    try {
      parse(args, more);
    } catch (error) {
      assert(error instanceof UserError);
      return error.message;
    }
    assert.fail("it was read");
  };
  assert.equal(
    failed(["--known", "${NOPE}/kh"]),
    'parsing flags ([--known ${NOPE}/kh]) for "hawser x": invalid argument "${NOPE}/kh" for ' +
      '"-k, --known" flag: environment variable NOPE is not set',
  );
  assert.equal(
    failed([], { KNOWN: "~bob/kh" }),
    'parsing environment variable KNOWN="~bob/kh" for "hawser x": ' +
      "whose home folder ~bob is cannot be known: only ~ is understood",
  );
});
