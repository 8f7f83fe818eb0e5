/** Which login counts, and where a token goes: flag, variable, what is in use, what the environment says of another deployment. */
import { deepStrictEqual, doesNotMatch, match, rejects, strictEqual } from "node:assert/strict";
import { UserError } from "../../../lib/base/errors.ts";
import { HostError } from "../../../lib/base/host.ts";
import { readConfiguration } from "../../../lib/cli/config/config.ts";
import { checkContextName } from "../../../lib/cli/config/context.ts";
import { parseArgs } from "../../../lib/cli/grammar/args.ts";
import { GLOBAL_FLAGS, globalOptionsOf } from "../../../lib/cli/grammar/flags_global.ts";
import { FakeHost } from "../../support/fake_host.ts";

const DIR = "/home/alice/.config/coderv2";
const FILES = {
  [`${DIR}/url`]: "https://default.example",
  [`${DIR}/session`]: "default-token",
  [`${DIR}/contexts/work/url`]: "https://work.example",
  [`${DIR}/contexts/work/session`]: "work-token",
  [`${DIR}/contexts/empty/hawser.lock`]: "",
};
const IN_USE = { [`${DIR}/context`]: "work\n" };

async function read(host: FakeHost, args: readonly string[]): Promise<string> {
  const parsed = parseArgs(args, {
    flags: GLOBAL_FLAGS,
    env: (name) => host.env(name),
    command: "hawser list",
  });
  try {
    const { context, url, token, headers } = await readConfiguration(host, globalOptionsOf(parsed));
    const more = headers.map(([name, value]) => `${name}=${value}`);
    return [context, url.origin.replace("https://", ""), token ?? "none", ...more].join(" ");
  } catch (error) {
    if (error instanceof UserError) return error.message;
    throw error;
  }
}

const WORK = "work work.example work-token";
const DEFAULT = "default default.example default-token";
const FOREIGN = { CODER_URL: "https://env.example", CODER_SESSION_TOKEN: "env-token" };
const SAME = { CODER_URL: "https://WORK.example:443/", CODER_SESSION_TOKEN: "env-token" };
const LONE = { CODER_SESSION_TOKEN: "env-token" };
const NOT_SENT = (there: string) =>
  `CODER_SESSION_TOKEN is for "https://env.example", which CODER_URL names, not for ${there}`;

const ROWS: readonly {
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly files?: Readonly<Record<string, string>>;
  readonly out: string;
}[] = [
  { out: DEFAULT },
  { args: ["--context", "work"], out: WORK },
  { env: { HAWSER_CONTEXT: "work" }, out: WORK },
  { args: ["--context", "default"], env: { HAWSER_CONTEXT: "work" }, out: DEFAULT },
  { files: IN_USE, out: WORK },
  { files: IN_USE, args: ["--context", "default"], out: DEFAULT },
  { files: IN_USE, env: { HAWSER_CONTEXT: "default" }, out: DEFAULT },
  // What the environment says of a deployment is for nobody else.
  { args: ["--context", "work"], env: FOREIGN, out: WORK },
  { args: ["--context", "default"], env: FOREIGN, out: DEFAULT },
  { env: { ...FOREIGN, HAWSER_CONTEXT: "work" }, out: WORK },
  { args: ["--context", "work"], env: { CODER_URL: "https://env.example" }, out: WORK },
  { args: ["--context", "work"], env: { CODER_URL: "nonsense://" }, out: WORK },
  { args: ["--context", "work"], env: LONE, out: WORK },
  { args: ["--context", "default"], env: LONE, out: DEFAULT },
  { args: ["--context", "work"], env: SAME, out: "work work.example env-token" },
  {
    args: ["--context", "work"],
    env: { ...SAME, CODER_URL: "http://work.example" },
    out: "work work.example env-token",
  },
  {
    args: ["--context", "work"],
    env: { ...SAME, CODER_URL: "https://work.example:8443" },
    out: WORK,
  },
  {
    args: ["--context", "work"],
    env: { ...FOREIGN, CODER_HEADER: "Access=secret" },
    out: WORK,
  },
  { args: ["--context", "work"], env: { CODER_HEADER: "Team=a" }, out: `${WORK} Team=a` },
  {
    args: ["--context", "work", "--header", "Mine=b"],
    env: { ...FOREIGN, CODER_HEADER: "Access=secret" },
    out: `${WORK} Mine=b`,
  },
  // What is in use is as good as the folder: the environment counts whole, and a token alone does not.
  { files: IN_USE, env: FOREIGN, out: "default env.example env-token" },
  { files: IN_USE, env: LONE, out: WORK },
  { env: LONE, out: "default default.example env-token" },
  { env: FOREIGN, out: "default env.example env-token" },
  // Flags are meant as they stand, and a saved session stays with its deployment.
  { args: ["--context", "work", "--token", "flag"], env: FOREIGN, out: "work work.example flag" },
  {
    args: ["--context", "work", "--url", "https://x.example", "--token", "flag"],
    out: "work x.example flag",
  },
  {
    args: ["--context", "work", "--url", "https://x.example"],
    out: "The saved session is for https://work.example, not for https://x.example",
  },
  { args: ["--url", "https://x.example"], env: FOREIGN, out: NOT_SENT("https://x.example") },
  { args: ["--url", "https://env.example"], env: FOREIGN, out: "default env.example env-token" },
  {
    args: ["--url", "https://x.example", "--token", "t"],
    env: FOREIGN,
    out: "default x.example t",
  },
  // Whatever is none.
  { args: ["--context", "wrok"], out: 'There is no context "wrok"' },
  { args: ["--context", "empty"], out: 'You are not logged in in context "empty"' },
  { files: { [`${DIR}/context`]: "gone" }, out: 'There is no context "gone"' },
  { args: ["--context", "../../etc"], out: '"../../etc" is no name of a context' },
  { env: { HAWSER_CONTEXT: "/etc" }, out: '"/etc" is no name of a context' },
  {
    files: { [`${DIR}/context`]: "../x" },
    out: `The file "${DIR}/context" names no context`,
  },
];

