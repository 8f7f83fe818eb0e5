/**
 * Advisory exclusive locks on files: flock(2), LockFileEx on Windows. The official command takes its locks the same way,
 * so that both programs exclude each other; the system frees the lock when its holder dies.
 */
import { HostError, type HostLock } from "../base/host.ts";
import { toHostError } from "./host_errors.ts";

const EXCLUSIVE = true;
const MODE = 0o600;

/**
 * Takes the lock if nobody has it; `undefined` when somebody does. Creates the file and never removes it: a file that is
 * removed while another waits for it would be locked twice. Throws `HostError` when it cannot be opened.
 */
export async function tryLockFile(path: string): Promise<HostLock | undefined> {
  const file = await openOrCreate(path);
  let isHeld = false;
  try {
    isHeld = await file.tryLock(EXCLUSIVE);
  } catch (error) {
    throw toHostError(`lock ${path}`, error);
  } finally {
    if (!isHeld) file.close();
  }
  if (!isHeld) return undefined;
  return {
    release() {
      // Closing the last handle frees the lock.
      if (isHeld) file.close();
      isHeld = false;
    },
  };
}

/**
 * The folder may be everybody's: a link in the file's place would have us make, or lock, a file of the planter's choice. Created
 * without following links, and what is there already must be a plain file, the same before it was opened and after.
 */
async function openOrCreate(path: string): Promise<Deno.FsFile> {
  try {
    // Writing is not meant, but the platform creates no file without it.
    return await Deno.open(path, { read: true, write: true, createNew: true, mode: MODE });
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw toHostError(`open ${path}`, error);
  }
  let file: Deno.FsFile | undefined;
  try {
    const before = await Deno.lstat(path);
    if (!before.isFile) throw new HostError("other", `open ${path}: not a plain file`);
    // As the official command's: its owner's alone, so that another's is not to be opened, and is told.
    file = await Deno.open(path, { read: true, write: true });
    const after = await file.stat();
    if (after.ino === before.ino && after.dev === before.dev) return file;
    throw new HostError("other", `open ${path}: replaced meanwhile`);
  } catch (error) {
    file?.close();
    throw error instanceof HostError ? error : toHostError(`open ${path}`, error);
  }
}
