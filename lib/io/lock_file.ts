/**
 * Advisory exclusive locks on files: flock(2), LockFileEx on Windows. The official command takes its locks the same way,
 * so that both programs exclude each other; the system frees the lock when its holder dies.
 */
import type { HostLock } from "../base/host.ts";
import { toHostError } from "./host_errors.ts";

const EXCLUSIVE = true;
const MODE = 0o600;

/**
 * Takes the lock if nobody has it; `undefined` when somebody does. Creates the file and never removes it: a file that is
 * removed while another waits for it would be locked twice. Throws `HostError` when it cannot be opened.
 */
export async function tryLockFile(path: string): Promise<HostLock | undefined> {
  let file: Deno.FsFile;
  try {
    // Writing is not meant, but the platform creates no file without it.
    file = await Deno.open(path, { read: true, write: true, create: true, mode: MODE });
  } catch (error) {
    throw toHostError(`open ${path}`, error);
  }
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
