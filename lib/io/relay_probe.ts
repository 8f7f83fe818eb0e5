/** How far away each relay region is: time to the first byte of `GET /derp/latency-check` (coder/tailscale `netcheck.go`). */
import type { Clock } from "../base/core.ts";
import {
  type DerpMap,
  type RelayEndpoint,
  relayEndpoints,
  relayRegions,
} from "../tailnet/derp_map.ts";
import { formatRequestHead } from "../http1/mod.ts";
import { closeQuietly, type Conn } from "./conn.ts";
import { dial, type DialOptions } from "./dial.ts";

export interface RelayProbeOptions {
  readonly clock: Clock;
  readonly dial: DialOptions;
  readonly headers: readonly (readonly [string, string])[];
  /** Regions that have not answered by then are left out. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** A map may name a thousand regions; each probe is a connection. The public network of Tailscale has about thirty. */
export const MAX_PROBES = 48;

/** Milliseconds by region, of those that answered. Connecting does not count. */
export async function probeRelays(
  map: DerpMap,
  options: RelayProbeOptions,
): Promise<Map<number, number>> {
  const latencies = new Map<number, number>();
  await Promise.all(
    relayRegions(map).filter((region) => !region.avoid).slice(0, MAX_PROBES).map(async (region) => {
      const [endpoint] = relayEndpoints(map, region.id);
      const latencyMs = endpoint === undefined ? undefined : await probe(endpoint, options);
      if (latencyMs !== undefined) latencies.set(region.id, latencyMs);
    }),
  );
  return latencies;
}

async function probe(
  endpoint: RelayEndpoint,
  options: RelayProbeOptions,
): Promise<number | undefined> {
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(options.timeoutMs)]);
  try {
    // Throws for a name that would not stay on its line, before anybody is dialled for it.
    const request = formatRequestHead({
      path: "/derp/latency-check",
      host: endpoint.hostHeader,
      headers: [["Connection", "close"], ...(endpoint.takesHeaders ? options.headers : [])],
    });
    const conn = await dial(endpoint, { ...options.dial, signal });
    const onAbort = () => closeQuietly(conn);
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      signal.throwIfAborted();
      const sentAt = options.clock.now();
      for (let at = 0; at < request.length;) at += await conn.write(request.subarray(at));
      const head = await readStart(conn, "HTTP/1.1 2".length);
      return /^HTTP\/1\.[01] 2/.test(head) ? options.clock.now() - sentAt : undefined;
    } finally {
      signal.removeEventListener("abort", onAbort);
      closeQuietly(conn);
    }
  } catch (error) {
    // A relay that cannot be reached is one that is not chosen.
    if (error instanceof Error) return undefined;
    throw error;
  }
}

/** The first `count` bytes of an answer as text, or as many as come. */
async function readStart(conn: Conn, count: number): Promise<string> {
  const bytes = new Uint8Array(count);
  let at = 0;
  while (at < count) {
    const read = await conn.read(bytes.subarray(at));
    if (read === null) break;
    at += read;
  }
  return new TextDecoder().decode(bytes.subarray(0, at));
}
