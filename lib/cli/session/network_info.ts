/**
 * The file that editors read a connection's quality from (docs/protocol/ssh.md#network-information-file), and the rule that goes with it: an agent that
 * answered no ping for a minute ends the session. The keys are the official command's; the file is never removed.
 */
import { UserError } from "../../base/errors.ts";
import type { Instant } from "../../base/core.ts";
import type { Log } from "../../base/log.ts";
import { type Host, HostError } from "../../base/host.ts";
import { joinPath } from "../../base/paths.ts";
import { answerWithin, Silence } from "./silence.ts";

export interface NetworkPing {
  readonly latencyMs: number;
  /** Name of the relay that is used, or would be. */
  readonly relay: string;
  /** Whether no relay lies between us and the agent. @default false */
  readonly isDirect?: boolean;
}

/** What is told of; an `AgentTunnel` fits. */
export interface NetworkSource {
  /** One round trip; `undefined` when nothing came back in time. */
  ping(): Promise<NetworkPing | undefined>;
  /** Bytes since the beginning. */
  readonly traffic: { readonly bytesIn: number; readonly bytesOut: number };
  /** Milliseconds to each relay by its name. @default the relay of the last ping alone, with 0 as upstream has it */
  relayLatencies?(): Readonly<Record<string, number>>;
}

export interface NetworkInfoOptions {
  readonly dir: string;
  /** @default 5_000, also when not positive */
  readonly intervalMs?: number;
  readonly source: NetworkSource;
  readonly log: Log;
  /** Ends the reports. */
  readonly signal: AbortSignal;
}

const DEFAULT_INTERVAL_MS = 5_000;
const MIN_INTERVAL_MS = 10;
const MAX_INTERVAL_MS = 86_400_000;
const DIR_MODE = 0o700;
const FILE_MODE = 0o600;
const UNANSWERED_LIMIT_MS = 60_000;
/** More than a ping takes that gives up by itself: time beyond it passed without us, asleep or stopped. */
const MAX_PING_MS = 10_000;

/** Makes the folder. Throws `UserError`: editors wait for the file in vain otherwise. */
export async function prepareNetworkInfo(host: Pick<Host, "files">, dir: string): Promise<void> {
  try {
    await host.files.mkdir(dir, { mode: DIR_MODE });
  } catch (cause) {
    if (!(cause instanceof HostError)) throw cause;
    throw new UserError(`mkdir: ${cause.message}`, {
      hint: "Give --network-info-dir a folder that can be made and written to",
      cause,
    });
  }
}

/** Editors know the process id of their `ssh`, which is our parent. */
export function networkInfoPath(
  host: { readonly os: string; readonly parentPid: number },
  dir: string,
): string {
  return joinPath(host.os, dir, `${host.parentPid}.json`);
}

/**
 * Writes the file at once and each interval. Resolves when a minute of pings went unanswered: the session is to be ended.
 * Rejects only with the signal's reason.
 */
export async function reportNetwork(
  host: Host,
  options: NetworkInfoOptions,
): Promise<"unanswered"> {
  const { source, log, signal } = options;
  const intervalMs = intervalOf(options.intervalMs ?? DEFAULT_INTERVAL_MS);
  const silence = new Silence(intervalMs + MAX_PING_MS);
  let before = { at: host.clock.now(), ...totals(source) };
  for (;;) {
    const ping = await answerWithin(MAX_PING_MS, source.ping(), { clock: host.clock, signal });
    if (silence.observe(ping !== undefined, host.clock.now()) > UNANSWERED_LIMIT_MS) {
      log.error("failed to collect network stats");
      return "unanswered";
    }
    if (ping === undefined) {
      log.warn("ping unanswered");
    } else {
      const now = { at: host.clock.now(), ...totals(source) };
      await writeInfo(host, options, infoOf(ping, { before, now, source }));
      before = now;
    }
    await host.clock.sleep(intervalMs, signal);
  }
}

/** The file of a session through Coder Connect, once: nothing is known of its path. A failure is logged. */
export async function writeCoderConnectInfo(
  host: Host,
  options: { readonly dir: string; readonly log: Log },
): Promise<void> {
  await writeInfo(host, options, { ...NOTHING_KNOWN, using_coder_connect: true });
}

/** In the order of the official command's. */
interface NetworkInfo {
  readonly p2p: boolean;
  readonly latency: number;
  readonly preferred_derp: string;
  readonly derp_latency: Readonly<Record<string, number>>;
  readonly upload_bytes_sec: number;
  readonly download_bytes_sec: number;
  readonly using_coder_connect: boolean;
}

const NOTHING_KNOWN: NetworkInfo = {
  p2p: false,
  latency: 0,
  preferred_derp: "",
  derp_latency: {},
  upload_bytes_sec: 0,
  download_bytes_sec: 0,
  using_coder_connect: false,
};

interface Totals {
  readonly at: Instant;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

function totals({ traffic }: NetworkSource): Omit<Totals, "at"> {
  return { bytesIn: traffic.bytesIn, bytesOut: traffic.bytesOut };
}

function infoOf(
  ping: NetworkPing,
  span: { readonly before: Totals; readonly now: Totals; readonly source: NetworkSource },
): NetworkInfo {
  const { before, now, source } = span;
  const seconds = (now.at - before.at) / 1_000;
  const rate = (bytes: number) => seconds > 0 ? Math.trunc(Math.max(0, bytes) / seconds) : 0;
  return {
    ...NOTHING_KNOWN,
    p2p: ping.isDirect ?? false,
    latency: Math.round(ping.latencyMs * 1_000) / 1_000,
    preferred_derp: ping.relay,
    derp_latency: { [ping.relay]: 0, ...source.relayLatencies?.() },
    upload_bytes_sec: rate(now.bytesOut - before.bytesOut),
    download_bytes_sec: rate(now.bytesIn - before.bytesIn),
  };
}

async function writeInfo(
  host: Host,
  options: { readonly dir: string; readonly log: Log },
  info: NetworkInfo,
): Promise<void> {
  const path = networkInfoPath(host, options.dir);
  try {
    await host.files.writeText(path, JSON.stringify(info), { mode: FILE_MODE, atomic: true });
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    options.log.warn("cannot write network info", { path, error: error.message });
  }
}

function intervalOf(ms: number): number {
  if (!(ms > 0)) return DEFAULT_INTERVAL_MS;
  return Math.min(Math.max(ms, MIN_INTERVAL_MS), MAX_INTERVAL_MS);
}