Deno.test("readConfiguration() sends a token to no other deployment than its own", async (t) => {
  for (const { args = [], env = {}, files = {}, out } of ROWS) {
    await t.step(JSON.stringify({ args, env, files }), async () => {
      strictEqual(await read(new FakeHost({ files: { ...FILES, ...files }, env }), args), out);
    });
  }
});

Deno.test("readConfiguration() says what can be done about a context", async () => {
  const hintOf = async (args: string[], files = {}) => {
    const host = new FakeHost({ files: { ...FILES, ...files } });
    const options = globalOptionsOf(
      parseArgs(args, { flags: GLOBAL_FLAGS, env: () => undefined, command: "hawser" }),
    );
    let hint = "";
    await rejects(readConfiguration(host, options), (error) => {
      hint = error instanceof UserError ? error.hint ?? "" : "";
      return true;
    });
    return hint;
  };
  match(await hintOf(["--context=wrok"]), /^Did you mean "work"\? .*hawser login --context wrok/);
  match(await hintOf(["--context=empty"]), /hawser login --context empty <url>/);
  match(await hintOf([], { [`${DIR}/context`]: "gone" }), /hawser context use default/);
  match(await hintOf([], { [`${DIR}/url`]: "" }), /hawser context use empty/);
  doesNotMatch(await hintOf([], { [`${DIR}/context`]: "a/b" }), /--context/);
});

Deno.test("a folder that may not be read is told, and not gone around", async () => {
  const host = new FakeHost({ files: FILES });
  host.files.broken.set(`${DIR}/context`, new HostError("permission-denied", "permission denied"));
  match(await read(host, []), /Cannot read the configuration file ".*\/context"/);
  strictEqual(await read(host, ["--context", "work"]), WORK);
});

Deno.test("checkContextName() takes names of folders on every system, and nothing else", async (t) => {
  for (const name of ["work", "a", "W-1_b.c", "0", "con-sole", "x".repeat(64)]) {
    await t.step(name, () => strictEqual(checkContextName(name), name));
  }
  const refused = [
    "",
    ".",
    "..",
    "-a",
    ".a",
    "a.",
    "a/b",
    "a\\b",
    "a b",
    "a\n",
    "\u202ework",
    "ü",
    "😀",
    "x".repeat(65),
    "CON",
    "nul.txt",
    "com1",
    "a:b",
    "a\0b",
    "~",
    "$HOME",
  ];
  for (const name of refused) {
    await t.step(JSON.stringify(name), () => {
      let hint = "";
      try {
        checkContextName(name);
      } catch (error) {
        hint = error instanceof UserError ? error.hint ?? "" : "";
      }
      match(hint, /^Letters, digits/);
    });
  }
  deepStrictEqual(checkContextName("default"), "default");
});
