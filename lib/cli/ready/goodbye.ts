/** Leaving so that the agent hears of it. */
import type { HostClock } from "../../base/host.ts";
import type { AgentTunnel } from "../../base/tunnel.ts";

/** A workspace that hears our goodbye answers within this, or is not waited for. */
const GOODBYE_MS = 500;

/**
 * Lets the reset of a stream arrive. Told by the coordinator first that we are gone, the agent would drop the reset with us, and
 * keep our sessions and forwards; what answers a ping came past the reset on the same way.
 */
export async function sayGoodbye(
  { clock }: { readonly clock: HostClock },
  tunnel: AgentTunnel,
): Promise<void> {
  const heard = new AbortController();
  const limit = clock.sleep(GOODBYE_MS, heard.signal).catch((error) => {
    if (!heard.signal.aborted) throw error;
  });
  await Promise.race([tunnel.ping(), limit]);
  heard.abort();
}
