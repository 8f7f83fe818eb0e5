/**
 * Where shared tunnels are found: sockets in a folder that is the user's own and nobody else's. Whatever is not so is left alone,
 * and not used. Where the system does not tell whose a file is (Windows, or a permission that was not given), there are none.
 */
import type { Log } from "../base/log.ts";
import { socketPathProblem } from "../base/sockets.ts";
import { isDefect } from "../base/errors.ts";
import { reasonOf, toHostError } from "./host_errors.ts";
import { isPermitted } from "./permissions.ts";

const FOLDER_MODE = 0o700;
/** Bits that let anybody but the owner in. */
const FOREIGN_BITS = 0o077;
/** Of the names that are put there. */
const LONGEST_NAME = "0".repeat(41);

/** Why this process cannot share tunnels at all; `undefined` when it can. Asks nobody. */
export function sharingProblem(): string | undefined {
  if (Deno.build.os === "windows") return "not on Windows";
  const wanted: readonly Deno.PermissionDescriptor[] = [
    { name: "sys", kind: "uid" },
    { name: "read" },
    { name: "write" },
    { name: "run" },
  ];
  const refused = wanted.find((one) => !isPermitted(one));
  return refused === undefined ? undefined : `the permission "${refused.name}" was not given`;
}

/** The first of `candidates` that is ours alone, made if need be; `undefined` when none is. Why not is logged. */
export async function findSharedFolder(
  candidates: readonly string[],
  log: Log,
): Promise<string | undefined> {
  for (const folder of candidates) {
    const problem = await folderProblem(folder);
    if (problem === undefined) return folder;
    log.info("no shared tunnels there", { folder, problem });
  }
  return undefined;
}

async function folderProblem(folder: string): Promise<string | undefined> {
  const tooLong = socketPathProblem(`${folder}/${LONGEST_NAME}`, Deno.build.os);
  if (tooLong !== undefined) return tooLong;
  try {
    await Deno.mkdir(folder, { recursive: true, mode: FOLDER_MODE });
    const info = await Deno.lstat(folder);
    if (!info.isDirectory) return "not a folder";
    return ownProblem(info);
  } catch (error) {
    if (isDefect(error)) throw error;
    return reasonOf(error);
  }
}

/**
 * What is at `path`: a socket of ours, nothing, or something that is left alone and why.
 */
export async function lookAtSocket(
  path: string,
): Promise<
  { readonly kind: "socket" | "nothing" } | { readonly kind: "foreign"; readonly problem: string }
> {
  try {
    const info = await Deno.lstat(path);
    const problem = info.isSocket === true ? ownProblem(info) : "not a socket";
    return problem === undefined ? { kind: "socket" } : { kind: "foreign", problem };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return { kind: "nothing" };
    if (isDefect(error)) throw error;
    return { kind: "foreign", problem: reasonOf(error) };
  }
}

/** The names of the sockets in `folder`; none when it cannot be read. */
export async function listSockets(folder: string): Promise<string[]> {
  const names: string[] = [];
  try {
    for await (const entry of Deno.readDir(folder)) {
      if (!entry.isFile && !entry.isDirectory && !entry.isSymlink) names.push(entry.name);
    }
  } catch (error) {
    if (isDefect(error)) throw error;
  }
  return names;
}

/** Removes what was left behind by processes that have gone; how many sockets are left. To be called under the folder's lock. */
export async function removeStaleSockets(folder: string): Promise<number> {
  const names = await listSockets(folder);
  const stale = await Promise.all(names.map(async (name) => {
    const path = `${folder}/${name}`;
    if ((await lookAtSocket(path)).kind !== "socket" || !await isStale(path)) return false;
    await removeIfThere(path);
    return true;
  }));
  return stale.filter((isGone) => !isGone).length;
}

/** One that just ends takes its socket away itself. */
async function removeIfThere(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw toHostError(`remove ${path}`, error);
  }
}

async function isStale(path: string): Promise<boolean> {
  try {
    (await Deno.connect({ transport: "unix", path })).close();
    return false;
  } catch (error) {
    if (isDefect(error)) throw error;
    return error instanceof Deno.errors.ConnectionRefused;
  }
}

function ownProblem({ uid, mode }: Deno.FileInfo): string | undefined {
  if (uid === null || mode === null) return "the system does not say whose it is";
  if (uid !== Deno.uid()) return `it belongs to the user ${uid}`;
  if ((mode & FOREIGN_BITS) !== 0) return `others may use it (mode ${(mode & 0o777).toString(8)})`;
  return undefined;
}
