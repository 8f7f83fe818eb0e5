/** Replaces a file as a whole: whoever reads it sees the old text or the new one, never half of it. */
import { isDefect } from "../base/errors.ts";
import { toHex } from "../base/bytes.ts";
import { randomBytes } from "../base/core.ts";
import { SYSTEM_RANDOM } from "./random.ts";

const NAME_BYTES = 8;

export interface ReplaceOptions {
  /** Permission bits, where the system has them. */
  readonly mode: number;
}

/**
 * Writes beside `path` and renames over it. The file beside is made anew under a name that nobody can foresee: in a folder that
 * others write to, a link that waits there would be followed. Throws the platform's errors.
 */
export async function replaceTextFile(
  path: string,
  text: string,
  options: ReplaceOptions,
): Promise<void> {
  const beside = `${path}.${toHex(randomBytes(SYSTEM_RANDOM, NAME_BYTES))}.tmp`;
  try {
    await Deno.writeTextFile(beside, text, { mode: options.mode, createNew: true });
    await Deno.rename(beside, path);
  } catch (error) {
    // What was there before is somebody else's.
    if (!(error instanceof Deno.errors.AlreadyExists)) await removeQuietly(beside);
    throw error;
  }
}

/** Links that lead to links, as the kernel of Linux counts them. */
const MAX_LINKS = 40;

export interface ReplaceFileOptions extends ReplaceOptions {
  /** Whether the file that a link leads to is replaced, and not the link. */
  readonly followsLinks: boolean;
}

/**
 * Puts `bytes` in the place of the file at `path`, or makes one with `mode`. A file that is there keeps
 * its permissions, and its owner where the system lets us. Throws the platform's errors.
 */
export async function replaceFile(
  path: string,
  bytes: Uint8Array,
  options: ReplaceFileOptions,
): Promise<void> {
  const target = options.followsLinks ? await followLinks(path) : path;
  const old = await lstatOf(target);
  const beside = `${target}.${toHex(randomBytes(SYSTEM_RANDOM, NAME_BYTES))}.tmp`;
  try {
    await writeWhole(beside, bytes, options);
    if (old?.isFile) await takeAfter(beside, old);
    await Deno.rename(beside, target);
  } catch (error) {
    // What was there before is somebody else's.
    if (!(error instanceof Deno.errors.AlreadyExists)) await removeQuietly(beside);
    throw error;
  }
}

/** A full disk may be told no sooner than when the bytes must be on it. */
async function writeWhole(
  path: string,
  bytes: Uint8Array,
  { mode }: ReplaceOptions,
): Promise<void> {
  using file = await Deno.open(path, { write: true, createNew: true, mode });
  for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
  await file.sync();
}

async function takeAfter(path: string, old: Deno.FileInfo): Promise<void> {
  if (Deno.build.os === "windows") return;
  const { uid, gid } = await Deno.stat(path);
  if (uid !== old.uid || gid !== old.gid) await chownQuietly(path, old);
  if (old.mode !== null) await Deno.chmod(path, old.mode & 0o7777);
}

/** Only the administrator gives files away; then the file of somebody else stays theirs. */
async function chownQuietly(path: string, { uid, gid }: Deno.FileInfo): Promise<void> {
  try {
    await Deno.chown(path, uid, gid);
  } catch (error) {
    if (!(error instanceof Deno.errors.PermissionDenied)) throw error;
  }
}

/** Where `path` leads when every link is followed, also to what is not there yet. */
async function followLinks(path: string): Promise<string> {
  let at = path;
  for (let links = 0; links <= MAX_LINKS; links++) {
    const info = await lstatOf(at);
    if (info === undefined || !info.isSymlink) return at;
    const target = await Deno.readLink(at);
    const isAbsolute = /^(?:[/\\]|[A-Za-z]:)/.test(target);
    at = isAbsolute ? target : at.slice(0, lastSeparator(at) + 1) + target;
  }
  throw new Error("too many levels of symbolic links");
}

function lastSeparator(path: string): number {
  return Deno.build.os === "windows"
    ? Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\"))
    : path.lastIndexOf("/");
}

async function lstatOf(path: string): Promise<Deno.FileInfo | undefined> {
  try {
    return await Deno.lstat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

async function removeQuietly(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch (error) {
    // It was never made, or is as stuck as the write: that one's failure is told.
    if (isDefect(error)) throw error;
  }
}
