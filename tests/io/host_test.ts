/** The real host where it can be tried without a terminal: files with the errors of `HostFiles`, programs, signals. */
import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import { HostError } from "../../lib/base/host.ts";
import { createHost } from "../../lib/io/host.ts";

const host = createHost();
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(() => undefined, (thrown: unknown) => thrown);
  ok(error instanceof HostError, `not a HostError: ${error}`);
  ok(!error.message.includes("\n") && !/os error/.test(error.message), error.message);
  return error.code;
}

async function inFolder(run: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await run(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("files: what is not there is undefined, what fails has a code", async () => {
  await inFolder(async (dir) => {
    const { files } = host;
    strictEqual(await files.readText(`${dir}/none`), undefined);
    strictEqual(await files.stat(`${dir}/none`), undefined);
    await files.remove(`${dir}/none`);
    strictEqual(await codeOf(files.writeText(`${dir}/none/x`, "")), "not-found");
    await codeOf(files.readText(dir));
    const file = await files.createExclusive(`${dir}/new`);
    strictEqual(await codeOf(files.createExclusive(`${dir}/new`)), "exists");
    await file.close();
  });
});

Deno.test("files: written, replaced and added to, for the owner's eyes only", async () => {
  await inFolder(async (dir) => {
    const { files } = host;
    const path = `${dir}/a/b/file`;
    await files.mkdir(`${dir}/a/b`);
    await files.mkdir(`${dir}/a/b`);
    await files.writeText(path, "one");
    await files.writeText(path, " two", { append: true });
    strictEqual(await files.readText(path), "one two");
    await files.writeText(path, "three", { atomic: true });
    strictEqual(await files.readText(path), "three");
    const stat = await files.stat(path);
    deepStrictEqual([stat?.kind, stat?.sizeBytes], ["file", 5]);
    if (Deno.build.os !== "windows") strictEqual(stat?.mode, 0o600);
    strictEqual((await files.stat(`${dir}/a`))?.kind, "directory");
    await files.remove(path);
    strictEqual(await files.readText(path), undefined);
  });
});

Deno.test({
  name: "files: adding to a file leaves its mode as it is",
  ignore: Deno.build.os === "windows",
  fn: () =>
    inFolder(async (dir) => {
      const { files } = host;
      for (const mode of [0o644, 0o640, 0o600]) {
        const path = `${dir}/${mode}`;
        await Deno.writeTextFile(path, "one");
        await Deno.chmod(path, mode);
        await files.writeText(path, " two", { append: true });
        strictEqual((await files.stat(path))?.mode, mode);
        strictEqual(await files.readText(path), "one two");
      }
      await files.writeText(`${dir}/new`, "one", { append: true });
      strictEqual((await files.stat(`${dir}/new`))?.mode, 0o600);
    }),
});

Deno.test("files: an appending file keeps its order and is deaf once closed", async () => {
  await inFolder(async (dir) => {
    const file = await host.files.createExclusive(`${dir}/log`);
    file.print("one\n");
    file.print("two\n");
    await file.close();
    await file.close();
    file.print("three\n");
    strictEqual(await host.files.readText(`${dir}/log`), "one\ntwo\n");
  });
});

Deno.test("run() gives status and both outputs, feeds the input, and keeps no more than it is told", async () => {
  const program = `
    const input = await new Response(Deno.stdin.readable).text();
    console.log(input + Deno.env.get("MINE"));
    console.error("x".repeat(100_000));
    Deno.exit(3);
  `;
  const result = await host.run(Deno.execPath(), ["eval", program], {
    stdin: new TextEncoder().encode("in and "),
    env: { MINE: "ours", NO_COLOR: "1" },
    maxOutputBytes: 1_000,
  });
  strictEqual(result.code, 3);
  strictEqual(text(result.stdout), "in and ours\n");
  strictEqual(text(result.stderr), "x".repeat(1_000));
});

Deno.test("run(): a program that does not exist, one that reads nothing, one that is called off", async () => {
  strictEqual(await codeOf(host.run("/nowhere/at/all", [])), "not-found");
  const big = new Uint8Array(1_000_000);
  strictEqual((await host.run(Deno.execPath(), ["--version"], { stdin: big })).code, 0);
  const reason = new Error("changed my mind");
  await rejects(host.run(Deno.execPath(), [], { signal: AbortSignal.abort(reason) }), reason);
  const off = new AbortController();
  const endless = "setInterval(() => {}, 1000)";
  const running = rejects(
    host.run(Deno.execPath(), ["eval", endless], { signal: off.signal }),
    reason,
  );
  off.abort(reason);
  await running;
});

Deno.test("env(): unset and impossible names are undefined", () => {
  strictEqual(host.env("HAWSER_SURELY_NOT_SET"), undefined);
  strictEqual(host.env("A=B"), undefined);
  ok(host.homeDir !== "");
});

Deno.test({
  name: "onSignal() hears a signal until it is told not to",
  ignore: Deno.build.os === "windows",
  async fn() {
    let heard = 0;
    const stop = host.onSignal("SIGWINCH", () => heard++);
    Deno.kill(Deno.pid, "SIGWINCH");
    while (heard === 0) await new Promise((resolve) => setTimeout(resolve));
    stop();
  },
});

Deno.test("HostError says in words what failed", async () => {
  await rejects(host.files.writeText("/nowhere/at/all", "x"), (error) => {
    match(String(error), /^HostError: write \/nowhere\/at\/all: no such file or directory$/);
    return true;
  });
});
