/** Deno's cache, for programs that are run with a home folder of their own: found by way of the real one. */
export function denoDir(): string {
  const given = Deno.env.get("DENO_DIR");
  if (given !== undefined) return given;
  const home = Deno.env.get("HOME") ?? "";
  const cache = Deno.build.os === "darwin"
    ? `${home}/Library/Caches`
    : Deno.env.get("XDG_CACHE_HOME") ?? `${home}/.cache`;
  return `${cache}/deno`;
}
