import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { main } from "../../../lib/cli/main.ts";
import { VERSION } from "../../../lib/cli/version.ts";
import { FakeHost, type FakeProgram } from "../../support/fake_host.ts";

const NEWER = "999.0.1";

/** Runs `update` where npm is what is given. */
async function update(npm: FakeProgram | undefined, program?: readonly string[], os?: string) {
  using host = new FakeHost(os === undefined ? {} : { os });
  if (npm !== undefined) host.programs.set(os === "windows" ? "cmd.exe" : "npm", npm);
  if (program !== undefined) host.program = () => Promise.resolve(program);
  const code = await main(["update"], host);
  const [run] = host.runs;
  return { code, stdout: host.stdout.text, stderr: host.stderr.text, run };
}

const says = (stdout: string): FakeProgram => () => Promise.resolve({ stdout });

Deno.test("update tells that this is the newest, and asks npm alone", async () => {
  const { code, stdout, stderr, run } = await update(says(`"${VERSION}"\n`));
  deepStrictEqual({ code, stdout, stderr }, {
    code: 0,
    stdout: `hawser v${VERSION} is the newest.\n`,
    stderr: "",
  });
  deepStrictEqual(run?.args, ["view", "@hawser/hawser", "version", "--json"]);
  const older = await update(says('"0.0.1"'));
  strictEqual(older.stdout, stdout);
});

const WAYS: readonly (readonly [program: readonly string[], says: string])[] = [
  [
    ["/n/deno", "run", "/usr/lib/node_modules/@hawser/hawser/bundle/main.js"],
    `Get it with: npm install -g @hawser/hawser@${NEWER}`,
  ],
  [
    ["C:\\deno.exe", "run", "C:\\npm\\node_modules\\@hawser\\hawser\\bundle\\main.js"],
    `Get it with: npm install -g @hawser/hawser@${NEWER}`,
  ],
  [["/n/deno", "run", "/src/hawser/main.ts"], "Get it with: git pull"],
  [
    ["/usr/bin/hawser"],
    'Get the executable of its release, and put it in the place of "/usr/bin/hawser"',
  ],
  [
    ["/n/deno", "run", "/opt/hawser/bundle/main.js"],
    'Get the bundle or the archive of its release, in the place of "/opt/hawser/bundle/main.js"',
  ],
];

Deno.test("update tells of a newer version, and how to get it the way this one came", async () => {
  for (const [program, way] of WAYS) {
    const { code, stdout } = await update(says(`"${NEWER}"\n`), program);
    strictEqual(code, 0);
    strictEqual(stdout, `hawser v${NEWER} is there; this is v${VERSION}.\n${way}\n`);
  }
});

Deno.test("update asks by way of the command interpreter on Windows", async () => {
  const { code, run } = await update(says(`"${NEWER}"`), undefined, "windows");
  strictEqual(code, 0);
  deepStrictEqual(run?.args.slice(0, 3), ["/d", "/c", "npm"]);
});

Deno.test("update says what kept it from knowing, and pastes no word of npm's into a command", async () => {
  const rows: readonly (readonly [FakeProgram | undefined, string])[] = [
    [undefined, "npm: no such program"],
    [
      () =>
        Promise.resolve({ code: 1, stderr: "npm error code E404\nnpm error 404 Not Found\nmore" }),
      "404 Not Found",
    ],
    [() => Promise.resolve({ code: 7 }), "status 7"],
    [says(""), "it named no version"],
    [says('"1.0.0; rm -rf ~"'), "it named no version"],
    [says('"1.0.0-rc.1"'), "it named no version"],
    [says("{}"), "it named no version"],
  ];
  for (const [npm, why] of rows) {
    const { code, stdout, stderr } = await update(npm);
    deepStrictEqual({ code, stdout }, { code: 1, stdout: "" });
    ok(stderr.includes(`error: Cannot ask npm for the newest version: ${why}\n`), stderr);
    ok(stderr.includes(`This is v${VERSION}. Look at the releases by hand`), stderr);
  }
});
