/**
 * `deno task live`: looks whether the environment names a deployment and whether the program under test gets there at
 * all, then runs the checks. Exit status 2: they were not run.
 */
import { say } from "./check.ts";
import { fromFileUrl } from "./names.ts";
import { missingVariables, openLiveDesk } from "./live_desk.ts";

const NOT_RUN = 2;
/** Programs in the workspace that some checks need. */
const OPTIONAL_THERE = ["git", "rsync", "scp"] as const;

async function main(args: readonly string[]): Promise<number> {
  const missing = missingVariables();
  if (missing.length > 0) {
    say(`Cannot run the live checks: ${missing.join(", ")} must be set`);
    return NOT_RUN;
  }
  const found = await look();
  if (found === undefined) return NOT_RUN;
  const folder = fromFileUrl(new URL(".", import.meta.url));
  const tests = [...Deno.readDirSync(folder)].map(({ name }) => name)
    .filter((name) => name.endsWith("_test.ts")).sort();
  const { code } = await new Deno.Command("sh", {
    args: [
      ...["-c", 'exec "$0" "$@"', Deno.execPath(), "test", "--parallel", "--no-prompt"],
      ...["--allow-env", "--allow-read", "--allow-write", "--allow-run=sh"],
      // All of the net, because sockets in a folder not yet made cannot be named.
      ...["--allow-net", ...tests.map((name) => folder + name), "--", ...args],
    ],
    // The long check takes one place; the others share the rest.
    env: {
      DENO_JOBS: "3",
      HAWSER_LIVE_MISSING: found.missing.join(" "),
      HAWSER_LIVE_VERSION: found.version,
    },
  }).spawn().status;
  return code;
}

/**
 * Names of missing programs, and the release that the deployment says it is of, empty for none; `undefined` when there is no
 * way into the workspace.
 */
async function look(): Promise<{ missing: string[]; version: string } | undefined> {
  await using setting = await openLiveDesk();
  const { desk } = setting;
  const needed = ["sh", "cat", "head", "sha256sum"];
  const names = [...needed, ...OPTIONAL_THERE].join(" ");
  const command = `for p in ${names}; do command -v $p >/dev/null || echo $p; done`;
  const words = ["--debug-http", desk.workspace, command];
  const exit = await desk.runProgram(words, { limitMs: 180_000 });
  if (exit.code !== 0) {
    say(`Cannot run the live checks: no way into ${desk.workspace}: status ${exit.code}`);
    say(exit.stderr.trimEnd());
    return undefined;
  }
  const missing = exit.stdout.split("\n").filter((name) => name !== "");
  const hopeless = missing.filter((name) => needed.includes(name));
  if (hopeless.length > 0) {
    say(`Cannot run the live checks: ${desk.workspace} lacks ${hopeless.join(", ")}`);
    return undefined;
  }
  const version = /x-coder-build-version: (\S+)/i.exec(exit.stderr)?.[1] ?? "";
  return { missing, version };
}

if (import.meta.main) Deno.exit(await main(Deno.args));
