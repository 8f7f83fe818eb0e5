/** Files of a workspace, as the library gives them. */
import { UserError } from "../base/errors.ts";
import { concatBytes } from "../base/bytes.ts";
import type { RemoteEntry, RemoteFiles, RemoteStat } from "../ssh/remote_files.ts";

export interface ReadFileOptions {
  /** Rejects with `UserError` for a longer file. @default 64 MiB */
  readonly maxBytes?: number;
}

const DEFAULT_MAX_BYTES = 64 * 1024 * 1024;

/** Whatever fails rejects with an `Error` in the server's words. */
export class WorkspaceFiles implements Disposable {
  readonly #files: RemoteFiles;

  /** Use `WorkspaceConnection.openFiles`. */
  constructor(files: RemoteFiles) {
    this.#files = files;
  }

  /** `undefined` when nothing is there. */
  stat(path: string): Promise<RemoteStat | undefined> {
    return this.#files.stat(path);
  }

  /** What lies in a folder, without `.` and `..`, in no order. */
  async list(path: string): Promise<readonly RemoteEntry[]> {
    return (await this.#files.list(path)).filter(({ name }) => name !== "." && name !== "..");
  }

  /** A file as a whole. */
  async read(path: string, options: ReadFileOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
    const { maxBytes = DEFAULT_MAX_BYTES } = options;
    const pieces: Uint8Array[] = [];
    let length = 0;
    for await (const piece of this.#files.read(path, 0)) {
      length += piece.length;
      if (length > maxBytes) throw new UserError(`"${path}" has more than ${maxBytes} bytes`);
      pieces.push(piece.slice());
    }
    return concatBytes(...pieces);
  }

  /** A file in pieces, each borrowed until the next. */
  readStream(path: string): AsyncIterable<Uint8Array> {
    return this.#files.read(path, 0);
  }

  /** Writes a file as a whole, over whatever file is there. Its folder must exist. */
  async write(path: string, data: Uint8Array | AsyncIterable<Uint8Array>): Promise<void> {
    await this.#files.write(path, 0, data instanceof Uint8Array ? once(data) : data);
  }

  mkdir(path: string): Promise<void> {
    return this.#files.mkdir(path);
  }

  /** Removes a file. */
  remove(path: string): Promise<void> {
    return this.#files.remove(path);
  }

  [Symbol.dispose](): void {
    this.#files[Symbol.dispose]();
  }
}

async function* once(data: Uint8Array): AsyncGenerator<Uint8Array> {
  yield data;
}
