/** SHA-256 of what is copied, piece by piece, by the platform's own: it is loaded with ssh2 anyway. */

export interface FileHash {
  update(bytes: Uint8Array): void;
  /** Lower-case hexadecimal of what came so far; more may come. */
  hex(): string;
}

export async function startFileHash(): Promise<FileHash> {
  const { createHash } = await import("node:crypto");
  const hash = createHash("sha256");
  return {
    update: (bytes) => void hash.update(bytes),
    hex: () => hash.copy().digest("hex"),
  };
}
