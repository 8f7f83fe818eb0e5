/** Where the system keeps what programs can do without. */
import type { Host } from "../../base/host.ts";
import { joinPath } from "../../base/paths.ts";

/** Our folder there, which may not exist yet; `undefined` when the machine has no such place. */
export function cacheDir(host: Host): string | undefined {
  const { os, homeDir } = host;
  if (os === "windows") {
    const local = host.env("LOCALAPPDATA");
    return local ? joinPath(os, local, "hawser", "cache") : undefined;
  }
  const xdg = os === "darwin" ? undefined : host.env("XDG_CACHE_HOME");
  if (xdg?.startsWith("/")) return joinPath(os, xdg, "hawser");
  if (homeDir === undefined) return undefined;
  return os === "darwin"
    ? joinPath(os, homeDir, "Library", "Caches", "hawser")
    : joinPath(os, homeDir, ".cache", "hawser");
}
