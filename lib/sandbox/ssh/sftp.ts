/**
 * The `sftp` subsystem over real files (draft-ietf-secsh-filexfer-02, version 3, no extensions), with ssh2 doing the
 * packets. Requests on one open file are served in order; everything is what the user of this process may do.
 */
import { Buffer } from "node:buffer";
import { ByteReader, ByteWriter } from "../../base/bytes.ts";
import {
  attributesOfEntry,
  nameOnly,
  realPath,
  SftpStatus as Status,
  statusOf,
} from "./sftp_answers.ts";
import { attributesOf, changeAttributes, longNameOf } from "./sftp_attributes.ts";
import type { ServerSftp, SftpAttributes, SftpName } from "./ssh2_server.ts";

const OpenFlag = { read: 1, write: 2, append: 4, create: 8, truncate: 16, exclusive: 32 } as const;
const HANDLE_BYTES = 4;
const MAX_HANDLES = 256;
const MAX_READ_BYTES = 262_144;
const NAMES_PER_ANSWER = 128;

interface OpenFile {
  readonly file: Deno.FsFile;
  readonly isAppending: boolean;
  last: Promise<void>;
}

interface OpenFolder {
  readonly path: string;
  names: string[] | undefined;
}

type Handle = OpenFile | OpenFolder;

/** Serves until the client ends it; resolves when every file is closed. Relative paths begin at `directory`. */
export async function serveSftp(
  sftp: ServerSftp,
  directory: string,
  closed: Promise<void>,
): Promise<void> {
  const files = new SftpFiles(sftp, directory);
  const ended = new Promise<void>((resolve) => sftp.on("end", resolve).on("close", resolve));
  await Promise.race([ended, closed]);
  await files.close();
  if (sftp.outgoing.state !== "open") return;
  sftp._protocol.exitStatus(sftp.outgoing.id, 0);
  sftp.end();
}

class SftpFiles {
  readonly #sftp: ServerSftp;
  readonly #directory: string;
  readonly #handles = new Map<number, Handle>();
  readonly #running = new Set<Promise<void>>();
  #nextHandle = 1;

