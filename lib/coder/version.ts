/**
 * Versions of Coder servers: the form in `X-Coder-Build-Version` and `/buildinfo` (`v2.35.1`, `v2.35.0-rc.1`,
 * `v2.35.0-devel+abc1234`), their order, and which servers we can talk to (http-api §10).
 */
import { UserError } from "../base/errors.ts";
import { stripToLine } from "./text.ts";

export interface CoderVersion {
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
  /** Without the hyphen: `rc.1`, `devel`; empty for a release. */
  readonly prerelease: string;
}

/** The oldest server with tailnet protocol 2.0. */
export const OLDEST_SERVER = "v2.8.0";
/** The only major version we know. */
const KNOWN_MAJOR = 2;

/** `undefined` when `text` is no version. Build metadata behind `+` is ignored (SemVer §10). */
export function parseVersion(text: string): CoderVersion | undefined {
  const match = /^v?(\d{1,9})\.(\d{1,9})\.(\d{1,9})(?:-([0-9A-Za-z.-]+))?(?:\+\S*)?$/.exec(
    text.trim(),
  );
  if (match === null) return undefined;
  return {
    major: Number(match[1]),
    minor: Number(match[2]),
    patch: Number(match[3]),
    prerelease: match[4] ?? "",
  };
}

/** Negative when `a` is older. A pre-release is older than its release (SemVer §11). */
export function compareVersions(a: CoderVersion, b: CoderVersion): number {
  const difference = a.major - b.major || a.minor - b.minor || a.patch - b.patch;
  if (difference !== 0) return difference;
  if (a.prerelease === b.prerelease) return 0;
  if (a.prerelease === "") return 1;
  if (b.prerelease === "") return -1;
  return comparePrereleases(a.prerelease.split("."), b.prerelease.split("."));
}

function comparePrereleases(a: readonly string[], b: readonly string[]): number {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const left = a[i];
    const right = b[i];
    if (left === undefined) return -1;
    if (right === undefined) return 1;
    if (left === right) continue;
    const leftNumber = /^\d+$/.test(left);
    const rightNumber = /^\d+$/.test(right);
    if (leftNumber && rightNumber) return Number(left) - Number(right);
    if (leftNumber !== rightNumber) return leftNumber ? -1 : 1;
    return left < right ? -1 : 1;
  }
  return 0;
}

/** Whether a server of version `server` is at least `wanted`; unknown forms count as new (development builds). */
export function isAtLeast(server: string | undefined, wanted: string): boolean {
  if (server === undefined) return true;
  const have = parseVersion(server);
  const want = parseVersion(wanted);
  if (have === undefined || want === undefined) return true;
  // A pre-release of the wanted version has what the version has.
  return compareVersions({ ...have, prerelease: "" }, want) >= 0;
}

/** Throws `UserError` naming the version when the server is too old for us. */
export function assertSupportedServer(server: string | undefined): void {
  const version = server === undefined ? undefined : parseVersion(server);
  // v0.0.0 is what a build without a version calls itself.
  if (server === undefined || version === undefined || isUnversioned(version)) return;
  if (!isAtLeast(server, OLDEST_SERVER)) {
    throw new UserError(
      `The deployment runs Coder ${stripToLine(server)}, which is too old: hawser needs ` +
        `${OLDEST_SERVER} or newer`,
      { hint: "Ask your administrator to upgrade the deployment, or use its own coder command" },
    );
  }
}

/** The first of the two lines about a server newer than we know; `undefined` when there is nothing to say. */
export function versionMismatch(client: string, server: string | undefined): string | undefined {
  const version = server === undefined ? undefined : parseVersion(server);
  if (server === undefined || version === undefined) return undefined;
  if (version.major <= KNOWN_MAJOR) return undefined;
  return `version mismatch: client ${client}, server ${stripToLine(server)}`;
}

function isUnversioned(version: CoderVersion): boolean {
  return version.major === 0 && version.minor === 0 && version.patch === 0;
}
