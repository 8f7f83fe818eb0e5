/** Errors of the command line and of what it names show no secret. */
import assert from "node:assert/strict";
import { parseArgs } from "../../../lib/cli/grammar/args.ts";
import { GLOBAL_FLAGS } from "../../../lib/cli/grammar/flags_global.ts";
import { hideCredentials } from "../../../lib/coder/text.ts";

const TOKEN = "abcdefghij-0123456789abcdefghijkl";

function errorOf(args: readonly string[], env: Readonly<Record<string, string>> = {}): string {
  try {
    parseArgs(args, { flags: GLOBAL_FLAGS, env: (name) => env[name], command: "hawser ssh" });
  } catch (error) {
    assert.ok(error instanceof Error);
    return error.message;
  }
  throw new Error("it was parsed");
}

Deno.test("The arguments that an error repeats hold no secret", async (t) => {
  const rows: readonly (readonly [args: readonly string[], shown: string])[] = [
    [["--token", "short", "dev"], "--token [hidden] dev"],
    [["--token=a=b"], "--token=[hidden]"],
    [["--header", "X=secret", "--header=Y=secret"], "--header [hidden] --header=[hidden]"],
    [["--header-command", "echo X=secret"], "--header-command [hidden]"],
    [["--url", "https://user:p@ss@d.example/x"], "--url https://[hidden]@d.example/x"],
    [["--url=user:pw@d.example"], "--url=[hidden]@d.example"],
    [["--tokn", TOKEN], "--tokn [hidden]"],
    [[`--tokn=${TOKEN}`], "--tokn=[hidden]"],
    [["--url", "https://d.example", "user@host"], "--url https://d.example user@host"],
  ];
  for (const [args, shown] of rows) {
    await t.step(args.join(" "), () => {
      const message = errorOf([...args, "--nosuch"]);
      const problem = args[0]?.startsWith("--tokn") === true ? "--tokn" : "--nosuch";
      assert.equal(
        message,
        `parsing flags ([${shown} --nosuch]) for "hawser ssh": unknown flag: ${problem}`,
      );
    });
  }
});

Deno.test("A flag or variable that cannot be read is named without its secret", () => {
  const stray = 'X=sec"ret';
  const problem = 'parse error on line 1, column 6: bare " in non-quoted-field';
  assert.equal(
    errorOf(["--header", stray]),
    'parsing flags ([--header [hidden]]) for "hawser ssh": ' +
      `invalid argument "[hidden]" for "--header" flag: ${problem}`,
  );
  assert.equal(
    errorOf([], { CODER_HEADER: stray }),
    `parsing environment variable CODER_HEADER="[hidden]" for "hawser ssh": ${problem}`,
  );
});

Deno.test("hideCredentials() leaves scheme and host of whatever was typed", () => {
  const rows = [
    ["https://d.example/x", "https://d.example/x"],
    ["https://u:p@d.example", "https://[hidden]@d.example"],
    ["ftp://u:p/w?#@w@d.example", "ftp://[hidden]@d.example"],
    ["u:p@d.example", "[hidden]@d.example"],
    ["https://u:p@", "https://[hidden]@"],
    ["u:p://x@d", "[hidden]@d"],
    ["", ""],
  ];
  for (const [text = "", shown] of rows) assert.equal(hideCredentials(text), shown);
});
