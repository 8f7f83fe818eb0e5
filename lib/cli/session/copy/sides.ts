/** The two sides of a copy: this machine's files, and a workspace's over SFTP, with a command of its own for checksums. */
import type { FileTree } from "../../../base/host.ts";
import type { SshConnection } from "../../../ssh/connection.ts";
import { startFileHash } from "../../../ssh/file_hash.ts";
import type { RemoteFiles } from "../../../ssh/remote_files.ts";
import type { FileSide } from "./copier.ts";

const MAX_ANSWER_BYTES = 4_096;

export function localSide(tree: FileTree): FileSide {
  return {
    ...tree,
    async checksum(path, bytes) {
      const hash = await startFileHash();
      let left = bytes;
      for await (const piece of tree.read(path, 0)) {
        hash.update(piece.subarray(0, left));
        left -= Math.min(left, piece.length);
        if (left === 0) break;
      }
      return left === 0 ? hash.hex() : undefined;
    },
  };
}

/** Paths are absolute there. */
export function remoteSide(connection: SshConnection, files: RemoteFiles): FileSide {
  return {
    stat: (path) => files.stat(path),
    list: (path) => files.list(path),
    mkdir: (path) => files.mkdir(path),
    read: (path, from) => files.read(path, from),
    write: (path, from, pieces) => files.write(path, from, pieces),
    replace: (from, to) => files.replace(from, to),
    remove: (path) => files.remove(path),
    checksum: (path, bytes) =>
      checksumThere(connection, `head -c ${bytes} ${quoted(path)} | sha256sum`),
  };
}

/** Only what is a checksum counts: there may be no such program, or another shell. */
async function checksumThere(
  connection: SshConnection,
  command: string,
): Promise<string | undefined> {
  const session = await connection.openSession({ command });
  await session.closeStdin();
  const [stdout] = await Promise.all([
    textOf((into) => session.readStdout(into)),
    textOf((into) => session.readStderr(into)),
  ]);
  await session.ended;
  return /^\\?([0-9a-f]{64}) /.exec(stdout)?.[1];
}

/** To the end, of which only the beginning is kept. */
async function textOf(read: (into: Uint8Array) => Promise<number | null>): Promise<string> {
  const buffer = new Uint8Array(MAX_ANSWER_BYTES);
  const decoder = new TextDecoder();
  let text = "";
  for (let count = await read(buffer); count !== null; count = await read(buffer)) {
    if (text.length < MAX_ANSWER_BYTES) {
      text += decoder.decode(buffer.subarray(0, count), { stream: true });
    }
  }
  return text;
}

/** One word for a POSIX shell. An option it cannot be: it is absolute. */
function quoted(path: string): string {
  return `'${path.replaceAll("'", `'\\''`)}'`;
}
