/** `hawser cp` as a whole against a sandbox, whose SFTP serves this machine's files. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { randomBytes } from "../live/data.ts";
import { commandTest, commandTestAtEach, type Desk } from "./support.ts";

const PART = ".hawser-part";

/** A folder of the test's own, seen from both sides. */
class Folder implements Disposable {
  readonly path = Deno.makeTempDirSync({ prefix: "hawser-cp-" });

  write(name: string, bytes: Uint8Array | string): string {
    const path = `${this.path}/${name}`;
    Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    Deno.writeFileSync(path, typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes);
    return path;
  }

  read(name: string): Uint8Array {
    return Deno.readFileSync(`${this.path}/${name}`);
  }

  names(below = ""): string[] {
    return [...Deno.readDirSync(`${this.path}/${below}`)].map(({ name }) => name).toSorted();
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

async function cp(desk: Desk, ...args: string[]) {
  return await desk.runAny(["cp", ...args]);
}

for (const direction of ["upload", "download"]) {
  /** The same path, as the side that is asked for names it. */
  const names = (from: string, to: string) =>
    direction === "upload" ? [from, `myworkspace:${to}`] : [`myworkspace:${from}`, to];

  commandTestAtEach(
    `cp: ${direction} of a file, of folders with all that is in them, and over an older file`,
    async (desk) => {
      using source = new Folder();
      using target = new Folder();
      const big = randomBytes(3_000_001);
      const file = source.write("big", big);
      source.write('folder/deep/it\'s a "name"', "deep");
      source.write("folder/empty", "");
      target.write("big", "older and in the way");
      Deno.symlinkSync(`${source.path}/folder`, `${source.path}/folder/circle`);
      const one = await cp(desk, ...names(file, target.path));
      deepStrictEqual([one.code, one.stdout, one.stderr.split("\n").at(-2)], [
        0,
        "",
        "Copied 1 file, 3.0 MB",
      ]);
      deepStrictEqual(target.read("big"), big);
      const all = await cp(
        desk,
        "-r",
        ...names(`${source.path}/folder`, `${target.path}/as/`.replace("/as/", "/as")),
      );
      match(
        all.stderr,
        /Left out .*circle: neither file nor folder\n[^]*Copied 2 files, 4 B; left out 1\n$/,
      );
      strictEqual(all.code, 1);
      deepStrictEqual(target.names("as"), ["deep", "empty"]);
      deepStrictEqual(new TextDecoder().decode(target.read('as/deep/it\'s a "name"')), "deep");
      deepStrictEqual(target.names().filter((name) => name.endsWith(PART)), []);
    },
  );

  commandTestAtEach(
    `cp: ${direction} that was interrupted is gone on with, when what is left is the beginning`,
    async (desk) => {
      using source = new Folder();
      using target = new Folder();
      const bytes = randomBytes(1_000_000);
      const file = source.write("data", bytes);
      target.write(`data${PART}`, bytes.subarray(0, 400_000));
      const { stderr } = await cp(desk, ...names(file, target.path));
      match(stderr, /Going on with .*data at 400\.0 kB\n[^]*Copied 1 file, 600\.0 kB\n$/);
      deepStrictEqual(target.read("data"), bytes);
      target.write(`data${PART}`, randomBytes(400_000));
      const anew = await cp(desk, ...names(file, target.path));
      match(anew.stderr, /Copied 1 file, 1\.0 MB\n$/);
      ok(!anew.stderr.includes("Goes on"));
      deepStrictEqual(target.read("data"), bytes);
    },
  );
}

commandTestAtEach(
  "cp that is interrupted leaves the older file as it was, and what it has for the next time",
  async (desk) => {
    using source = new Folder();
    using target = new Folder();
    const file = source.write("data", randomBytes(64_000_000));
    target.write("data", "older");
    using watching = Deno.watchFs(target.path);
    await using run = desk.startAny(["cp", file, `myworkspace:${target.path}`]);
    for await (const { kind, paths } of watching) {
      if (kind === "modify" && paths.some((path) => path.endsWith(PART))) break;
    }
    ok(run.raise("SIGINT"));
    strictEqual((await run.result()).code, 130);
    deepStrictEqual(new TextDecoder().decode(target.read("data")), "older");
    ok(target.read(`data${PART}`).length < 64_000_000, "not all of it");
  },
);

commandTest("cp says what is wrong, and touches nothing", async (desk) => {
  using folder = new Folder();
  const rows: readonly (readonly [string[], RegExp])[] = [
    [["a"], /wanted at least 2 args but got 1/],
    [
      ["a", "b"],
      /one side must be a workspace and the other this machine\nAs in: hawser cp dev:file \./,
    ],
    [[`myworkspace:${folder.path}/none`, folder.path], /none: no such file or folder/],
    [[`${folder.path}/none`, "myworkspace:/tmp"], /none: no such file or folder/],
    [
      [`${folder.path}/a`, `${folder.path}/b`, `myworkspace:${folder.path}/nowhere`],
      /nowhere: no such folder/,
    ],
    [["x", "nosuch:y"], /Resource not found or you do not have access to this resource/],
  ];
  for (const [args, words] of rows) {
    const { code, stderr } = await cp(desk, ...args);
    strictEqual(code, 1, args.join(" "));
    match(stderr, words);
  }
  deepStrictEqual(folder.names(), []);
});
