/** `hawser start`, `stop` and `restart` as a whole against a sandbox, in upstream's words (cli/start.go, cli/stop.go, cli/restart.go). */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { failureAnswer } from "../../lib/sandbox/mod.ts";
import { commandTest, type Desk } from "./support.ts";

const BUILDS = "POST /workspaces/{workspace}/builds";
const STOPPED = { workspaces: [{ name: "dev", transition: "stop" as const }] };
const RUNNING = { workspaces: [{ name: "dev" }] };
const AT = String.raw`at [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d!\n`;

/** What was sent for each build. */
function bodies({ sandbox }: Desk): Record<string, unknown>[] {
  return sandbox.api.requestsTo(BUILDS).map(({ body }) =>
    JSON.parse(new TextDecoder().decode(body))
  );
}

commandTest(
  "start starts, says the stages on standard output, and when it was done",
  async (desk) => {
    const { code, stdout, stderr } = await desk.runAny(["start", "dev"]);
    strictEqual(code, 0);
    strictEqual(stderr, "");
    match(
      stdout,
      new RegExp(
        String
          .raw`^==> ⧗ Queued\n=== ✔ Queued \[\d+ms\]\n==> ⧗ Running\n[^]*=== ✔ Cleaning Up \[\d+ms\]\n\nThe dev workspace has been started ${AT}$`,
      ),
    );
    const [body] = bodies(desk);
    deepStrictEqual([body?.["transition"], body?.["reason"], body?.["rich_parameter_values"]], [
      "start",
      "cli",
      undefined,
    ]);
    const again = await desk.runAny(["start", "dev"]);
    deepStrictEqual([again.code, again.stdout], [0, "\nThe dev workspace is already running!\n"]);
  },
  STOPPED,
);

commandTest("start --no-wait leaves the build to itself", async (desk) => {
  const { code, stdout } = await desk.runAny(["start", "dev", "--no-wait"]);
  deepStrictEqual([code, stdout], [
    0,
    "The dev workspace has been started in no-wait mode. Workspace is building in the background.\n",
  ]);
}, STOPPED);

commandTest("start joins a start that is under way", async (desk) => {
  const [workspace] = desk.sandbox.workspaces;
  ok(workspace !== undefined);
  const build = workspace.build("start", { script: (one) => one.start() });
  await using run = desk.startAny(["start", "dev"]);
  await run.stdout.waitFor(/is already starting/);
  build.succeed();
  const { code, stdout } = await run.result();
  strictEqual(code, 0);
  match(stdout, /^\nThe dev workspace is already starting\.\n/);
  deepStrictEqual(bodies(desk), []);
}, STOPPED);

commandTest("start cleans up after a start that failed", async (desk) => {
  const [workspace] = desk.sandbox.workspaces;
  ok(workspace !== undefined);
  await workspace.buildToEnd("start", { script: (build) => build.fail("no machine") });
  const { code, stdout } = await desk.runAny(["start", "dev"]);
  strictEqual(code, 0, stdout);
  match(stdout, /^The last start build failed\. Cleaning up before retrying\.\.\.\n/);
  deepStrictEqual(bodies(desk).map((body) => body["transition"]), ["stop", "start"]);
}, STOPPED);

commandTest(
  "start wakes a dormant workspace, and takes the active version when an older one is refused",
  async (desk) => {
    const [workspace] = desk.sandbox.workspaces;
    ok(workspace !== undefined);
    workspace.putToSleep();
    const { template } = workspace;
    template.addVersion();
    desk.sandbox.api.override(BUILDS, failureAnswer(403, "insert workspace build"), { times: 1 });
    const { code, stdout } = await desk.runAny(["start", "dev"]);
    strictEqual(code, 0, stdout);
    match(
      stdout,
      /^Activating dormant workspace\.\.\.\nUnable to start the workspace with the template version from the last build\. Policy may require you to restart with the current active template version\.\n/,
    );
    strictEqual(bodies(desk)[1]?.["template_version_id"], template.activeVersionId);
  },
  STOPPED,
);

commandTest("a build that fails ends the command with its error and 1", async (desk) => {
  const { code, stdout, stderr } = await desk.runAny(["start", "broken"]);
  strictEqual(code, 1);
  match(stdout, /=== ✘ Starting workspace \[\d+ms\]\n$/);
  match(stderr, /error: no machine left\n/);
}, {
  workspaces: [{ name: "broken", transition: "stop" }],
  buildScript: (build) => {
    build.start();
    build.log("Starting workspace");
    if (build.transition === "start") build.fail("no machine left");
    else build.succeed();
  },
});

