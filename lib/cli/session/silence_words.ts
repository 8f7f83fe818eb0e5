/** What is said of a connection that did not outlive a silence. */
import { formatElapsed } from "../../base/duration.ts";
import { RESET_BY_PEER } from "../../base/stream.ts";
import type { TunnelSilence } from "../../base/tunnel.ts";

/** An agent that gave a connection up says so as soon as it is heard again, or is asked with the next keepalive. */
const RECENT_MS = 60_000;

/** Why a connection was lost, in one line without a full stop: who gave it up, and after how long, where that is known. */
export function lossWithSilence(message: string, silence: TunnelSilence | undefined): string {
  if (silence === undefined || (silence.endedAgoMs ?? 0) > RECENT_MS) return message;
  if (message !== RESET_BY_PEER) return message;
  return `The workspace agent gave it up after ${
    formatElapsed(silence.lastedMs)
  } without an answer`;
}
