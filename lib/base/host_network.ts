/**
 * What a machine has to do with networks, as commands see it: part of `Host`. Implemented in `lib/io/host_network.ts`, faked in
 * `tests/support/fake_network.ts`. The code behind most of it is loaded on demand.
 */
import type { HttpHeaders, HttpTransport } from "./http.ts";
import type { Log } from "./log.ts";
import type { LocalSockets } from "./sockets.ts";
import type { AgentTrace, AgentTunnel } from "./tunnel.ts";

export interface HostNetwork {
  /** HTTP and websockets with the given certificates; proxies come from the environment. */
  network(options: NetworkOptions): HttpTransport;
  /** Closes the connections that `network` keeps for later requests. */
  disconnect(): void;
  /** The proxy that leads to `url`; `undefined` for none. Throws `UserError` when the one that is set cannot be used. */
  proxyFor(url: URL): HostProxy | undefined;
  /** All IPv6 addresses of a name; none when it is unknown or may not be asked for. Rejects only with the signal's reason. */
  lookupIpv6(name: string, signal: AbortSignal): Promise<readonly string[]>;
  readonly sockets: HostSockets;
  readonly tunnels: HostTunnels;
  /** What the network lets through to relays and STUN servers. Rejects with `ProtocolError` when the map of them cannot be read. */
  surveyNetwork(options: SurveyOptions): Promise<NetworkSurvey>;
}

export interface NetworkOptions {
  /** PEM text of authorities that are trusted besides the system's: the platform cannot leave those out. */
  readonly caCertificates?: string;
  /** PEM text of the client's certificate, and its key. */
  readonly clientCertificate?: { readonly certificate: string; readonly key: string };
}

/** A proxy, as people may be told of it: without its credentials. */
export interface HostProxy {
  readonly scheme: "http" | "https" | "socks5";
  readonly host: string;
  readonly port: number;
}

/** Stream sockets, and the files that stand for some. */
export interface HostSockets extends LocalSockets {
  /** The names of the named pipes there are, without their folder; none where the system has none. */
  listPipes(): Promise<readonly string[]>;
  /**
   * The bytes of a file that stands for a socket; of one that is longer than such are, one byte more than those have. Rejects
   * with `SocketError`, also for what is no file, which might never end.
   */
  readSocketFile(path: string): Promise<Uint8Array>;
}

export interface HostTunnels {
  /** Begins to load what tunnels are made of, which takes as long as the first requests. Never throws. */
  prepare(): void;
  /**
   * Begins a tunnel, which is not waited for: its `reachable()` and `openTcp()` do that. Rejects with `ProtocolError` when the
   * relay map cannot be read.
   */
  start(options: TunnelOptions): Promise<AgentTunnel>;
  /**
   * Is the process that a `sharing` leaves behind, until nobody needs it or the signal aborts. Rejects with `ExpectedError` when
   * there is nothing that it could hold.
   */
  hold(options: HoldOptions): Promise<void>;
  /** Ends the tunnels that are held for an account. */
  dismiss(options: DismissOptions): Promise<void>;
}

/** That tunnels are shared with other runs of this program, and how. */
export interface SharingPlan {
  /** Where they may be held, the best first. */
  readonly folders: readonly string[];
  /** Of this program: another one's tunnels are not for us. */
  readonly version: string;
  /** The words that start this program again. */
  readonly program: () => Promise<readonly string[]>;
  /** The command that calls `hold` with its standard input, and says on its standard output `HELD`, or why not. */
  readonly command: string;
  /** Whether this run has a session of which the next ones may be as well: then an SSH connection is held for them. */
  readonly keepsSsh: boolean;
}

/** That later runs can use the tunnel. */
export const HELD = "held";

export interface HoldOptions {
  /** What it is told comes from here. */
  readonly read: (into: Uint8Array) => Promise<number | null>;
  /** Called when later runs find the tunnel, be it ours or that of a process which was first. */
  readonly onHeld: () => Promise<void>;
  readonly signal: AbortSignal;
}

export interface DismissOptions {
  readonly deployment: URL;
  readonly token: string;
  readonly folders: readonly string[];
}

export interface TunnelOptions {
  /** UUID text. */
  readonly agentId: string;
  /** Where the deployment is, as the user typed it. */
  readonly deploymentUrl: URL;
  readonly network: NetworkOptions;
  /** Session token; sent to the deployment alone, never to a relay. `undefined`: none is sent. */
  readonly token: string | undefined;
  /** The user's own, for the deployment and the relays. */
  readonly headers: HttpHeaders;
  readonly userAgent: string;
  /** As the deployment tells it; `undefined` when it did not. */
  readonly serverVersion: string | undefined;
  /** JSON, as the deployment tells it. */
  readonly derpMap: unknown;
  /** Asks the deployment for `derpMap` again; servers before v2.0 tell nobody of changes. */
  readonly fetchDerpMap: (signal: AbortSignal) => Promise<unknown>;
  /** Relays are to be reached by websocket only. */
  readonly forcesWebsocket: boolean;
  /** Relays are to be asked for a websocket first: nothing else let the last run in. */
  readonly beginsWithWebsocket: boolean;
  /** What the last run learnt of the agent. @default nothing */
  readonly trace?: AgentTrace;
  /** Only relays are to be used. */
  readonly disablesDirect: boolean;
  /** @default the tunnel is ours alone */
  readonly sharing?: SharingPlan;
  readonly log: Log;
}

export interface ProbeOptions {
  readonly deploymentUrl: URL;
  readonly network: NetworkOptions;
  /** The user's own. */
  readonly headers: HttpHeaders;
  /** JSON, as the deployment tells it. */
  readonly derpMap: unknown;
  /** Relays that have not answered by then do not count as near. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

export interface SurveyOptions extends ProbeOptions {
  /** Whether STUN servers may be asked, by UDP, past any proxy. */
  readonly asksStun: boolean;
}

export interface NetworkSurvey {
  /** In the map's order, those to avoid last. */
  readonly relays: readonly SurveyedRelay[];
  /** `undefined` when nobody was asked. */
  readonly udp: UdpSurvey | undefined;
}

/** A region of relays that packets could go through. */
export interface SurveyedRelay {
  readonly id: number;
  readonly code: string;
  readonly name: string;
  /** `undefined` when it did not answer. */
  readonly latencyMs: number | undefined;
  /** Whether it can be spoken to by an upgrade to its own protocol, and by websocket. */
  readonly takesUpgrade: boolean;
  readonly takesWebsocket: boolean;
}

export interface UdpSurvey {
  /** STUN servers that the map names. */
  readonly serverCount: number;
  readonly answers: readonly StunAnswer[];
  /** Why there was no socket, one line each. */
  readonly problems: readonly string[];
}

/** What one STUN server sees of us; all of a family were asked through one socket. */
export interface StunAnswer {
  /** As `stun.example.com:3478`. */
  readonly server: string;
  readonly family: "ipv4" | "ipv6";
  /** As `203.0.113.7:41641`. */
  readonly seenAs: string;
  readonly latencyMs: number;
}
