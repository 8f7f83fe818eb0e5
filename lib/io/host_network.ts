/** The network half of the real host: one transport for each set of certificates, and what is loaded when it is asked for. */
import type { HostNetwork, HostSockets, NetworkOptions } from "../base/host_network.ts";
import { targetOf } from "./dial.ts";
import { lookupIpv6 } from "./lookup.ts";
import { type GetEnv, proxyFor } from "./proxy.ts";
import { SystemTransport } from "./transport.ts";

/** `env` is where proxies are named. */
export function systemNetwork(env: GetEnv): HostNetwork {
  // By what was asked for, so that whoever asks for the same shares connections and what was learnt of the way.
  const transports = new Map<NetworkOptions, SystemTransport>();
  const transportOf = (options: NetworkOptions): SystemTransport => {
    const known = transports.get(options);
    if (known !== undefined) return known;
    const transport = new SystemTransport(options, env);
    transports.set(options, transport);
    return transport;
  };
  const loadTunnels = () => import("./host_tunnels.ts");
  return {
    network: transportOf,
    disconnect() {
      for (const transport of transports.values()) transport[Symbol.dispose]();
      transports.clear();
    },
    proxyFor: (url) => proxyFor(targetOf(url), env),
    lookupIpv6,
    sockets: SOCKETS,
    tunnels: {
      prepare() {
        loadTunnels().catch(() => {}); // told by `start`
      },
      async start(options) {
        const { startTunnel } = await loadTunnels();
        return startTunnel(options, transportOf(options.network).dial);
      },
    },
    async surveyNetwork(options) {
      const { surveyNetwork } = await import("./network_survey.ts");
      return await surveyNetwork(options, transportOf(options.network).dial);
    },
    async probeRelays(options) {
      const { probeMap } = await import("./host_relays.ts");
      return await probeMap(options, transportOf(options.network).dial);
    },
  };
}

const loadSockets = () => import("./local_sockets.ts");

const SOCKETS: HostSockets = {
  connect: async (target, signal) => (await loadSockets()).SYSTEM_SOCKETS.connect(target, signal),
  listen: async (target) => (await loadSockets()).SYSTEM_SOCKETS.listen(target),
  listenDatagrams: async (address) => (await loadSockets()).SYSTEM_SOCKETS.listenDatagrams(address),
  listPipes: async () => (await loadSockets()).listPipes(),
  readSocketFile: async (path) => (await loadSockets()).readSocketFile(path),
};
