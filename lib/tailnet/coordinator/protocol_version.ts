/**
 * Which coordination a server speaks, by its release (coder/coder `tailnet/proto/version.go`, `CurrentVersion` at each
 * tag). The release comes from the header `X-Coder-Build-Version` or `/api/v2/buildinfo`, e.g. `v2.5.0+cab8ffa`.
 */

/** What to put into `?version=`: never a newer one, servers refuse what they do not know (codersdk `dialer.go`). */
export const COORDINATE_VERSION = "2.0";

export type CoordinateProtocol =
  | "v2"
  /** JSON coordination, which hawser does not speak: the release is too old. */
  | { readonly unsupported: "too-old"; readonly version: string };

interface Release {
  readonly major: number;
  readonly minor: number;
}

const FIRST_V2: Release = { major: 2, minor: 8 };
const FIRST_READY: Release = { major: 2, minor: 11 };

/** The coordination to use with a server of this build; builds without a release number count as current. */
export function coordinateProtocol(buildVersion: string): CoordinateProtocol {
  const release = parseRelease(buildVersion);
  if (release === undefined || isAtLeast(release, FIRST_V2)) return "v2";
  return { unsupported: "too-old", version: buildVersion };
}

/** Whether servers of this build pass READY_FOR_HANDSHAKE on; with older ones nobody should wait for it. */
export function sendsReadyForHandshake(buildVersion: string): boolean {
  const release = parseRelease(buildVersion);
  return release === undefined || isAtLeast(release, FIRST_READY);
}

/** `undefined` for development builds (`v0.0.0-devel+…`) and for texts that name no release. */
function parseRelease(buildVersion: string): Release | undefined {
  const match = /^v?(\d+)\.(\d+)\.(\d+)/.exec(buildVersion);
  if (match === null || match[0].replace("v", "") === "0.0.0") return undefined;
  return { major: Number(match[1]), minor: Number(match[2]) };
}

function isAtLeast(release: Release, floor: Release): boolean {
  return release.major > floor.major ||
    (release.major === floor.major && release.minor >= floor.minor);
}
