/**
 * A check: one thing that must hold for somebody at a desk, whatever deployment is behind it. Written once, registered as
 * a test by `tests/live/` for a deployment of yours and by `tests/interop/` for the Go peer.
 */
import { isAtLeast } from "../../lib/base/version.ts";
import type { Desk } from "./desk.ts";

export interface Check {
  /** What holds, as a sentence without subject: "carries …". */
  readonly name: string;
  /** Programs that it needs on this machine besides `sh` and `ssh`. */
  readonly here?: readonly string[];
  /** Programs that it needs in the workspace besides `sh`, `cat`, `head`, `sha256sum`. */
  readonly there?: readonly string[];
  /** Deployments before that release do otherwise, for the reason that stands here. @default none does */
  readonly since?: { readonly version: string; readonly why: string };
  readonly run: (desk: Desk) => Promise<void>;
}

/** A desk, and what must be closed with it. */
export interface Setting extends AsyncDisposable {
  readonly desk: Desk;
}

export interface RegisterOptions {
  /** In front of every name. */
  readonly subject: string;
  readonly checks: readonly Check[];
  /** Opens the desk of these checks; closed when they have run. */
  readonly open: () => Promise<Setting>;
  /** Programs that all of them need on this machine. @default none */
  readonly needs?: readonly string[];
  /** Programs known to be missing in the workspace. @default none */
  readonly missingThere?: readonly string[];
  /** The deployment's release. @default new */
  readonly version?: string | undefined;
}

/** Makes tests of checks, one desk for all of them. What is missing is a failure with `CI=true`, else skipped loudly. */
export function register(options: RegisterOptions): void {
  const { subject, checks, open, needs = [], missingThere = [] } = options;
  const always = ["sh", "ssh", ...needs];
  let setting: Setting | undefined;
  if (always.every(isInstalled)) {
    Deno.test.beforeAll(async () => {
      setting = await open();
    });
    Deno.test.afterAll(async () => {
      await setting?.[Symbol.asyncDispose]();
    });
  }
  for (const { name, here = [], there = [], since, run } of checks) {
    if (since !== undefined && !isAtLeast(options.version, since.version)) {
      skip(`${subject} ${name}`, `before ${since.version} ${since.why}`);
      continue;
    }
    const missing = [
      ...[...always, ...here].filter((program) => !isInstalled(program)),
      ...there.filter((program) => missingThere.includes(program)).map((p) =>
        `${p} in the workspace`
      ),
    ];
    testWith(`${subject} ${name}`, missing, async () => {
      if (setting === undefined) throw new Error("There is no desk: opening it failed");
      await run(setting.desk);
    });
  }
}

/** A test that needs what may be missing. */
export function testWith(name: string, missing: readonly string[], fn: () => Promise<void>): void {
  if (missing.length === 0) {
    Deno.test(name, fn);
    return;
  }
  const what = `missing: ${missing.join(", ")}`;
  if (Deno.env.get("CI") === "true") {
    Deno.test(name, () => {
      throw new Error(`With CI=true nothing may be ${what}`);
    });
    return;
  }
  skip(name, what);
}

/** Says so at once, and in the name. */
function skip(name: string, why: string): void {
  say(`SKIPPED (${why}): ${name}`);
  Deno.test({ name: `${name} [skipped, ${why}]`, ignore: true, fn: () => {} });
}

/** One line on stderr, at once: what a test runner would hide. */
export function say(line: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`${line}\n`));
}

const FOUND = new Map<string, boolean>();

/** Whether the search path has a program of this name. */
export function isInstalled(program: string): boolean {
  let isFound = FOUND.get(program);
  if (isFound === undefined) {
    const folders = (Deno.env.get("PATH") ?? "").split(":");
    isFound = folders.some((folder) => isFile(`${folder}/${program}`));
    FOUND.set(program, isFound);
  }
  return isFound;
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return false;
    }
    throw error;
  }
}
