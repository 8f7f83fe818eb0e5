import { deepStrictEqual, ok, rejects } from "node:assert/strict";
import { replaceFile, replaceTextFile } from "../../lib/io/replace_file.ts";

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

/** A program in which no file grows beyond `blocks` blocks of 512 bytes, as on a disk that is full there. */
async function withLittleRoom(blocks: number, code: string): Promise<string> {
  const { stdout, stderr } = await new Deno.Command("sh", {
    // Deno itself keeps nothing: --no-check and a folder of its own for what it would cache are enough.
    args: [
      "-c",
      `trap '' XFSZ; ulimit -f ${blocks}; exec "$0" run -A --no-check --no-lock --quiet "$1"`,
      Deno.execPath(),
      `data:application/typescript,${encodeURIComponent(code)}`,
    ],
    stdout: "piped",
    stderr: "piped",
  }).output();
  return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
}

Deno.test({
  name: "replaceFile() leaves the old file whole, and nothing beside it, when the disk is full",
  ignore: Deno.build.os === "windows",
  fn: () =>
    inTempDir(async (dir) => {
      const path = `${dir}/config`;
      const old = "Host a\n".repeat(500);
      await Deno.writeTextFile(path, old);
      const module = new URL("../../lib/io/replace_file.ts", import.meta.url);
      const said = await withLittleRoom(
        16,
        `import { replaceFile } from ${JSON.stringify(module.href)};
         try {
           await replaceFile(${
          JSON.stringify(path)
        }, new Uint8Array(100_000), { mode: 0o600, followsLinks: true });
           console.log("written");
         } catch (error) {
           console.log("refused:", error.message);
         }`,
      );
      ok(said.startsWith("refused: "), said);
      deepStrictEqual(await Deno.readTextFile(path), old);
      deepStrictEqual(namesIn(dir), ["config"]);
    }),
});

Deno.test({
  name: "replaceFile() keeps the mode that is there, follows links, and makes what is missing",
  ignore: Deno.build.os === "windows",
  fn: () =>
    inTempDir(async (dir) => {
      const bytes = new TextEncoder().encode("new");
      const modeOf = (path: string) => (Deno.statSync(path).mode ?? 0) & 0o7777;
      const options = { mode: 0o600, followsLinks: true };
      await replaceFile(`${dir}/made`, bytes, options);
      deepStrictEqual(modeOf(`${dir}/made`), 0o600);
      await Deno.writeTextFile(`${dir}/there`, "old");
      await Deno.chmod(`${dir}/there`, 0o664);
      await Deno.symlink("there", `${dir}/link`);
      await replaceFile(`${dir}/link`, bytes, options);
      deepStrictEqual(modeOf(`${dir}/there`), 0o664);
      deepStrictEqual(await Deno.readTextFile(`${dir}/there`), "new");
      ok(Deno.lstatSync(`${dir}/link`).isSymlink);
      await Deno.symlink("circle", `${dir}/circle`);
      await rejects(replaceFile(`${dir}/circle`, bytes, options), /symbolic links/);
      await replaceFile(`${dir}/link`, new Uint8Array(), { ...options, followsLinks: false });
      deepStrictEqual(await Deno.readTextFile(`${dir}/there`), "new");
      ok(Deno.lstatSync(`${dir}/link`).isFile);
      deepStrictEqual(modeOf(`${dir}/link`), 0o600);
      deepStrictEqual(namesIn(dir), ["circle", "link", "made", "there"]);
    }),
});
