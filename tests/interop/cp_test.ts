/** `cp` against the Go peer, whose SFTP is the one that Coder's agents have. */
import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { MEGABYTE, randomBytes } from "../live/data.ts";
import { siteTest } from "./site.ts";

const SIZE_BYTES = 20 * MEGABYTE + 1;

siteTest("cp: a file and a folder there and back, the same to the byte", {}, async ({ desk }) => {
  const local = desk.local("files");
  const back = desk.local("back");
  const remote = await desk.remote("copied");
  const bytes = randomBytes(SIZE_BYTES);
  await Deno.mkdir(`${local}/deep`, { recursive: true });
  await Deno.writeFile(`${local}/big`, bytes);
  await Deno.writeTextFile(`${local}/deep/it's one`, "one");
  const there = await desk.runCommand(["cp", "-r", local, `${desk.workspace}:${remote}`]);
  strictEqual(there.code, 0, there.stderr);
  match(there.stderr, /Copied 2 files, [\d.]+ MB\n/);
  const again = await desk.runCommand(["cp", `${local}/big`, `${desk.workspace}:${remote}/big`]);
  strictEqual(again.code, 0, again.stderr);
  const here = await desk.runCommand(["cp", `${desk.workspace}:${remote}`, back]);
  strictEqual(here.code, 0, here.stderr);
  deepStrictEqual(await Deno.readFile(`${back}/big`), new Uint8Array(bytes));
  strictEqual(await Deno.readTextFile(`${back}/deep/it's one`), "one");
});
