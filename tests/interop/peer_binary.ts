/**
 * The Go peer as a program: built once per state of its sources, into `.deno/` of this checkout, which git ignores. Test
 * files run side by side: one of them builds, the others wait at the lock. `HAWSER_PEER` names a ready one instead.
 */
import { createHash } from "node:crypto";
import { say } from "../live/check.ts";
import { fromFileUrl } from "../live/names.ts";

const SOURCES = new URL("./peer/", import.meta.url);
const CACHE = new URL("../../.deno/", import.meta.url);
const TAGS = "ts_omit_cloud,ts_debug_websockets";
const EXCLUSIVE = true;

/** The path of the program. Throws with the compiler's words when it cannot be built. */
export async function peerBinary(): Promise<string> {
  const given = Deno.env.get("HAWSER_PEER");
  if (given !== undefined && given !== "") return given;
  await Deno.mkdir(CACHE, { recursive: true });
  const binary = new URL(`peer-${await hashOfSources()}`, CACHE);
  using lock = await Deno.open(new URL("peer.lock", CACHE), { create: true, write: true });
  await lock.lock(EXCLUSIVE);
  if (!await exists(binary)) await build(binary);
  return fromFileUrl(binary);
}

async function build(binary: URL): Promise<void> {
  say("Building the Go peer: the first time this takes minutes");
  const unfinished = `${fromFileUrl(binary)}.new`;
  const { success, stderr } = await new Deno.Command("go", {
    args: ["build", "-tags", TAGS, "-o", unfinished, "."],
    cwd: SOURCES,
    env: { GOTOOLCHAIN: "local" },
    stdout: "null",
  }).output();
  if (!success) throw new Error(`Cannot build the Go peer: ${new TextDecoder().decode(stderr)}`);
  for await (const { name } of Deno.readDir(CACHE)) {
    if (/^peer-[0-9a-f]+$/.test(name)) await Deno.remove(new URL(name, CACHE));
  }
  await Deno.rename(unfinished, binary);
}

async function hashOfSources(): Promise<string> {
  const names: string[] = [];
  for await (const { name } of Deno.readDir(SOURCES)) {
    if (/\.(go|mod|sum)$/.test(name) && !name.endsWith("_test.go")) names.push(name);
  }
  const hash = createHash("sha256");
  for (const name of names.sort()) {
    hash.update(name).update(await Deno.readFile(new URL(name, SOURCES)));
  }
  return hash.digest("hex").slice(0, 16);
}

async function exists(url: URL): Promise<boolean> {
  try {
    return (await Deno.stat(url)).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
