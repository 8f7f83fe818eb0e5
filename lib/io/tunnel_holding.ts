/** Is the process that holds a tunnel: hears what to hold, takes the socket, begins the tunnel, and serves. */
import { ExpectedError } from "../base/errors.ts";
import type { HostLock } from "../base/host.ts";
import type { HoldOptions, TunnelOptions } from "../base/host_network.ts";
import { SILENT_LOG } from "../base/log.ts";
import { type LocalListener, SocketError } from "../base/sockets.ts";
import type { AgentTunnel } from "../base/tunnel.ts";
import { SharingError } from "../sharing/frame.ts";
import { accountKey } from "../sharing/greeting.ts";
import { decodeSettings, type HolderSettings, MAX_SETTINGS_BYTES } from "../sharing/settings.ts";
import { SystemClock } from "./clock.ts";
import { SYSTEM_SOCKETS } from "./local_sockets.ts";
import { tryLockFile } from "./lock_file.ts";
import { SYSTEM_RANDOM } from "./random.ts";
import { listSockets, removeStaleSockets } from "./shared_folder.ts";
import { TunnelHolder } from "./tunnel_holder.ts";

const IDLE_MS = 60_000;
/** Each is a process: more accounts and agents than this at once share nothing. */
const MAX_HOLDERS = 16;
const LOCK_ATTEMPTS = 40;
const LOCK_PAUSE_MS = 25;
const FIRST_SETTINGS_BYTES = 65_536;

type StartTunnel = (options: TunnelOptions) => Promise<AgentTunnel>;

/** Until nobody needs it or the signal aborts. Rejects with `ExpectedError` when there is nothing that it could hold. */
export async function holdTunnel(start: StartTunnel, options: HoldOptions): Promise<void> {
  const holder = await takeTunnel(start, options);
  await options.onHeld();
  await holder?.run(options.signal);
}

/** `undefined` when another process holds it already. What it was told is kept by the tunnel alone, and only what that needs. */
async function takeTunnel(
  start: StartTunnel,
  { read }: Pick<HoldOptions, "read">,
): Promise<TunnelHolder | undefined> {
  const settings = await readSettings(read);
  const { folder, name, token } = settings;
  const clock = new SystemClock();
  const listener = await listen(folder, name, clock);
  if (listener === undefined) return undefined;
  try {
    return new TunnelHolder({
      tunnel: await start(tunnelOptions(settings)),
      listener,
      key: accountKey(new URL(settings.deploymentUrl), token),
      name,
      random: SYSTEM_RANDOM,
      clock,
      idleMs: IDLE_MS,
      keepsSsh: settings.keepsSsh,
    });
  } catch (error) {
    listener.close();
    throw error;
  }
}

async function readSettings(read: HoldOptions["read"]): Promise<HolderSettings> {
  let bytes = new Uint8Array(FIRST_SETTINGS_BYTES);
  let length = 0;
  try {
    for (;;) {
      const count = await read(bytes.subarray(length));
      if (count === null) return decodeSettings(bytes.subarray(0, length));
      length += count;
      if (length > MAX_SETTINGS_BYTES) {
        throw new SharingError(`What to hold takes more than ${MAX_SETTINGS_BYTES} bytes`, {
          code: "bad-settings",
        });
      }
      if (length === bytes.length) {
        const more = new Uint8Array(2 * length);
        more.set(bytes);
        bytes.fill(0);
        bytes = more;
      }
    }
  } finally {
    bytes.fill(0);
  }
}

function tunnelOptions(settings: HolderSettings): TunnelOptions {
  const { agentId, token, headers, userAgent, serverVersion, derpMap } = settings;
  const { forcesWebsocket, beginsWithWebsocket, disablesDirect } = settings;
  const { caCertificates, clientCertificate } = settings.network;
  return {
    agentId,
    deploymentUrl: new URL(settings.deploymentUrl),
    network: {
      ...(caCertificates === undefined ? {} : { caCertificates }),
      ...(clientCertificate === undefined ? {} : { clientCertificate }),
    },
    token,
    headers,
    userAgent,
    serverVersion,
    derpMap,
    // Servers whose tunnels are shared tell of changes themselves.
    fetchDerpMap: () => Promise.resolve(derpMap),
    forcesWebsocket,
    beginsWithWebsocket,
    disablesDirect,
    log: SILENT_LOG,
  };
}

/** `undefined` when another holds the tunnel already. One at a time looks and listens, so that nobody removes another's socket. */
async function listen(
  folder: string,
  name: string,
  clock: SystemClock,
): Promise<LocalListener | undefined> {
  const lock = await takeLock(`${folder}/lock`, clock);
  try {
    if ((await listSockets(folder)).length >= MAX_HOLDERS) {
      const left = await removeStaleSockets(folder);
      if (left >= MAX_HOLDERS) throw new SocketError(`${left} tunnels are held already`);
    }
    return await SYSTEM_SOCKETS.listen({ kind: "unix", path: `${folder}/${name}` });
  } catch (error) {
    if (error instanceof ExpectedError && error.cause instanceof Deno.errors.AddrInUse) {
      return undefined;
    }
    throw error;
  } finally {
    lock.release();
  }
}

async function takeLock(path: string, clock: SystemClock): Promise<HostLock> {
  for (let attempt = 0; attempt < LOCK_ATTEMPTS; attempt++) {
    const lock = await tryLockFile(path);
    if (lock !== undefined) return lock;
    await clock.sleep(LOCK_PAUSE_MS);
  }
  throw new SocketError(`${path} is locked by another process`);
}
