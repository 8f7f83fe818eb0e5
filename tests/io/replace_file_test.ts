import { deepStrictEqual, ok, rejects } from "node:assert/strict";
import { replaceTextFile } from "../../lib/io/replace_file.ts";

async function inTempDir(body: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await body(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

function namesIn(dir: string): string[] {
  return [...Deno.readDirSync(dir)].map((entry) => entry.name).toSorted();
}

Deno.test({
  name: "replaceTextFile() leaves one file with the mode asked for, whatever was there",
  ignore: Deno.build.os === "windows",
  fn: () =>
    inTempDir(async (dir) => {
      const path = `${dir}/1234.json`;
      await Deno.writeTextFile(path, "something longer that was there before", { mode: 0o644 });
      await replaceTextFile(path, "{}", { mode: 0o600 });
      deepStrictEqual(await Deno.readTextFile(path), "{}");
      deepStrictEqual(((await Deno.stat(path)).mode ?? 0) & 0o777, 0o600);
      deepStrictEqual(namesIn(dir), ["1234.json"]);
    }),
});

Deno.test("replaceTextFile() shows a reader the old text or the new one, never half of it", async () => {
  await inTempDir(async (dir) => {
    const path = `${dir}/1234.json`;
    const texts = ["a".repeat(100_000), "b".repeat(70_000)];
    await replaceTextFile(path, texts[0] ?? "", { mode: 0o600 });
    let isWriting = true;
    const writing = (async () => {
      for (let i = 0; i < 50; i++) await replaceTextFile(path, texts[i % 2] ?? "", { mode: 0o600 });
      isWriting = false;
    })();
    while (isWriting) {
      const seen = await Deno.readTextFile(path);
      ok(texts.includes(seen), `half a file of ${seen.length} characters`);
    }
    await writing;
  });
});

Deno.test("replaceTextFile() leaves nothing behind when it cannot replace", async () => {
  await inTempDir(async (dir) => {
    await Deno.mkdir(`${dir}/1234.json/full`, { recursive: true });
    await rejects(replaceTextFile(`${dir}/1234.json`, "{}", { mode: 0o600 }), Error);
    deepStrictEqual(namesIn(dir), ["1234.json"]);
  });
});

Deno.test({
  name: "replaceTextFile() follows no link that waits beside the file, and foretells no name",
  ignore: Deno.build.os === "windows",
  fn: () =>
    inTempDir(async (dir) => {
      const path = `${dir}/1234.json`;
      await Deno.writeTextFile(`${dir}/precious`, "precious");
      await Deno.symlink(`${dir}/precious`, `${path}.${Deno.pid}.tmp`);
      await replaceTextFile(path, "{}", { mode: 0o600 });
      deepStrictEqual(await Deno.readTextFile(`${dir}/precious`), "precious");
      ok((await Deno.lstat(path)).isFile);
      // A link in the file's own place is replaced, not followed.
      await Deno.remove(path);
      await Deno.symlink(`${dir}/precious`, path);
      await replaceTextFile(path, "{}", { mode: 0o600 });
      deepStrictEqual(await Deno.readTextFile(`${dir}/precious`), "precious");
      ok((await Deno.lstat(path)).isFile);
    }),
});
