/** The network half of the real host: one transport for each set of certificates, and what is loaded when it is asked for. */
import type {
  HostNetwork,
  HostSockets,
  NetworkOptions,
  TunnelOptions,
} from "../base/host_network.ts";
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
  const prepare = () => {
    loadTunnels().catch(() => {}); // told by `start`
  };
  const startOwn = async (options: TunnelOptions) => {
    const { startTunnel } = await loadTunnels();
    return startTunnel(options, transportOf(options.network).dial);
  };
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
      prepare,
      async start(options) {
        const { sharing } = options;
        if (sharing === undefined) return await startOwn(options);
        const { startShared } = await import("./tunnel_sharing.ts");
        return await startShared(options, sharing, {
          startOwn: () => startOwn(options),
          prepare,
          env,
        });
      },
      async hold(options) {
        await (await import("./tunnel_holding.ts")).holdTunnel(startOwn, options);
      },
      async dismiss(options) {
        await (await import("./tunnel_sharing.ts")).dismissTunnels(options);
      },
    },
    async surveyNetwork(options) {
      const { surveyNetwork } = await import("./network_survey.ts");
      return await surveyNetwork(options, transportOf(options.network).dial);
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
