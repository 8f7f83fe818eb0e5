/**
 * Shared tunnels as those who use them see them: looks for one that is held, and leaves one to those who come next. Whatever is
 * amiss, the answer is a tunnel of one's own, soon.
 */
import { ExpectedError } from "../base/errors.ts";
import type { DismissOptions, SharingPlan, TunnelOptions } from "../base/host_network.ts";
import { SocketError } from "../base/sockets.ts";
import type { AgentTunnel } from "../base/tunnel.ts";
import { isAtLeast, READY_FOR_HANDSHAKE_SINCE } from "../base/version.ts";
import { accountKey, accountName, tunnelName } from "../sharing/greeting.ts";
import type { HolderSettings } from "../sharing/settings.ts";
import { SystemClock } from "./clock.ts";
import { dismissHolder, type HolderPlace } from "./holder_call.ts";
import { startHolder } from "./holder_process.ts";
import { LeavingTunnel } from "./leaving_tunnel.ts";
import { SYSTEM_SOCKETS } from "./local_sockets.ts";
import { SYSTEM_RANDOM } from "./random.ts";
import { findSharedFolder, listSockets, lookAtSocket, sharingProblem } from "./shared_folder.ts";
import { SharedTunnel } from "./shared_tunnel.ts";

/** A holder answers within this, or is done without. */
const ATTACH_MS = 80;
const DISMISS_MS = 500;
/** What decides whose a connection is, and who is trusted. */
const VARIABLES = [
  ...["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"].flatMap((it) => [it, it.toLowerCase()]),
  ...["SSL_CERT_FILE", "SSL_CERT_DIR"],
];

export interface SharedStart {
  readonly startOwn: () => Promise<AgentTunnel>;
  /** Begins to load what `startOwn` needs. */
  readonly prepare: () => void;
  readonly env: (name: string) => string | undefined;
}

/** Where the tunnel of `TunnelOptions` is held, if it is. */
interface Place extends HolderPlace {
  readonly folder: string;
  readonly path: string;
  readonly token: string;
}

/** The shared tunnel, or one of our own, which is then left to those who come next. Rejects as `startOwn` does. */
export async function startShared(
  options: TunnelOptions,
  plan: SharingPlan,
  start: SharedStart,
): Promise<AgentTunnel> {
  const { log } = options;
  const place = await placeOf(options, plan, start);
  if (typeof place === "string") {
    log.info("no shared tunnel", { problem: place });
    return await start.startOwn();
  }
  const found = await find(place, start);
  switch (found.kind) {
    case "tunnel":
      log.info("uses the shared tunnel", { name: place.name });
      return found.tunnel;
    case "unusable":
      // Somebody holds it and cannot answer at the moment, or it is none of ours: a second one would only be in the way.
      log.info("no shared tunnel", { problem: found.problem });
      return await start.startOwn();
    case "nothing":
      log.info("no shared tunnel yet", { problem: found.problem ?? "nobody holds one" });
      return new LeavingTunnel(await start.startOwn(), {
        clock: place.clock,
        log,
        leave: (signals) => startHolder(settingsOf(options, { place, plan }), plan, signals),
      });
  }
}

/** Why there can be none, or where it is. */
async function placeOf(
  options: TunnelOptions,
  plan: SharingPlan,
  { env }: Pick<SharedStart, "env">,
): Promise<Place | string> {
  const { log, token, serverVersion, deploymentUrl } = options;
  if (token === undefined) return "there is no session token";
  if (!isAtLeast(serverVersion, READY_FOR_HANDSHAKE_SINCE)) return "the server is too old";
  const problem = sharingProblem();
  if (problem !== undefined) return problem;
  const folder = await findSharedFolder(plan.folders, log);
  if (folder === undefined) return "there is no folder for it";
  const key = accountKey(deploymentUrl, token);
  const name = tunnelName(key, identityOf(options, { plan, env }));
  return { ...placeIn(folder, name, key), token };
}

