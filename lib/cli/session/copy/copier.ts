/**
 * Copies files and folders between this machine and a workspace. A file is written under another name until all of it is there and its
 * checksum is right; what an interrupted copy left under that name is gone on with, if it is the beginning of the file.
 */
import { UserError } from "../../../base/errors.ts";
import type { FileTree } from "../../../base/host.ts";
import { goQuote, stripToLine } from "../../../coder/text.ts";
import { startFileHash } from "../../../ssh/file_hash.ts";
import type { Wait } from "../../terminal/progress.ts";
import { isPlainName } from "./places.ts";

/** One side of a copy. */
export interface FileSide extends FileTree {
  /** SHA-256 of the first bytes of a file, lower-case hexadecimal; `undefined` where nobody can tell. */
  checksum(path: string, bytes: number): Promise<string | undefined>;
}

export interface CopyHost {
  readonly from: FileSide;
  readonly to: FileSide;
  /** The system that names are made on. */
  readonly toOs: string;
  readonly now: () => number;
  readonly say: (line: string) => void;
}

export interface CopyTotals {
  files: number;
  bytes: number;
  /** Files that nobody could compare. */
  unchecked: number;
  /** What was left out. */
  skipped: number;
}

const PART = ".hawser-part";
/** Folders inside each other; deeper ones are a circle. */
const MAX_DEPTH = 64;

export class Copier {
  readonly totals: CopyTotals = { files: 0, bytes: 0, unchecked: 0, skipped: 0 };
  readonly #host: CopyHost;
  readonly #wait: Wait;

  constructor(host: CopyHost, wait: Wait) {
    this.#host = host;
    this.#wait = wait;
  }

  /** Throws `UserError` for what is not there, and whatever the sides do. */
  async copy(from: string, to: string, depth = 0): Promise<void> {
    const source = await this.#host.from.stat(from);
    if (source === undefined) throw new UserError(`${from}: no such file or folder`);
    if (source.kind === "folder") return await this.#copyFolder(from, to, depth);
    if (source.kind === "file") return await this.#copyFile(from, to, source.sizeBytes);
    this.#skip(`${from}: neither file nor folder`);
  }

  #skip(why: string): void {
    this.totals.skipped++;
    this.#host.say(`Left out ${why}`);
  }

  async #copyFolder(from: string, to: string, depth: number): Promise<void> {
    if (depth > MAX_DEPTH) throw new UserError(`${from}: folders go deeper than ${MAX_DEPTH}`);
    const { from: source, to: target, toOs } = this.#host;
    const there = await target.stat(to);
    if (there === undefined) await target.mkdir(to);
    else if (there.kind !== "folder") throw new UserError(`${to}: is no folder`);
    for (const { name, kind } of await source.list(from)) {
      if (name === "." || name === ".." || name.endsWith(PART)) continue;
      if (!isPlainName(name, toOs)) this.#skip(`${from}/${goQuote(name)}: no name for a file here`);
      else if (kind === "other") {
        this.#skip(`${from}/${stripToLine(name)}: neither file nor folder`);
      } else await this.copy(`${from}/${name}`, `${to}/${name}`, depth + 1);
    }
  }

  async #copyFile(from: string, to: string, size: number): Promise<void> {
    const { to: target } = this.#host;
    const part = to + PART;
    const hash = await startFileHash();
    const start = await this.#resumable(from, part, size);
    // What is there already counts for the checksum of the whole.
    if (start > 0) {
      let left = start;
      for await (const piece of this.#host.from.read(from, 0)) {
        hash.update(piece.subarray(0, left));
        left -= Math.min(left, piece.length);
        if (left === 0) break;
      }
      this.#host.say(`Going on with ${stripToLine(to)} at ${sizeText(start)}`);
    }
    const progress = { at: start, size, name: stripToLine(from), since: this.#host.now(), start };
    const read = this.#host.from.read(from, start);
    await target.write(part, start, this.#counted(read, progress, hash.update));
    const wanted = hash.hex();
    const got = await target.checksum(part, progress.at);
    if (got === undefined) this.totals.unchecked++;
    if (got !== undefined && got !== wanted) {
      await target.remove(part);
      throw new UserError(`${to}: what arrived is not what was sent`, {
        hint: "Did the file change meanwhile? Copy it again",
      });
    }
    await target.replace(part, to);
    this.totals.files++;
    this.totals.bytes += progress.at - start;
  }

  /** How much of a file an interrupted copy has left, if it is its beginning. */
  async #resumable(from: string, part: string, size: number): Promise<number> {
    const { from: source, to: target } = this.#host;
    const left = await target.stat(part);
    if (left === undefined || left.kind !== "file") return 0;
    if (left.sizeBytes === 0 || left.sizeBytes > size) return 0;
    const [ours, theirs] = await Promise.all([
      source.checksum(from, left.sizeBytes),
      target.checksum(part, left.sizeBytes),
    ]);
    return ours !== undefined && ours === theirs ? left.sizeBytes : 0;
  }

  async *#counted(
    pieces: AsyncIterable<Uint8Array>,
    progress: { at: number; size: number; name: string; since: number; start: number },
    onPiece: (piece: Uint8Array) => void,
  ): AsyncGenerator<Uint8Array> {
    for await (const piece of pieces) {
      onPiece(piece);
      progress.at += piece.length;
      const { at, size, name, since, start } = progress;
      const seconds = (this.#host.now() - since) / 1_000;
      const speed = seconds > 0 ? `, ${sizeText((at - start) / seconds)}/s` : "";
      const percent = size > 0 ? Math.min(100, Math.floor(at / size * 100)) : 100;
      this.#wait.now(`Copying ${name}: ${percent}% of ${sizeText(size)}${speed}`);
      yield piece;
    }
  }
}

/** `512 B`, `1.5 kB`, `12.3 MB`. */
export function sizeText(bytes: number): string {
  if (bytes < 1_000) return `${Math.round(bytes)} B`;
  const units = ["kB", "MB", "GB", "TB"];
  const power = Math.min(units.length, Math.floor(Math.log10(bytes) / 3));
  return `${(bytes / 1_000 ** power).toFixed(1)} ${units[power - 1] ?? ""}`;
}
