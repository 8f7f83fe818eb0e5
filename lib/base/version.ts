/**
 * Versions of Coder's servers and agents, as `X-Coder-Build-Version`, `/buildinfo` and agents tell them: `v2.35.1`,
 * `v2.35.0-rc.1`, `v2.35.0-devel+abc1234`. Everybody who asks "is it new enough?" asks here.
 */

export interface CoderVersion {
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
  /** Without the hyphen: `rc.1`, `devel`; empty for a release. */
  readonly prerelease: string;
}

/** From here on servers pass READY_FOR_HANDSHAKE on (coder/coder `tailnet/proto/version.go`, 2.1 at that tag). */
export const READY_FOR_HANDSHAKE_SINCE = "v2.11.0";

/** Longer texts are no versions: nobody should have to read them. */
const MAX_VERSION_CHARS = 128;

/** `undefined` when `text` is no version. Build metadata behind `+` is ignored (SemVer §10). */
export function parseVersion(text: string): CoderVersion | undefined {
  if (text.length > MAX_VERSION_CHARS) return undefined;
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

/** `v2.35.1`, whatever stood behind it. */
export function releaseOf({ major, minor, patch }: CoderVersion): string {
  return `v${major}.${minor}.${patch}`;
}

/** Whether this is v0.0.0, which builds without a version call themselves: they are newer than any release. */
export function isUnversioned({ major, minor, patch }: CoderVersion): boolean {
  return major === 0 && minor === 0 && patch === 0;
}

/**
 * Whether `version` is at least the release `wanted`. A pre-release of the wanted one has what that has; builds without a
 * version, unknown forms and `undefined` count as new.
 */
export function isAtLeast(version: string | undefined, wanted: string): boolean {
  const have = version === undefined ? undefined : parseVersion(version);
  const want = parseVersion(wanted);
  if (want === undefined) throw new TypeError(`Cannot compare with "${wanted}": it is no version`);
  if (have === undefined || isUnversioned(have)) return true;
  const difference = have.major - want.major || have.minor - want.minor || have.patch - want.patch;
  return difference >= 0;
}

/** Stages, logs of start-up scripts and, later, the start of stopped workspaces came after the first command that is known. */
const EARLY_BEFORE = "v0.25.0";

/** Whether a server is of the age of the command of June 2023, whose words hold then (docs/protocol/ssh.md#waiting-for-the-agent). */
export function isEarly(version: string | undefined): boolean {
  return !isAtLeast(version, EARLY_BEFORE);
}
