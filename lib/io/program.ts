/** How this program was started, in words that start it again: for OpenSSH's `ProxyCommand`. */

/**
 * What carrying SSH needs: the network; configuration, certificates and variables; log files and the marks of notices; the commands
 * of `--header-command` and of the keychain; the names of the terminal and of the system.
 */
const PERMISSIONS = ["net", "env", "read", "write", "run", "sys"];

/** Absolute. The runtime does not tell with which permissions it was started: these are those that the command needs. */
export function programWords(): readonly string[] {
  if (Deno.build.standalone) return [Deno.execPath()];
  return denoWords(Deno.execPath(), Deno.mainModule);
}

function denoWords(deno: string, mainModule: string): readonly string[] {
  const permissions = PERMISSIONS.map((name) => `--allow-${name}`);
  // A bundle is whole: no configuration that lies about, here or where somebody stands, is meant for it.
  const own = mainModule.endsWith(".js") ? ["--no-config", "--no-lock"] : [];
  return [
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
