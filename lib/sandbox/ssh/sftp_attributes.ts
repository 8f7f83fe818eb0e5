/** Attributes of files between the platform and SFTP (draft-ietf-secsh-filexfer-02 §5). */
import type { SftpAttributes } from "./ssh2_server.ts";

const MS_PER_SECOND = 1_000;
const FileType = { folder: 0o040000, file: 0o100000, link: 0o120000 } as const;
const PERMISSIONS = 0o7777;
const DEFAULT_PERMISSIONS = 0o644;
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

export function attributesOf(info: Deno.FileInfo): SftpAttributes {
  const type = info.isDirectory ? FileType.folder : info.isSymlink ? FileType.link : FileType.file;
  const mtime = secondsOf(info.mtime);
  return {
    mode: info.mode ?? (type | DEFAULT_PERMISSIONS),
    uid: info.uid ?? 0,
    gid: info.gid ?? 0,
    size: info.size,
    atime: info.atime === null ? mtime : secondsOf(info.atime),
    mtime,
  };
}

/** Changes what is named: size, permissions, times; the owner is left alone. */
export async function changeAttributes(
  target: string | Deno.FsFile,
  { size, mode, atime, mtime }: SftpAttributes,
): Promise<void> {
  if (typeof target === "string") {
    if (size !== undefined) await Deno.truncate(target, size);
    if (mode !== undefined && Deno.build.os !== "windows") {
      await Deno.chmod(target, mode & PERMISSIONS);
    }
    if (mtime !== undefined) await Deno.utime(target, atime ?? mtime, mtime);
    return;
  }
  if (size !== undefined) await target.truncate(size);
  if (mtime !== undefined) await target.utime(atime ?? mtime, mtime);
}

/** A line as of `ls -l`, for clients that show it. */
export function longNameOf(name: string, attributes: SftpAttributes): string {
  const { mode = 0, uid = 0, gid = 0, size = 0, mtime = 0 } = attributes;
  const time = new Date(mtime * MS_PER_SECOND);
  const day = String(time.getDate()).padStart(2);
  const clock = `${two(time.getHours())}:${two(time.getMinutes())}`;
  const owner = `${String(uid).padEnd(8)} ${String(gid).padEnd(8)}`;
  const when = `${MONTHS[time.getMonth()] ?? ""} ${day} ${clock}`;
  return `${modeText(mode)}    1 ${owner} ${String(size).padStart(8)} ${when} ${name}`;
}

function modeText(mode: number): string {
  const type = mode & 0o170000;
  const first = type === FileType.folder ? "d" : type === FileType.link ? "l" : "-";
  const bits = [..."rwxrwxrwx"].map((letter, at) => (mode & (0o400 >> at)) === 0 ? "-" : letter);
  return first + bits.join("");
}

function two(value: number): string {
  return String(value).padStart(2, "0");
}

function secondsOf(date: Date | null): number {
  return date === null ? 0 : Math.floor(date.getTime() / MS_PER_SECOND);
}
