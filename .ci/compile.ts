/**
 * Executables of their own, permissions baked in.
 *   deno task compile [--dist=FOLDER] [--link-only] [TARGET …]    this system by default, `all` for each
 * What comes of it is `FOLDER/hawser-TARGET`. Deno fetches the runtime that it puts the program behind from a server of its
 * own; where that cannot be reached this is said, and everything else is tried. `--link-only` tries no more than that.
 */
import { optionOf } from "./packaging.ts";

const TARGETS = [
  "x86_64-unknown-linux-gnu",
  "aarch64-unknown-linux-gnu",
  "x86_64-apple-darwin",
  "aarch64-apple-darwin",
  "x86_64-pc-windows-msvc",
];
const PERMISSIONS = ["net", "env", "read", "write", "sys", "run", "ffi"];

const dist = optionOf(Deno.args, "dist") ?? "dist";
const named = Deno.args.filter((arg) => !arg.startsWith("--"));
const targets = named.includes("all") ? TARGETS : named.length > 0 ? named : [Deno.build.target];
const unknown = targets.find((target) => !TARGETS.includes(target));
if (unknown !== undefined) {
  throw new Error(`No executable is made for "${unknown}": one of ${TARGETS.join(", ")}, or all`);
}

await Deno.mkdir(dist, { recursive: true });
let isWhole = true;
for (const target of targets) {
  if (Deno.args.includes("--link-only")) isWhole = await tryLink() && isWhole;
  else isWhole = await makeExecutable(target) && isWhole;
}
Deno.exit(isWhole ? 0 : 1);

async function makeExecutable(target: string): Promise<boolean> {
  const path = `${dist}/hawser-${target}${target.includes("windows") ? ".exe" : ""}`;
  const { success, words } = await compile(["--target", target, "--output", path], {});
  if (success) {
    say(`made ${path}`);
    return true;
  }
  if (!words.includes("Setting up base binary")) {
    say(words);
    return false;
  }
  const why = /error sending request[^\n]*/.exec(words)?.[0] ?? words.trim();
  say(`Cannot make ${path}: Deno's runtime for ${target} could not be fetched: ${why}`);
  say(
    "Let this machine reach that server, or name a downloaded denort of this Deno's version with DENORT_BIN",
  );
  await tryLink();
  return false;
}

/** Puts the program together behind this Deno: no executable of ours, but all the steps that make one. */
async function tryLink(): Promise<boolean> {
  const folder = await Deno.makeTempDir({ prefix: "hawser-compile-" });
  try {
    const base = { DENORT_BIN: Deno.execPath() };
    const { success, words } = await compile(["--output", `${folder}/hawser`], base);
    say(success ? "The program itself links" : `The program itself does not link:\n${words}`);
    return success;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function compile(
  flags: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<{ readonly success: boolean; readonly words: string }> {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["compile", "--quiet", "--no-check", "--unstable-net"],
      ...PERMISSIONS.map((name) => `--allow-${name}`),
      ...flags,
      "main.ts",
    ],
    env: { ...env, NO_COLOR: "1" },
    stdin: "null",
    stderr: "piped",
  }).output();
  return { success, words: new TextDecoder().decode(stderr) };
}

function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}
