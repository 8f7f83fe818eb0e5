/** Whether and where tunnels are shared with other runs of this program (docs/security.md). Loaded when they are. */
import type { SharingPlan } from "../../base/host_network.ts";
import type { Host } from "../../base/host.ts";
import { joinPath } from "../../base/paths.ts";
import { cacheDir } from "../config/cache_dir.ts";
import { VERSION } from "../version.ts";

/** The hidden command that holds a tunnel. */
export const HOLD_COMMAND = "hold-tunnel";

export function sharingPlan(host: Host, { keepsSsh }: Pick<SharingPlan, "keepsSsh">): SharingPlan {
  return {
    keepsSsh,
    folders: sharedFolders(host),
    version: VERSION,
    program: () => host.program(),
    command: HOLD_COMMAND,
  };
}

/** Where tunnels may be held, the best first: a home may be read-only, or its path too long for a socket. */
export function sharedFolders(host: Host): readonly string[] {
  const { os, tempDir } = host;
  const runtime = host.env("XDG_RUNTIME_DIR");
  const cache = cacheDir(host);
  const user = host.env("USER") ?? "";
  return [
    ...(runtime?.startsWith("/") ? [joinPath(os, runtime, "hawser")] : []),
    ...(cache === undefined ? [] : [joinPath(os, cache, "shared")]),
    ...(/^\w[\w.-]*$/.test(user) ? [joinPath(os, tempDir, `hawser-${user}`)] : []),
  ];
}
