/** Bytes to send and their checksums. Random bytes, so that nothing in between can compress or guess them. */
import { createHash } from "node:crypto";

export const MEGABYTE = 1024 * 1024;

/** `getRandomValues` fills no more at once. */
const RANDOM_BYTES = 65_536;

export function randomBytes(count: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(count);
  for (let at = 0; at < count; at += RANDOM_BYTES) {
    crypto.getRandomValues(bytes.subarray(at, Math.min(count, at + RANDOM_BYTES)));
  }
  return bytes;
}

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** A file's checksum, read in pieces. */
export async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  using file = await Deno.open(path);
  const chunk = new Uint8Array(4 * MEGABYTE);
  for (let count = await file.read(chunk); count !== null; count = await file.read(chunk)) {
    hash.update(chunk.subarray(0, count));
  }
  return hash.digest("hex");
}

/** Writes a file of random bytes; its checksum. */
export async function writeRandomFile(path: string, count: number): Promise<string> {
  const hash = createHash("sha256");
  using file = await Deno.create(path);
  for (let left = count; left > 0; left -= 4 * MEGABYTE) {
    const chunk = randomBytes(Math.min(left, 4 * MEGABYTE));
    hash.update(chunk);
    for (let at = 0; at < chunk.length;) at += await file.write(chunk.subarray(at));
  }
  return hash.digest("hex");
}

/** A megabyte of random bytes again and again, `count` bytes in all, and the checksum of the whole. */
export class Bulk {
  readonly bytes: number;
  readonly sha256: string;
  readonly #block = randomBytes(MEGABYTE);

  constructor(bytes: number) {
    this.bytes = bytes;
    const hash = createHash("sha256");
    for (const chunk of this) hash.update(chunk);
    this.sha256 = hash.digest("hex");
  }

  /** Chunks differ from each other by their first bytes: one lost, doubled or moved changes the checksum. */
  *[Symbol.iterator](): Generator<Uint8Array> {
    for (let at = 0; at < this.bytes; at += MEGABYTE) {
      const chunk = this.#block.slice(0, Math.min(MEGABYTE, this.bytes - at));
      if (chunk.length >= 8) new DataView(chunk.buffer).setBigUint64(0, BigInt(at));
      yield chunk;
    }
  }
}