commandTest("stop asks, and --yes answers", async (desk) => {
  const nobody = await desk.runAny(["stop", "dev"]);
  deepStrictEqual([nobody.code, nobody.stdout], [1, "> Confirm stop workspace? (yes/no) "]);
  match(
    nobody.stderr,
    /error: EOF\nNobody answered "Confirm stop workspace\?": --yes answers it beforehand\n$/,
  );
  const no = await desk.runAny(["stop", "dev"], { stdin: "no\n" });
  deepStrictEqual([no.code, no.stderr], [1, ""]);
  deepStrictEqual(bodies(desk), []);
  const yes = await desk.runAny(["stop", "dev", "-y"]);
  strictEqual(yes.code, 0);
  match(
    yes.stdout,
    new RegExp(String.raw`^==> ⧗ Queued\n[^]*\n\nThe dev workspace has been stopped ${AT}$`),
  );
  deepStrictEqual(bodies(desk), [{ transition: "stop" }]);
}, RUNNING);

commandTest("restart stops and starts; a value for one build goes to both", async (desk) => {
  const [workspace] = desk.sandbox.workspaces;
  ok(workspace !== undefined);
  workspace.template.addVersion({
    parameters: [{ name: "clean", type: "bool", ephemeral: true, defaultValue: "false" }],
  });
  await workspace.buildToEnd("start", { templateVersionId: workspace.template.activeVersionId });
  const { code, stdout } = await desk.runAny([
    "restart",
    "dev",
    "--ephemeral-parameter",
    "clean=true",
  ], { stdin: "\n" });
  strictEqual(code, 0, stdout);
  match(
    stdout,
    new RegExp(
      String
        .raw`^> Restart workspace\? \(yes/no\) ==> [^]*\n\nThe dev workspace has been restarted ${AT}$`,
    ),
  );
  const clean = [{ name: "clean", value: "true" }];
  deepStrictEqual(bodies(desk).map((body) => [body["transition"], body["rich_parameter_values"]]), [
    ["stop", clean],
    ["start", clean],
  ]);
}, RUNNING);

/** Rows of wrong parameters: nothing is stopped for any of them. */
const WRONG: readonly (readonly [string[], RegExp])[] = [
  [
    ["--parameter", "region"],
    /unable to parse rich parameters: format key=value expected, but got region/,
  ],
  [
    ["--ephemeral-parameter", "x"],
    /unable to parse build options: format key=value expected, but got x/,
  ],
  [
    ["--parameter", "colour=red"],
    /parameter "colour" is not present in the template\.\nThe template has: region, clean, size/,
  ],
  [
    ["--parameter", "clean=true"],
    /ephemeral parameter "clean" can be used only with --prompt-ephemeral-parameters or --ephemeral-parameter flag/,
  ],
  [["--parameter", "size=9"], /parameter "size" is immutable and cannot be updated/],
  [
    ["--always-prompt"],
    /no value for parameter "region"\n"region": "eu", "us"\nGive each with --parameter region=value/,
  ],
  [
    ["--rich-parameter-file", "/nowhere/x.yaml"],
    /can't parse parameter map file: open \/nowhere\/x\.yaml: no such file or directory/,
  ],
];