  constructor(sftp: ServerSftp, directory: string) {
    this.#sftp = sftp;
    this.#directory = directory;
    const answer = (id: number, work: () => Promise<void>) => this.#run(id, work);
    const done = (id: number, work: () => Promise<void>) =>
      this.#run(id, async () => {
        await work();
        sftp.status(id, Status.ok);
      });
    sftp
      .on(
        "OPEN",
        (id, path, flags, attributes) =>
          answer(id, () => this.#open(id, this.#resolve(path), { flags, attributes })),
      )
      .on(
        "READ",
        (id, handle, offset, length) =>
          answer(
            id,
            () => this.#inOrder(handle, (file) => this.#read(id, file, { offset, length })),
          ),
      )
      .on("WRITE", (id, handle, offset, data) => {
        const bytes = data.slice(); // ssh2 reuses its buffers
        done(id, () => this.#inOrder(handle, (file) => write(file, offset, bytes)));
      })
      .on(
        "FSTAT",
        (id, handle) =>
          answer(
            id,
            () =>
              this.#inOrder(handle, async ({ file }) =>
                sftp.attrs(id, attributesOf(await file.stat()))),
          ),
      )
      .on(
        "FSETSTAT",
        (id, handle, attributes) =>
          done(id, () => this.#inOrder(handle, ({ file }) => changeAttributes(file, attributes))),
      )
      .on("CLOSE", (id, handle) => done(id, () => this.#close(handle)))
      .on("OPENDIR", (id, path) => answer(id, () => this.#openFolder(id, this.#resolve(path))))
      .on("READDIR", (id, handle) => answer(id, () => this.#readFolder(id, handle)))
      .on(
        "LSTAT",
        (id, path) =>
          answer(
            id,
            async () => sftp.attrs(id, attributesOf(await Deno.lstat(this.#resolve(path)))),
          ),
      )
      .on(
        "STAT",
        (id, path) =>
          answer(
            id,
            async () => sftp.attrs(id, attributesOf(await Deno.stat(this.#resolve(path)))),
          ),
      )
      .on(
        "SETSTAT",
        (id, path, attributes) => done(id, () => changeAttributes(this.#resolve(path), attributes)),
      )
      .on(
        "MKDIR",
        (id, path, { mode }) =>
          done(
            id,
            () =>
              Deno.mkdir(this.#resolve(path), mode === undefined ? {} : { mode: mode & 0o7777 }),
          ),
      )
      .on("REMOVE", (id, path) => done(id, () => Deno.remove(this.#resolve(path))))
      .on("RMDIR", (id, path) => done(id, () => Deno.remove(this.#resolve(path))))
      .on(
        "RENAME",
        (id, from, to) => done(id, () => Deno.rename(this.#resolve(from), this.#resolve(to))),
      )
      .on(
        "REALPATH",
        (id, path) =>
          answer(id, async () => sftp.name(id, [nameOnly(await realPath(this.#resolve(path)))])),
      )
      .on(
        "READLINK",
        (id, path) =>
          answer(
            id,
            async () => sftp.name(id, [nameOnly(await Deno.readLink(this.#resolve(path)))]),
          ),
      )
      .on(
        "SYMLINK",
        (id, link, target) => done(id, () => Deno.symlink(target, this.#resolve(link))),
      );
  }

  /** Waits for what is under way and closes every file. */
  async close(): Promise<void> {
    await Promise.all(this.#running);
    for (const handle of this.#handles.values()) {
      if ("file" in handle) handle.file.close();
    }
    this.#handles.clear();
  }

  #run(id: number, work: () => Promise<void>): void {
    const running = this.#answer(id, work).finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  async #answer(id: number, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      const [code, message] = statusOf(error);
      this.#sftp.status(id, code, message);
    }
  }

  #resolve(path: string): string {
    return /^([\\/]|[A-Za-z]:)/.test(path) ? path : `${this.#directory}/${path}`;
  }

  async #open(
    id: number,
    path: string,
    { flags, attributes }: { readonly flags: number; readonly attributes: SftpAttributes },
  ): Promise<void> {
    const isAppending = (flags & OpenFlag.append) !== 0;
    const isCreating = (flags & OpenFlag.create) !== 0;
    const file = await Deno.open(path, {
      read: (flags & OpenFlag.read) !== 0,
      write: (flags & OpenFlag.write) !== 0 && !isAppending,
      append: isAppending,
      truncate: (flags & OpenFlag.truncate) !== 0 && !isAppending,
      create: isCreating && (flags & OpenFlag.exclusive) === 0,
      createNew: isCreating && (flags & OpenFlag.exclusive) !== 0,
      ...(attributes.mode === undefined ? {} : { mode: attributes.mode & 0o7777 }),
    });
    try {
      this.#keep(id, { file, isAppending, last: Promise.resolve() });
    } catch (error) {
      file.close();
      throw error;
    }
  }

  async #openFolder(id: number, path: string): Promise<void> {
    const { isDirectory } = await Deno.stat(path);
    if (!isDirectory) throw new Error("Not a folder");
    this.#keep(id, { path, names: undefined });
  }

  #keep(id: number, handle: Handle): void {
    if (this.#handles.size >= MAX_HANDLES) {
      throw new RangeError(`${MAX_HANDLES} open files are the limit`);
    }
    const number = this.#nextHandle++;
    this.#handles.set(number, handle);
    const bytes = Buffer.alloc(HANDLE_BYTES);
    new ByteWriter(bytes).u32be(number);
    this.#sftp.handle(id, bytes);
  }

  #find(handle: Uint8Array): Handle {
    const found = handle.length === HANDLE_BYTES
      ? this.#handles.get(new ByteReader(handle).u32be())
      : undefined;
    if (found === undefined) throw new Error("Invalid handle");
    return found;
  }

  #inOrder(handle: Uint8Array, work: (file: OpenFile) => Promise<void>): Promise<void> {
    const open = this.#find(handle);
    if (!("file" in open)) throw new Error("Handle of a folder");
    const running = open.last.then(() => work(open));
    open.last = running.catch(() => {}); // told to whoever asked for it
    return running;
  }

  async #read(
    id: number,
    { file }: OpenFile,
    { offset, length }: { readonly offset: number; readonly length: number },
  ): Promise<void> {
    const buffer = Buffer.alloc(Math.min(length, MAX_READ_BYTES));
    await file.seek(offset, Deno.SeekMode.Start);
    const count = await file.read(buffer);
    if (count === null) this.#sftp.status(id, Status.eof);
    else this.#sftp.data(id, buffer.subarray(0, count));
  }

  async #readFolder(id: number, handle: Uint8Array): Promise<void> {
    const folder = this.#find(handle);
    if ("file" in folder) throw new Error("Handle of a file");
    if (folder.names === undefined) {
      folder.names = [".", ".."];
      for await (const { name } of Deno.readDir(folder.path)) folder.names.push(name);
    }
    const names: SftpName[] = [];
    for (const filename of folder.names.splice(0, NAMES_PER_ANSWER)) {
      const attrs = await attributesOfEntry(`${folder.path}/${filename}`);
      if (attrs !== undefined) {
        names.push({ filename, longname: longNameOf(filename, attrs), attrs });
      }
    }
    if (names.length === 0) this.#sftp.status(id, Status.eof);
    else this.#sftp.name(id, names);
  }

  async #close(handle: Uint8Array): Promise<void> {
    const open = this.#find(handle);
    if ("file" in open) {
      await open.last;
      open.file.close();
    }
    this.#handles.delete(new ByteReader(handle).u32be());
  }
}

async function write(
  { file, isAppending }: OpenFile,
  offset: number,
  bytes: Uint8Array,
): Promise<void> {
  if (!isAppending) await file.seek(offset, Deno.SeekMode.Start);
  for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
}
