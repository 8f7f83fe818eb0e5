/**
 * Files of a workspace over SFTP (draft-ietf-secsh-filexfer-02), with ssh2 doing the packets: promises, pieces in flight together, and an end
 * of everything with the connection. Paths are the workspace's; relative ones begin in its home folder.
 */
import { Buffer } from "node:buffer";
import { CONNECTION_LOST_TEXT, type ConnectionEnd, SshLostError } from "./ends.ts";
import type { SshClock } from "./host.ts";
import type { Ssh2Sftp } from "./ssh2_types.ts";

/** What every server takes (§6.4, §6.5 name 32768 as what must be taken). */
const PIECE_BYTES = 32 * 1024;
/** Pieces in flight: two megabytes, the window of a channel. */
const MAX_IN_FLIGHT = 64;
const NO_SUCH_FILE = 2; // §7
/** The end of a connection and of what is in it come in one go. */
const TOLD_WITHIN_MS = 1_000;

export interface RemoteEntry {
  readonly name: string;
  readonly kind: "file" | "folder" | "other";
  readonly sizeBytes: number;
}

export type RemoteStat = Omit<RemoteEntry, "name">;

export class RemoteFiles implements Disposable {
  readonly #sftp: Ssh2Sftp;
  readonly #clock: SshClock;
  readonly #lost: Promise<never>;

