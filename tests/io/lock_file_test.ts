import { deepStrictEqual, ok, rejects } from "node:assert/strict";
import { HostError } from "../../lib/base/host.ts";
import { tryLockFile } from "../../lib/io/lock_file.ts";

const HOLDER = new URL("./lock_holder.ts", import.meta.url).pathname;

/** Another process on the lock: `answer` is its first line, `end` lets it go, `kill` ends it the hard way. */
async function otherProcess(program: string, args: readonly string[]) {
  const child = new Deno.Command(program, {
    args: [...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!text.includes("\n")) {
    const { value, done } = await reader.read();
    if (done) break;
    text += value;
  }
  const finish = async () => {
    const { code } = await child.status;
    await reader.cancel();
    return code;
  };
  return {
    answer: text.trim(),
    async end() {
      await child.stdin.close();
      return await finish();
    },
    async kill() {
      child.kill("SIGKILL");
      await finish();
      // The pipe lost its reader with the process.
      await child.stdin.close().catch(() => {});
    },
  };
}

function ourProcess(path: string) {
  const args = ["run", "-q", "--no-lock", `--allow-read=${path}`, `--allow-write=${path}`];
  return otherProcess(Deno.execPath(), [...args, HOLDER, path]);
}

async function inTempDir(body: (path: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await body(`${dir}/coder-autostop-notify-a1`);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

async function hasProgram(program: string, args: readonly string[]): Promise<boolean> {
  try {
    return (await new Deno.Command(program, { args: [...args] }).output()).success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

Deno.test("tryLockFile() is refused while another process of ours holds the lock, in both directions", async () => {
  await inTempDir(async (path) => {
    const first = await ourProcess(path);
    deepStrictEqual(first.answer, "held");
    deepStrictEqual(await tryLockFile(path), undefined);
    await first.end();

    const lock = await tryLockFile(path);
    ok(lock !== undefined);
    const second = await ourProcess(path);
    deepStrictEqual(second.answer, "taken");
    await second.end();
    lock.release();
    lock.release();

    const third = await ourProcess(path);
    deepStrictEqual(third.answer, "held");
    await third.end();
  });
});

Deno.test({
  name: "tryLockFile() gets the lock once its holder was killed",
  ignore: Deno.build.os === "windows",
  fn: () =>
    inTempDir(async (path) => {
      const holder = await ourProcess(path);
      deepStrictEqual(await tryLockFile(path), undefined);
      await holder.kill();
      const lock = await tryLockFile(path);
      ok(lock !== undefined);
      lock.release();
    }),
});

// The official command's lock is flock(2) (docs/protocol/ssh.md#autostop-notice), as flock(1) takes it.
Deno.test({
  name: "tryLockFile() and flock(1) exclude each other",
  ignore: !(await hasProgram("flock", ["--version"])),
  fn: () =>
    inTempDir(async (path) => {
      const holder = await otherProcess("flock", ["-n", path, "sh", "-c", "echo held; cat"]);
      deepStrictEqual(holder.answer, "held");
      deepStrictEqual(await tryLockFile(path), undefined);
      deepStrictEqual(await holder.end(), 0);

      const lock = await tryLockFile(path);
      ok(lock !== undefined);
      const refused = await otherProcess("flock", ["-n", "-E", "9", path, "echo", "held"]);
      deepStrictEqual(refused.answer, "");
      deepStrictEqual(await refused.end(), 9);
      lock.release();
    }),
});

Deno.test({
  name: "tryLockFile() makes the file readable by its owner only, and leaves it there",
  ignore: Deno.build.os === "windows",
  fn: () =>
    inTempDir(async (path) => {
      (await tryLockFile(path))?.release();
      deepStrictEqual(((await Deno.stat(path)).mode ?? 0) & 0o777, 0o600);
    }),
});

Deno.test("tryLockFile() says why a lock file cannot be opened", async () => {
  await inTempDir(async (path) => {
    await rejects(
      tryLockFile(`${path}/lock`),
      (error) => error instanceof HostError && error.message.includes(`open ${path}/lock: `),
    );
  });
});

Deno.test({
  name: "tryLockFile() makes and locks nothing through a link",
  ignore: Deno.build.os === "windows",
  fn: () =>
    inTempDir(async (path) => {
      const target = `${path}.target`;
      await Deno.symlink(target, path);
      await rejects(tryLockFile(path), {
        name: "HostError",
        message: `open ${path}: not a plain file`,
      });
      await rejects(Deno.lstat(target), Deno.errors.NotFound);
      await Deno.writeTextFile(target, "precious");
      await rejects(tryLockFile(path), { message: `open ${path}: not a plain file` });
      await Deno.remove(path);
      await Deno.mkdir(path);
      await rejects(tryLockFile(path), { message: `open ${path}: not a plain file` });
    }),
});

Deno.test({
  name: "tryLockFile() makes the file its owner's alone",
  ignore: Deno.build.os === "windows",
  fn: () =>
    inTempDir(async (path) => {
      const before = Deno.umask(0);
      try {
        const lock = await tryLockFile(path);
        deepStrictEqual(((await Deno.stat(path)).mode ?? 0) & 0o777, 0o600);
        lock?.release();
      } finally {
        Deno.umask(before);
      }
    }),
});
