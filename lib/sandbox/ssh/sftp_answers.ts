/** Answers of SFTP that are not a file's own (draft-ietf-secsh-filexfer-02 §7). */
import { attributesOf } from "./sftp_attributes.ts";
import type { SftpAttributes, SftpName } from "./ssh2_server.ts";

export const SftpStatus = {
  ok: 0,
  eof: 1,
  noSuchFile: 2,
  permissionDenied: 3,
  failure: 4,
  badMessage: 5,
} as const;

/** `undefined` when it went away meanwhile. */
export async function attributesOfEntry(path: string): Promise<SftpAttributes | undefined> {
  try {
    return attributesOf(await Deno.lstat(path));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return undefined;
  }
}

/** What is not there yet has a path too: clients ask before they create it. */
export async function realPath(path: string): Promise<string> {
  try {
    return await Deno.realPath(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return path;
  }
}

export function nameOnly(filename: string): SftpName {
  return { filename, longname: filename, attrs: {} };
}

/** What a failed operation is answered with. Throws what is no failure of the platform. */
export function statusOf(error: unknown): [number, string] {
  if (!(error instanceof Error)) throw error;
  if (error instanceof Deno.errors.NotFound) {
    return [SftpStatus.noSuchFile, "No such file or directory"];
  }
  if (error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotCapable) {
    return [SftpStatus.permissionDenied, "Permission denied"];
  }
  return [SftpStatus.failure, error.message];
}
