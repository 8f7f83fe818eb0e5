/**
 * A whole tailnet in one memory: relays, a coordinator, an agent and a client, with a clock that jumps from deadline to
 * deadline. The client's and the agent's code is the real one from the socket upwards; sockets are simulated.
 */
import type { Instant } from "../../../lib/base/core.ts";
import { earlier } from "../../../lib/base/deadlines.ts";
import type { DerpSwitchboardOptions } from "../../../lib/derp/mod.ts";
import { type DerpMap, derpMapOf, type DerpNode } from "../../../lib/tailnet/derp_map.ts";
import { SeededRandom } from "../../support/seeded_random.ts";
import { testUuid } from "../support.ts";
import { AGENT_RETRANSMISSIONS, SimAgent } from "./agent.ts";
import { SimClient, type SimClientOptions } from "./client.ts";
import { SimCoordinator } from "./coordinator.ts";
import { type NetworkOptions, SimNetwork } from "./network.ts";
import { SimRelay } from "./relay.ts";
import { SimInternet } from "../paths/sim_udp.ts";
import { SimUdpSocket } from "./udp_socket.ts";

export const AGENT_ID = testUuid(1);
export const TOKEN = "secret-session-token";
export const DEPLOYMENT = new URL("http://coder.test:3000/");
const WALL_MS_AT_ZERO = 1_800_000_000_000;

export interface WorldOptions {
  readonly seed?: number;
  readonly network?: NetworkOptions;
  /** Between the agent and the relays, one way. @default as everybody's */
  readonly agentDelayMs?: number;
  /** Regions besides the deployment's own, 999: their relays are at `relay-<id>.test:443`. */
  readonly regions?: readonly number[];
  readonly agentRegion?: number;
  /** What the agent sends over each connection. @default 0 */
  readonly agentSendBytes?: number;
  /** Retransmissions in vain after which the agent gives a connection up; `Infinity` for a TCP as ours. @default as agents do */
  readonly agentRetransmissions?: number;
  readonly fate?: DerpSwitchboardOptions["fate"];
  readonly client?: Partial<SimClientOptions>;
}

export class World {
  now: Instant = 1_000;
  readonly random: SeededRandom;
  readonly network: SimNetwork;
  /** The agent's. */
  readonly #agentNetwork: SimNetwork;
  readonly relays = new Map<number, SimRelay>();
  readonly coordinator: SimCoordinator;
  map: DerpMap;
  agent: SimAgent;
  readonly client: SimClient;
  #isClientAsleep = false;
  readonly #options: WorldOptions;

  constructor(options: WorldOptions = {}) {
    this.#options = options;
    this.random = new SeededRandom(options.seed ?? 1);
    this.network = new SimNetwork(options.network);
    this.#agentNetwork = options.agentDelayMs === undefined
      ? this.network
      : new SimNetwork({ ...options.network, delayMs: options.agentDelayMs });
    const regions = [999, ...options.regions ?? []];
    for (const region of regions) this.addRelay(region);
    this.map = mapOf(regions);
    this.coordinator = new SimCoordinator({
      random: this.random,
      agentId: AGENT_ID,
      map: this.map,
      protocol: options.client?.coordination ?? "v2",
      wallMsAtZero: WALL_MS_AT_ZERO,
    });
    // The deployment's relay and its coordinator are the same server.
    this.network.servers.set("coder.test:3001", this.coordinator);
    this.agent = this.startAgent();
    this.client = new SimClient({
      agentId: AGENT_ID,
      deploymentUrl: new URL("http://coder.test:3001/"),
      coordinatorHeaders: [["Coder-Session-Token", TOKEN], ["X-Mine", "yes"]],
      relayHeaders: [["X-Mine", "yes"]],
      derpMap: this.map,
      forcesWebsocket: false,
      random: this.random,
      wallMsAtZero: WALL_MS_AT_ZERO,
      network: this.network,
      ...options.client,
    }, this.now);
  }

  get relay(): SimRelay {
    const relay = this.relays.get(999);
    if (relay === undefined) throw new Error("there is no relay 999");
    return relay;
  }

