/** How this program was started, in words that start it again: for OpenSSH's `ProxyCommand`. */
import { isPermitted } from "./permissions.ts";

/** What carrying SSH cannot do without: the network, variables, and URL and token of the configuration folder. */
const NEEDED = ["net", "env", "read"];
/** What else it can use (README.md): handed on only where we have it ourselves. */
const USEFUL = ["write", "run", "sys"] as const;
/** The store of secrets on Windows, the sockets of direct connections on Linux. */
const USEFUL_WITH_LIBRARIES = [...USEFUL, "ffi"] as const;
/** Without a terminal too, Deno asks its maker's server for a newer one of itself: whoever opens a connection asked for no other. */
const QUIET = ["/usr/bin/env", "DENO_NO_UPDATE_CHECK=1"];

/** Absolute. The runtime does not tell with which flags it was started: these are those that carrying SSH wants. */
export function programWords(): readonly string[] {
  if (Deno.build.standalone) return [Deno.execPath()];
  return denoWords(Deno.execPath(), Deno.mainModule);
}

function denoWords(deno: string, mainModule: string): readonly string[] {
  const useful = Deno.build.os === "darwin" ? USEFUL : USEFUL_WITH_LIBRARIES;
  const granted = useful.filter((name) => isPermitted({ name }));
  const permissions = [...NEEDED, ...granted].map((name) => `--allow-${name}`);
  // A bundle is complete: no configuration file beside it, or in the current folder, is meant for it.
  const own = mainModule.endsWith(".js") ? ["--no-config", "--no-lock"] : [];
  return [
    // Windows has no program that sets a variable for another one.
    ...Deno.build.os === "windows" ? [] : QUIET,
    deno,
    "run",
    "--no-prompt",
    ...own,
    "--unstable-net",
    ...permissions,
    sourceOf(mainModule),
  ];
}

/** A path for a file, the URL for anything else. */
function sourceOf(mainModule: string): string {
  const url = new URL(mainModule);
  if (url.protocol !== "file:") return mainModule;
  const path = decodeURIComponent(url.pathname);
  return Deno.build.os === "windows" ? path.slice(1).replaceAll("/", "\\") : path;
}
