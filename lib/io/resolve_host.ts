/**
 * All addresses of a host, for STUN servers, which are asked in each family. The name server is asked first, for that costs
 * no module; then the system, which also knows names of this machine and network.
 */
import { isDefect } from "../base/errors.ts";
import { parseAddress } from "../tailnet/endpoint_text.ts";
import { isHostPermitted, isPermitted } from "./permissions.ts";

/** 16 bytes each, IPv4 mapped; none when the name is unknown, or may not be asked for. Rejects only with the signal's reason. */
export async function resolveHost(host: string, signal: AbortSignal): Promise<Uint8Array[]> {
  signal.throwIfAborted();
  const literal = parseAddress(host);
  if (literal !== undefined) return [literal];
  // The name server, or the name.
  const asksServer = isPermitted({ name: "net" });
  if (!asksServer && !isHostPermitted(host)) return [];
  const answers = asksServer ? [ask(host, "A", signal), ask(host, "AAAA", signal)] : [];
  const found = (await Promise.all(answers)).flat();
  const texts = found.length > 0 ? found : await askSystem(host, signal);
  return texts.flatMap((text) => parseAddress(text) ?? []);
}

async function ask(host: string, type: "A" | "AAAA", signal: AbortSignal): Promise<string[]> {
  try {
    return await Deno.resolveDns(host, type, { signal });
  } catch (error) {
    signal.throwIfAborted();
    // No such name, no name server, no permission: the relay carries what there is to carry.
    if (isDefect(error)) throw error;
    return [];
  }
}

/** Cannot be called off: whoever stops waiting leaves the system's thread behind until its own time limit. */
async function askSystem(host: string, signal: AbortSignal): Promise<string[]> {
  const { lookup } = await import("node:dns");
  const { promise, resolve, reject } = Promise.withResolvers<string[]>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  lookup(host, { all: true }, (error, found) => {
    resolve(error === null ? found.map(({ address }) => address) : []);
  });
  try {
    return await promise;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