commandTest(
  "parameters that a template does not take are refused before anything happens",
  async (desk) => {
    const [workspace] = desk.sandbox.workspaces;
    ok(workspace !== undefined);
    workspace.template.addVersion({
      parameters: [{ name: "region", options: ["eu", "us"] }, {
        name: "clean",
        ephemeral: true,
        defaultValue: "",
      }, { name: "size", mutable: false, defaultValue: "1" }],
    });
    await workspace.buildToEnd("start", {
      templateVersionId: workspace.template.activeVersionId,
      parameters: [{ name: "region", value: "eu" }, { name: "size", value: "1" }],
    });
    for (const [flags, words] of WRONG) {
      const { code, stderr } = await desk.runAny(["restart", "dev", "-y", ...flags]);
      strictEqual(code, 1, flags.join(" "));
      match(stderr, words);
    }
    deepStrictEqual(bodies(desk), []);
    // A value that is given counts; the others stay; what is asked for may be typed.
    await desk.runAny(["restart", "dev", "-y", "--parameter", "region=us"]);
    deepStrictEqual(bodies(desk).at(-1)?.["rich_parameter_values"], [{
      name: "region",
      value: "us",
    }]);
    const typed = await desk.runAny(["restart", "dev", "-y", "--always-prompt"], {
      stdin: "moon\neu\n",
    });
    strictEqual(typed.code, 0, typed.stderr);
    match(
      typed.stdout,
      /^region\n {2}- eu\n {2}- us\n> Enter a value: "moon" is not one of its values\.\n> Enter a value: ==>/,
    );
    deepStrictEqual(bodies(desk).at(-1)?.["rich_parameter_values"], [{
      name: "region",
      value: "eu",
    }]);
    const file = `${Deno.makeTempDirSync()}/values.yaml`;
    Deno.writeTextFileSync(file, "region: us # over there\n");
    await desk.runAny(["restart", "dev", "-y", "--rich-parameter-file", file]);
    Deno.removeSync(file.slice(0, -"/values.yaml".length), { recursive: true });
    deepStrictEqual(bodies(desk).at(-1)?.["rich_parameter_values"], [{
      name: "region",
      value: "us",
    }]);
  },
  RUNNING,
);

commandTest(
  "a new version's parameters are asked for, and taken from defaults when told so",
  async (desk) => {
    const [workspace] = desk.sandbox.workspaces;
    ok(workspace !== undefined);
    workspace.template.addVersion({
      parameters: [{ name: "zone" }, { name: "key", mutable: false, defaultValue: "k" }],
    });
    workspace.automaticUpdates = "always";
    const missing = await desk.runAny(["start", "dev"]);
    match(missing.stderr, /no value for parameters "zone", "key"\n"zone": string\n"key": string\n/);
    const { code, stdout } = await desk.runAny([
      "start",
      "dev",
      "--use-parameter-defaults",
      "--parameter-default",
      "zone=a",
    ]);
    strictEqual(code, 0, stdout);
    match(stdout, /^Using default value for zone: 'a'\nUsing default value for key: 'k'\n/);
    deepStrictEqual(bodies(desk)[0]?.["rich_parameter_values"], [{ name: "zone", value: "a" }, {
      name: "key",
      value: "k",
    }]);
  },
  STOPPED,
);

commandTest("start and stop say when another build is under way", async (desk) => {
  desk.sandbox.workspaces[0]?.build("stop", { script: (build) => build.start() });
  const { code, stderr } = await desk.runAny(["start", "dev"]);
  strictEqual(code, 1);
  match(
    stderr,
    /create workspace build[^\n]*\nA workspace build is already active\.\nAnother build is under way: try again when it has ended\n/,
  );
}, RUNNING);

const QUESTIONS: readonly (readonly [words: readonly string[], question: RegExp])[] = [
  [["stop", "dev"], /Confirm stop workspace\? \(yes\/no\) $/],
  [["restart", "dev"], /Restart workspace\? \(yes\/no\) $/],
];

for (const [words, question] of QUESTIONS) {
  commandTest(
    `${words[0]}: a signal at the question ends it, and nothing is done`,
    async (desk) => {
      for (const options of [{}, { terminal: { columns: 80, rows: 24 } }]) {
        await using run = desk.startAny(words, options);
        await run.stdout.waitFor(question);
        run.raise("SIGINT");
        const { code, stdout, stderr } = await run.result();
        deepStrictEqual([code, stderr, stdout.endsWith("\n")], [1, "", "terminal" in options]);
      }
      deepStrictEqual(bodies(desk), []);
    },
    RUNNING,
  );

  commandTest(`${words[0]}: the end of input at the question is told below it`, async (desk) => {
    await using run = desk.startAny(words, { terminal: { columns: 80, rows: 24 } });
    await run.stdout.waitFor(question);
    await run.typeEnd();
    const { code, stdout, stderr } = await run.result();
    deepStrictEqual([code, stdout.endsWith(" (yes/no) \n")], [1, true]);
    match(stderr, /\nerror: EOF\nNobody answered ".*": --yes answers it beforehand\n$/);
    deepStrictEqual(bodies(desk), []);
  }, RUNNING);
}
