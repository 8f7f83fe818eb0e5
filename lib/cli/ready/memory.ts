/**
 * What the last run learnt of a deployment, in a file of the user's cache folder: which agent a name led to, how agents
 * there are reached, the agent's public keys, whether its relay lets us in by websocket only, and whether it was reached at all. A guess with which the next run begins while it asks again;
 * it decides nothing, and names no secret.
 */
import * as v from "valibot";
import { equalBytes, fromHex, toHex } from "../../base/bytes.ts";
import { joinPath } from "../../base/paths.ts";
import { type Host, HostError } from "../../base/host.ts";
import type { Log } from "../../base/log.ts";
import type { AgentTrace } from "../../base/tunnel.ts";
import { CONNECTION_INFO, type ConnectionInfo } from "../../coder/agents.ts";
import { ID, list, TEXT } from "../../coder/model_parts.ts";
import { cacheDir } from "../config/cache_dir.ts";

/** How an agent was reached. */
export interface Remembered {
  /** UUID text. */
  readonly agentId: string;
  readonly info: ConnectionInfo;
  /** `undefined` when the server did not tell. */
  readonly serverVersion: string | undefined;
  /** What its tunnel learnt of the agent. @default nothing */
  readonly trace?: AgentTrace;
}

/** What holds for a time alone, by the wall clock; `undefined`: it does not hold. */
export interface NetworkMemory {
  /** Relays are to be asked for a websocket first. */
  readonly websocketUntilMs: number | undefined;
  /** No relay was reached, and a shell went through the web terminal. */
  readonly webTerminalUntilMs: number | undefined;
}

/** What the last run knew. */
export interface Memory extends NetworkMemory {
  /** The agent that the name led to; `undefined` when none was asked for by that name. */
  readonly agent: Remembered | undefined;
}

/** Where the memory of one deployment is. */
export interface MemoryPlace {
  readonly host: Host;
  readonly deployment: URL;
  readonly log: Log;
}

/** Files that are longer are not ours. */
const MAX_FILE_BYTES = 512 * 1024;
/** Names whose agents are remembered, the last first. */
const MAX_NAMES = 64;
/** Of file names, on every system that we run on. */
const MAX_FILE_NAME_CHARS = 200;
/** Of the group, and of everybody. */
const OTHERS_MAY_WRITE = 0o022;

/**
 * Whoever was in a network that lets nothing but websockets through, or not even those to relays, may be in another: what costs less
 * gets its chance again.
 */
const NETWORK_MS = 24 * 60 * 60 * 1_000;

const KEY = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));
const TRACE = v.object({
  node_key: KEY,
  disco_key: KEY,
  region: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
  ready_lag_ms: v.pipe(v.number(), v.finite(), v.minValue(0)),
});
/** The lag changes a little with each run: a change of so much, or of half of it, is worth a write. */
const LAG_CHANGE_MS = 10;

const FILE = v.object({
  format: v.literal(1),
  server_version: TEXT,
  connection: CONNECTION_INFO,
  agents: list(v.object({ name: v.string(), id: ID, trace: v.optional(TRACE) })),
  websocket_until: v.optional(v.number()),
  web_terminal_until: v.optional(v.number()),
});
type File = v.InferOutput<typeof FILE>;

/** What the last run knew, of `name` and of the deployment: nothing when there was none, or its file is of no use. */
export async function recall(place: MemoryPlace, name: string): Promise<Memory> {
  const file = await readFile(place);
  if (file === undefined) {
    return { agent: undefined, websocketUntilMs: undefined, webTerminalUntilMs: undefined };
  }
  const agent = file.agents.find((agent) => agent.name === name);
  const { connection: info, server_version: version } = file;
  const serverVersion = version === "" ? undefined : version;
  const nowMs = place.host.clock.wallMs();
  return {
    agent: agent === undefined ? undefined : {
      agentId: agent.id,
      info,
      serverVersion,
      ...(agent.trace === undefined ? {} : { trace: traceOf(agent.trace) }),
    },
    websocketUntilMs: stillAhead(file.websocket_until, nowMs),
    webTerminalUntilMs: stillAhead(file.web_terminal_until, nowMs),
  };
}

