/** Replaces a file as a whole: whoever reads it sees the old text or the new one, never half of it. */
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

async function removeQuietly(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch (error) {
    // It was never made, or is as stuck as the write: that one's failure is told.
    if (!(error instanceof Error)) throw error;
  }
}