function placeIn(folder: string, name: string, key: Uint8Array): Omit<Place, "token"> {
  const path = `${folder}/${name}`;
  return {
    folder,
    path,
    name,
    key,
    at: { kind: "unix", path },
    sockets: SYSTEM_SOCKETS,
    random: SYSTEM_RANDOM,
    clock: new SystemClock(),
  };
}

type Found =
  | { readonly kind: "tunnel"; readonly tunnel: SharedTunnel }
  /** It is there, and not for us. */
  | { readonly kind: "unusable"; readonly problem: string }
  | { readonly kind: "nothing"; readonly problem?: string };

async function find(
  place: Place,
  { startOwn, prepare }: Pick<SharedStart, "startOwn" | "prepare">,
): Promise<Found> {
  const seen = await lookAtSocket(place.path);
  if (seen.kind === "nothing") return { kind: "nothing" };
  if (seen.kind === "foreign") return { kind: "unusable", problem: seen.problem };
  // A holder that is slow may not answer at all: what our own tunnel needs is loaded meanwhile.
  const options = { ...place, attachMs: ATTACH_MS, onSlow: prepare, startOwn };
  try {
    const tunnel = await SharedTunnel.attach(options);
    if (tunnel !== undefined) return { kind: "tunnel", tunnel };
    return { kind: "unusable", problem: "its agent does not answer at the moment" };
  } catch (error) {
    if (!(error instanceof ExpectedError)) throw error;
    if (isNobody(error)) return { kind: "nothing", problem: "its holder has gone" };
    return { kind: "unusable", problem: error.message };
  }
}

/** Nobody listens on the socket, or it was removed a moment ago. */
function isNobody(error: ExpectedError): boolean {
  const { cause } = error;
  return error instanceof SocketError &&
    (cause instanceof Deno.errors.ConnectionRefused || cause instanceof Deno.errors.NotFound);
}

/** All that must be equal, besides deployment and account. */
function identityOf(
  options: TunnelOptions,
  { plan, env }: Pick<SharedStart, "env"> & { readonly plan: SharingPlan },
): string {
  const { agentId, headers, network, forcesWebsocket, disablesDirect } = options;
  const { caCertificates = null, clientCertificate = null } = network;
  return JSON.stringify([
    plan.version,
    agentId,
    headers,
    caCertificates,
    clientCertificate,
    forcesWebsocket,
    disablesDirect,
    VARIABLES.map((name) => env(name) ?? null),
  ]);
}

function settingsOf(
  options: TunnelOptions,
  { place: { folder, name, token }, plan }: { readonly place: Place; readonly plan: SharingPlan },
): HolderSettings {
  const { agentId, deploymentUrl, network, headers, userAgent, serverVersion } = options;
  const { derpMap, forcesWebsocket, beginsWithWebsocket, disablesDirect } = options;
  return {
    folder,
    name,
    agentId,
    deploymentUrl: deploymentUrl.href,
    network,
    token,
    headers: headers.map(([header, value]) => [header, value]),
    userAgent,
    serverVersion,
    derpMap,
    forcesWebsocket,
    beginsWithWebsocket,
    disablesDirect,
    keepsSsh: plan.keepsSsh,
  };
}

/** Ends all tunnels that are held for an account: it was logged out. */
export async function dismissTunnels(
  { deployment, token, folders }: DismissOptions,
): Promise<void> {
  if (sharingProblem() !== undefined) return;
  const key = accountKey(deployment, token);
  const prefix = accountName(key);
  for (const folder of folders) {
    const names = (await listSockets(folder)).filter((name) => name.startsWith(prefix));
    await Promise.all(names.map((name) => dismiss(placeIn(folder, name, key))));
  }
}

async function dismiss(place: Omit<Place, "token">): Promise<void> {
  if ((await lookAtSocket(place.path)).kind !== "socket") return;
  try {
    await dismissHolder(place, DISMISS_MS);
  } catch (error) {
    // One that does not hear ends when nobody has needed it for a while.
    if (!(error instanceof ExpectedError)) throw error;
  }
}
