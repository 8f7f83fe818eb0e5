/** A tunnel that is held, as its tests name it. */
import type { TunnelOptions } from "../../lib/base/host_network.ts";
import { SILENT_LOG } from "../../lib/base/log.ts";
import type { LocalTarget } from "../../lib/base/sockets.ts";
import { accountKey, tunnelName } from "../../lib/sharing/greeting.ts";

export const KEY = accountKey(new URL("https://coder.example.com/"), "token");
export const NAME = tunnelName(KEY, "settings");
export const AT: LocalTarget = { kind: "unix", path: "/run/hawser/x" };
/** A fake tunnel reads none of them. */
export const OPTIONS: TunnelOptions = {
  agentId: "c2fdd3c6-2b1d-4b5e-8c3d-1f2e3d4c5b6a",
  deploymentUrl: new URL("https://coder.example.com/"),
  network: {},
  token: "token",
  headers: [],
  userAgent: "hawser",
  serverVersion: "v2.36.0",
  derpMap: {},
  fetchDerpMap: () => Promise.resolve({}),
  forcesWebsocket: false,
  beginsWithWebsocket: false,
  disablesDirect: true,
  log: SILENT_LOG,
};
export const ATTACH_MS = 80;
