/**
 * IPv6 addresses of a name, for the probe of Coder Connect, whose names only this machine's resolver knows. On macOS and
 * Windows they are routed by the system's own rules, which only its `getaddrinfo` obeys; elsewhere the name server of
 * resolv.conf does, and asking it costs no module.
 */
import { isDefect } from "../base/errors.ts";

/** All addresses; none when the name is unknown or may not be asked for. Rejects only with the signal's reason. */
export async function lookupIpv6(name: string, signal: AbortSignal): Promise<readonly string[]> {
  signal.throwIfAborted();
  const needsSystem = Deno.build.os === "darwin" || Deno.build.os === "windows";
  return needsSystem ? await askSystem(name, signal) : await askNameServer(name, signal);
}

async function askNameServer(name: string, signal: AbortSignal): Promise<readonly string[]> {
  try {
    return await Deno.resolveDns(name, "AAAA", { signal });
  } catch (error) {
    signal.throwIfAborted();
    // No such name, no name server, no permission: all the same to the probe.
    if (isDefect(error)) throw error;
    return [];
  }
}

/** Cannot be called off: whoever stops waiting leaves the system's thread behind until its own time limit. */
async function askSystem(name: string, signal: AbortSignal): Promise<readonly string[]> {
  const { lookup } = await import("node:dns");
  const { promise, resolve, reject } = Promise.withResolvers<readonly string[]>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  lookup(name, { family: 6, all: true }, (error, found) => {
    resolve(error === null ? found.map(({ address }) => address) : []);
  });
  try {
    return await promise;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
