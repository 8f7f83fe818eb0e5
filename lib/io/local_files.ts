/** Files of this machine for copying: read and written in pieces, from any place on. Rejects with `HostError` in words for people. */
import { type FileTree, HostError, type TreeEntry, type TreeStat } from "../base/host.ts";
import { reasonOf } from "./host_errors.ts";

const PIECE_BYTES = 256 * 1024;

export const LOCAL_TREE: FileTree = {
  stat: statLocal,
  list: listLocal,
  mkdir: makeLocalFolder,
  read: readLocal,
  write: writeLocal,
  replace: renameLocal,
  remove: removeLocal,
};

async function statLocal(path: string): Promise<TreeStat | undefined> {
  try {
    const { isDirectory, isFile, size } = await Deno.stat(path);
    return { kind: isDirectory ? "folder" : isFile ? "file" : "other", sizeBytes: size };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw failure("stat", path, error);
  }
}

async function listLocal(path: string): Promise<readonly TreeEntry[]> {
  try {
    const entries: TreeEntry[] = [];
    for await (const { name, isDirectory } of Deno.readDir(path)) {
      const stat = await statLocal(`${path}/${name}`);
      const kind = stat?.kind === "folder" && !isDirectory ? "other" : stat?.kind ?? "other";
      entries.push({ name, kind });
    }
    return entries;
  } catch (error) {
    throw failure("read folder", path, error);
  }
}

async function makeLocalFolder(path: string): Promise<void> {
  try {
    await Deno.mkdir(path, { recursive: true });
  } catch (error) {
    throw failure("make folder", path, error);
  }
}

async function renameLocal(from: string, to: string): Promise<void> {
  try {
    await Deno.rename(from, to);
  } catch (error) {
    throw failure("rename to", to, error);
  }
}

async function removeLocal(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw failure("remove", path, error);
  }
}

async function* readLocal(path: string, from: number): AsyncGenerator<Uint8Array> {
  const file = await open("open", path, { read: true });
  try {
    await file.seek(from, Deno.SeekMode.Start);
    for (;;) {
      const piece = new Uint8Array(PIECE_BYTES);
      const count = await file.read(piece);
      if (count === null) return;
      yield piece.subarray(0, count);
    }
  } catch (error) {
    throw failure("read", path, error);
  } finally {
    file.close();
  }
}

async function writeLocal(
  path: string,
  from: number,
  pieces: AsyncIterable<Uint8Array>,
): Promise<void> {
  const file = await open("create", path, { write: true, create: true, truncate: from === 0 });
  try {
    await file.seek(from, Deno.SeekMode.Start);
    for await (const piece of pieces) {
      try {
        for (let at = 0; at < piece.length;) at += await file.write(piece.subarray(at));
      } catch (error) {
        throw failure("write", path, error);
      }
    }
    await file.sync();
  } finally {
    file.close();
  }
}

async function open(what: string, path: string, options: Deno.OpenOptions): Promise<Deno.FsFile> {
  try {
    return await Deno.open(path, options);
  } catch (error) {
    throw failure(what, path, error);
  }
}

function failure(what: string, path: string, error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof HostError) return error;
  return new HostError("other", `${what} ${path}: ${reasonOf(error)}`, error);
}