  addRelay(region: number): SimRelay {
    const relay = new SimRelay(this.random, this.#options.fate);
    this.relays.set(region, relay);
    this.network.servers.set(whereOf(region), relay);
    this.#agentNetwork.servers.set(whereOf(region), relay);
    return relay;
  }

  /** Client and agent get a UDP socket each, at these addresses of one internet. */
  useDirect(at: { readonly client: string; readonly agent: string }) {
    const internet = new SimInternet(this.random);
    const clientHost = internet.add({ local: at.client });
    const agentHost = internet.add({ local: at.agent });
    const { session } = this.client;
    const { node } = this.agent;
    const client = new SimUdpSocket({
      node: session.node,
      internet,
      host: clientHost,
      use: (make, now) => session.useDirect(make, now),
    }, this.now);
    const agent = new SimUdpSocket({
      node,
      internet,
      host: agentHost,
      use: (make, now) => node.useDirect(make, now),
    }, this.now);
    this.client.driver.udp = client;
    this.agent.driver.udp = agent;
    return { internet, clientHost, agentHost, client, agent };
  }

  /** A new process of the agent, with new keys. */
  startAgent(): SimAgent {
    this.agent = new SimAgent({
      agentId: AGENT_ID,
      random: this.random,
      network: this.#agentNetwork,
      coordinator: this.coordinator,
      map: this.map,
      homeRegion: this.#options.agentRegion ?? 999,
      wallMsAtZero: WALL_MS_AT_ZERO,
      sendBytes: this.#options.agentSendBytes ?? 0,
      retransmissions: this.#options.agentRetransmissions ?? AGENT_RETRANSMISSIONS,
    }, this.now);
    return this.agent;
  }

  /** Does everything that can be done without time passing. */
  settle(): void {
    for (let round = 0; round < 10_000; round++) {
      if (!this.#stepAll()) return;
    }
    throw new Error(`the world does not settle at ${this.now}`);
  }

  /** Lets `ms` pass, from deadline to deadline. */
  pass(ms: number): void {
    this.until(() => false, ms);
  }

  /** Lets time pass until `isDone` holds or `limitMs` are over; whether it held. */
  until(isDone: () => boolean, limitMs: number): boolean {
    const end = this.now + limitMs;
    for (;;) {
      this.settle();
      if (isDone()) return true;
      const next = this.#nextAt();
      if (next === undefined || next > end) {
        this.now = end;
        this.settle();
        return isDone();
      }
      this.now = Math.max(this.now, next);
    }
  }

  /** Runs until the client's tunnel carries data; how long that took. */
  reach(limitMs = 30_000): number {
    const before = this.now;
    if (!this.until(() => this.client.session.isReachable, limitMs)) {
      throw new Error(`not reachable after ${limitMs} ms: waits for ${this.client.waitsFor}`);
    }
    return this.now - before;
  }

  /** The client's machine sleeps: the world goes on without it. */
  sleepClient(ms: number): void {
    this.#isClientAsleep = true;
    this.pass(ms);
    this.#isClientAsleep = false;
  }

  #stepAll(): boolean {
    let moved = this.coordinator.step(this.now);
    for (const relay of this.relays.values()) moved = relay.step(this.now) || moved;
    moved = this.agent.step(this.now) || moved;
    return (!this.#isClientAsleep && this.client.step(this.now)) || moved;
  }

  #nextAt(): Instant | undefined {
    let at = earlier(this.coordinator.nextAt(this.now), this.agent.nextAt(this.now));
    for (const relay of this.relays.values()) at = earlier(at, relay.nextAt(this.now));
    return this.#isClientAsleep ? at : earlier(at, this.client.nextAt(this.now));
  }
}

function whereOf(region: number): string {
  return region === 999 ? "coder.test:3000" : `relay-${region}.test:443`;
}

export function mapOf(regions: readonly number[]): DerpMap {
  return derpMapOf(regions.map((id) => ({
    id,
    code: `r${id}`,
    name: `Region ${id}`,
    embeddedRelay: false,
    avoid: false,
    nodes: [nodeOf(id)],
  })));
}

export function nodeOf(region: number, over: Partial<DerpNode> = {}): DerpNode {
  const [hostName = "", port] = whereOf(region).split(":");
  return {
    name: `${region}a`,
    regionId: region,
    hostName,
    certName: "",
    ipv4: "",
    ipv6: "",
    stunPort: -1,
    stunOnly: false,
    derpPort: Number(port),
    insecureForTests: false,
    forceHttp: region === 999,
    stunTestIp: "",
    canPort80: false,
    ...over,
  };
}