/** What is to be remembered of the network, after a run that began as `before` says. */
export function networkAfter(
  { host }: MemoryPlace,
  before: NetworkMemory,
  { transport, wentByWebTerminal }: {
    /** How a relay let us in, if one did. */
    readonly transport: "upgrade" | "websocket" | undefined;
    readonly wentByWebTerminal: boolean;
  },
): NetworkMemory {
  const { websocketUntilMs, webTerminalUntilMs } = before;
  const untilMs = host.clock.wallMs() + NETWORK_MS;
  switch (transport) {
    case "upgrade":
      return { websocketUntilMs: undefined, webTerminalUntilMs: undefined };
    case "websocket":
      return { websocketUntilMs: websocketUntilMs ?? untilMs, webTerminalUntilMs: undefined };
    case undefined:
      return wentByWebTerminal
        ? { websocketUntilMs, webTerminalUntilMs: webTerminalUntilMs ?? untilMs }
        : { websocketUntilMs, webTerminalUntilMs };
  }
}

/** A time that is further away than we ever write is of a clock that went wrong. */
function stillAhead(untilMs: number | undefined, nowMs: number): number | undefined {
  if (untilMs === undefined || untilMs <= nowMs) return undefined;
  return untilMs <= nowMs + NETWORK_MS ? untilMs : undefined;
}

/** Keeps what this run knows of `name`, and of the network. A folder that cannot be written costs the next run its guess, and nothing else. */
export async function remember(
  place: MemoryPlace,
  name: string,
  memory: { readonly agent: Remembered } & Memory,
): Promise<void> {
  const { host, log } = place;
  const { agent: { agentId, info, serverVersion, trace } } = memory;
  const { websocketUntilMs, webTerminalUntilMs } = memory;
  const path = memoryPath(place);
  const folder = cacheDir(host);
  if (path === undefined || folder === undefined) return;
  const others = (await readFile(place))?.agents.filter((agent) => agent.name !== name) ?? [];
  const text = JSON.stringify({
    format: 1,
    server_version: serverVersion ?? "",
    connection: {
      derp_map: info.derpMap,
      derp_force_websockets: info.derpForceWebsockets,
      disable_direct_connections: info.disableDirectConnections,
      hostname_suffix: info.hostnameSuffix,
    },
    agents: [{ name, id: agentId, trace: trace && jsonOf(trace) }, ...others].slice(0, MAX_NAMES),
    websocket_until: websocketUntilMs,
    web_terminal_until: webTerminalUntilMs,
  });
  if (text.length > MAX_FILE_BYTES) return;
  try {
    await host.files.mkdir(folder);
    await host.files.writeText(path, text, { mode: 0o600, atomic: true });
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    log.debug("deployment not remembered", { error: error.message });
  }
}

/** Whether `trace` says nothing that is worth a write where `known` is remembered. */
export function isLikeTrace(known: AgentTrace | undefined, trace: AgentTrace | undefined): boolean {
  if (known === undefined || trace === undefined) return known === trace;
  const change = Math.abs(known.readyLagMs - trace.readyLagMs);
  return equalBytes(known.nodeKey, trace.nodeKey) && equalBytes(known.discoKey, trace.discoKey) &&
    known.homeRegion === trace.homeRegion &&
    change <= Math.max(LAG_CHANGE_MS, known.readyLagMs / 2);
}

function traceOf(json: v.InferOutput<typeof TRACE>): AgentTrace {
  return {
    nodeKey: fromHex(json.node_key),
    discoKey: fromHex(json.disco_key),
    homeRegion: json.region,
    readyLagMs: json.ready_lag_ms,
  };
}

function jsonOf(trace: AgentTrace): v.InferOutput<typeof TRACE> {
  return {
    node_key: toHex(trace.nodeKey),
    disco_key: toHex(trace.discoKey),
    region: trace.homeRegion,
    ready_lag_ms: Math.round(trace.readyLagMs),
  };
}

async function readFile(place: MemoryPlace): Promise<File | undefined> {
  const { host, log } = place;
  const path = memoryPath(place);
  if (path === undefined) return undefined;
  try {
    const stat = await host.files.stat(path);
    if (stat?.kind !== "file" || stat.sizeBytes > MAX_FILE_BYTES) return undefined;
    // Who wrote it says which relays hear the user's headers, and whom we greet.
    if (((stat.mode ?? 0) & OTHERS_MAY_WRITE) !== 0) return undefined;
    const file = v.safeParse(FILE, parse(await host.files.readText(path) ?? ""));
    return file.success ? file.output : undefined;
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    log.debug("no memory of the deployment", { error: error.message });
    return undefined;
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    // Somebody wrote over it: as if it were not there.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** One file for each deployment: scheme, host, port and path make its name. */
function memoryPath({ host, deployment }: MemoryPlace): string | undefined {
  const folder = cacheDir(host);
  const name = `${encodeURIComponent(deployment.origin + deployment.pathname)}.json`;
  if (folder === undefined || name.length > MAX_FILE_NAME_CHARS) return undefined;
  return joinPath(host.os, folder, name);
}
