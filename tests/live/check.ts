/**
 * A check: one thing that must hold for somebody at a desk, whatever deployment is behind it. Written once, registered as
 * a test by `tests/live/` for a deployment of yours and by `tests/interop/` for the Go peer.
 */
import type { Desk } from "./desk.ts";

export interface Check {
  /** What holds, as a sentence without subject: "carries …". */
  readonly name: string;
  /** Programs that it needs on this machine besides `sh` and `ssh`. */
  readonly here?: readonly string[];
  /** Programs that it needs in the workspace besides `sh`, `cat`, `head`, `sha256sum`. */
  readonly there?: readonly string[];
  readonly run: (desk: Desk) => Promise<void>;
}

export interface RegisterOptions {
  /** In front of every name. */
  readonly subject: string;
  readonly checks: readonly Check[];
  /** Opens the desk of this file's checks; closed when they have run. */
  readonly open: () => Promise<Desk>;
  /** Programs known to be missing in the workspace. @default none */
  readonly missingThere?: readonly string[];
}

/** Makes tests of checks, one desk for all of them. What is missing is a failure with `CI=true`, else skipped loudly. */
export function register(options: RegisterOptions): void {
  const { subject, checks, open, missingThere = [] } = options;
  let desk: Desk | undefined;
  Deno.test.beforeAll(async () => {
    desk = await open();
  });
  Deno.test.afterAll(async () => {
    await desk?.[Symbol.asyncDispose]();
  });
  for (const { name, here = [], there = [], run } of checks) {
    const missing = [
      ...["sh", "ssh", ...here].filter((program) => !isInstalled(program)),
      ...there.filter((program) => missingThere.includes(program)).map((p) =>
        `${p} in the workspace`
      ),
    ];
    testWith(`${subject} ${name}`, missing, async () => {
      if (desk === undefined) throw new Error("There is no desk: opening it failed");
      await run(desk);
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
  say(`SKIPPED (${what}): ${name}`);
  Deno.test({ name: `${name} [skipped, ${what}]`, ignore: true, fn });
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
