/** Replaces a file as a whole: whoever reads it sees the old text or the new one, never half of it. */

export interface ReplaceOptions {
  /** Permission bits, where the system has them. */
  readonly mode: number;
}

/** Writes beside `path` and renames over it. Throws the platform's errors. */
export async function replaceTextFile(
  path: string,
  text: string,
  options: ReplaceOptions,
): Promise<void> {
  const beside = `${path}.${Deno.pid}.tmp`;
  try {
    await Deno.writeTextFile(beside, text, { mode: options.mode });
    await Deno.rename(beside, path);
  } catch (error) {
    await removeQuietly(beside);
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