  constructor(sftp: Ssh2Sftp, closed: Promise<ConnectionEnd>, clock: SshClock) {
    this.#sftp = sftp;
    this.#clock = clock;
    this.#lost = closed.then((end) => {
      const why = end.kind === "closed" ? "The connection was closed" : end.message;
      throw new SshLostError(CONNECTION_LOST_TEXT, { cause: undefined, hint: why });
    });
    this.#lost.catch(() => {}); // told to whoever waits
  }

  /** `undefined` when nothing is there. */
  async stat(path: string): Promise<RemoteStat | undefined> {
    try {
      const attributes = await this.#call<Parameters<typeof statOf>[0]>((done) =>
        this.#sftp.stat(path, done)
      );
      return statOf(attributes);
    } catch (error) {
      if (hasCode(error) && error.code === NO_SUCH_FILE) return undefined;
      throw error;
    }
  }

  async list(path: string): Promise<readonly RemoteEntry[]> {
    const names = await this.#call<Parameters<Parameters<Ssh2Sftp["readdir"]>[1]>[1]>((done) =>
      this.#sftp.readdir(path, done)
    );
    return names.map(({ filename, attrs }) => ({ name: filename, ...statOf(attrs) }));
  }

  mkdir(path: string): Promise<void> {
    return this.#do((done) => this.#sftp.mkdir(path, done));
  }

  remove(path: string): Promise<void> {
    return this.#do((done) => this.#sftp.unlink(path, done));
  }

  /** Absolute, with `.` and `..` followed. */
  realPath(path: string): Promise<string> {
    return this.#call<string>((done) => this.#sftp.realpath(path, done));
  }

  /** Takes the place of whatever file is there: at once where the server can (OpenSSH PROTOCOL §4.3), else after that is gone. */
  async replace(from: string, to: string): Promise<void> {
    try {
      await this.#do((done) => this.#sftp.ext_openssh_rename(from, to, done));
    } catch (error) {
      // What the server does not have, ssh2 does not ask for.
      if (error instanceof SshLostError || hasCode(error)) throw error;
      if (await this.stat(to) !== undefined) await this.remove(to);
      await this.#do((done) => this.#sftp.rename(from, to, done));
    }
  }

  /** The bytes of a file from `from` on, in order; each piece is borrowed until the next. */
  async *read(path: string, from: number): AsyncGenerator<Uint8Array> {
    const handle = await this.#call<Buffer>((done) => this.#sftp.open(path, "r", done));
    try {
      const pieces: Promise<Uint8Array>[] = [];
      let asked = from;
      // A small file is not asked for in pieces that it does not have.
      for (let allowed = 1;; allowed = Math.min(allowed * 2, MAX_IN_FLIGHT)) {
        while (pieces.length < allowed) {
          const piece = this.#readPiece(handle, asked);
          piece.catch(() => {}); // told when its turn comes
          pieces.push(piece);
          asked += PIECE_BYTES;
        }
        const bytes = await pieces.shift();
        if (bytes === undefined || bytes.length === 0) return;
        yield bytes;
        // What is behind a short piece was asked for from the wrong place, or is the end.
        if (bytes.length < PIECE_BYTES) {
          asked = asked - (pieces.length + 1) * PIECE_BYTES + bytes.length;
          await Promise.allSettled(pieces.splice(0));
        }
      }
    } finally {
      await this.#do((done) => this.#sftp.close(handle, done)).catch(() => {}); // the connection may be gone
    }
  }

  /** Writes from `from` on, into a new file when that is the beginning. Resolves when all of it is there. */
  async write(path: string, from: number, pieces: AsyncIterable<Uint8Array>): Promise<void> {
    const flags = from === 0 ? "w" : "r+";
    const handle = await this.#call<Buffer>((done) => this.#sftp.open(path, flags, done));
    const inFlight: Promise<void>[] = [];
    let at = from;
    try {
      for await (const piece of pieces) {
        for (let start = 0; start < piece.length; start += PIECE_BYTES) {
          const part = Buffer.from(piece.subarray(start, start + PIECE_BYTES));
          const position = at;
          const written = this.#do((done) =>
            this.#sftp.write(handle, part, 0, part.length, position, done)
          );
          written.catch(() => {}); // told when its turn comes
          inFlight.push(written);
          at += part.length;
          if (inFlight.length >= MAX_IN_FLIGHT) await inFlight.shift();
        }
      }
      await Promise.all(inFlight);
    } finally {
      await Promise.allSettled(inFlight);
      await this.#do((done) => this.#sftp.close(handle, done)).catch(() => {}); // the connection may be gone
    }
  }

  [Symbol.dispose](): void {
    this.#sftp.end();
  }

  async #readPiece(handle: Buffer, position: number): Promise<Uint8Array> {
    const piece = Buffer.alloc(PIECE_BYTES);
    const count = await this.#call<number>((done) =>
      this.#sftp.read(handle, piece, 0, PIECE_BYTES, position, done)
    );
    return new Uint8Array(piece.buffer, piece.byteOffset, count);
  }

  #do(start: (done: (error: Error | undefined | null) => void) => void): Promise<void> {
    return this.#call<void>((done) => start((error) => done(error ?? undefined, undefined)));
  }

  /** ssh2 leaves what is pending when the connection goes without an answer, or answers it without the reason. */
  async #call<Value>(
    start: (done: (error: Error | undefined, value: Value) => void) => void,
  ): Promise<Value> {
    let isAsked = false;
    const answered = new Promise<Value>((resolve, reject) => {
      start((error, value) => error ? reject(error) : resolve(value));
      isAsked = true;
    });
    try {
      return await Promise.race([answered, this.#lost]);
    } catch (error) {
      if (!isAsked || error instanceof SshLostError || hasCode(error)) throw error;
      throw await this.#whyUnanswered(error);
    }
  }

  /** Nobody has answered: with the connection, as a rule, which is about to say so. */
  async #whyUnanswered(error: unknown): Promise<unknown> {
    const told = new AbortController();
    const waited = this.#clock.sleep(TOLD_WITHIN_MS, told.signal).catch(() => {}); // called off
    try {
      await Promise.race([this.#lost, waited]);
    } catch (lost) {
      return lost;
    } finally {
      told.abort();
    }
    const hint = "The workspace closed its SFTP";
    return new SshLostError(CONNECTION_LOST_TEXT, { cause: error, hint });
  }
}

/** Whether it is an answer (§7), rather than that there was none. */
function hasCode(error: unknown): error is Error & { readonly code: unknown } {
  return error instanceof Error && "code" in error;
}

function statOf(attributes: {
  readonly size: number;
  isDirectory(): boolean;
  isFile(): boolean;
}): RemoteStat {
  const kind = attributes.isDirectory() ? "folder" : attributes.isFile() ? "file" : "other";
  return { kind, sizeBytes: attributes.size };
}
