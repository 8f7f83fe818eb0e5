/** The client of a simulated tailnet: an `AgentSession` driven as `lib/io/node_tunnel.ts` drives it. */
import type { Instant, Random } from "../../../lib/base/core.ts";
import { earlier } from "../../../lib/base/deadlines.ts";
import { UserError } from "../../../lib/base/errors.ts";
import { tunnelFailure, waitWords } from "../../../lib/cli/ready/tunnel_words.ts";
import { loadAead } from "../../../lib/crypto/mod.ts";
import { TunnelError } from "../../../lib/base/tunnel.ts";
import { lossWords } from "../../../lib/io/loss_words.ts";
import { AgentSession } from "../../../lib/tailnet/agent_session.ts";
import type {
  AgentSessionEvent,
  AgentSessionOptions,
} from "../../../lib/tailnet/agent_session_events.ts";
import { Bulk } from "./bulk.ts";
import type { Direct } from "../../../lib/tailnet/direct.ts";
import type { SimEnd, SimNetwork } from "./network.ts";
import { SimNodeDriver } from "./node_driver.ts";

export interface SimClientOptions extends Omit<AgentSessionOptions, "aead"> {
  readonly network: SimNetwork;
  readonly random: Random;
}

const PROBE_MS = 100;
/** As the program's own streams (`lib/io/node_tunnel.ts`). */
const KEEPALIVE_MS = 30_000;

export class SimClient {
  readonly session: AgentSession;
  readonly driver: SimNodeDriver<AgentSessionEvent>;
  readonly events: { readonly at: Instant; readonly event: AgentSessionEvent }[] = [];
  readonly bulks: Bulk[] = [];
  /** What came over UDP flows. */
  readonly datagrams: Uint8Array[] = [];
  /** What a latency probe finds, by region; `undefined`: it never ends. */
  latencies: ReadonlyMap<number, number> | undefined;
  #probeAt: Instant | undefined;

  constructor(options: SimClientOptions, now: Instant) {
    this.session = new AgentSession({ ...options, aead: loadAead() }, now);
    this.driver = new SimNodeDriver({
      core: this.session,
      network: options.network,
      onEvent: (event, at) => this.#handleEvent(event, at),
      onSocketEvent: (event, at) => {
        if (event.kind === "pong") return;
        if (event.kind === "datagram") return void this.datagrams.push(event.data);
        this.bulks.find((bulk) => bulk.socket === event.socket)?.pump(at);
      },
    }, now);
  }

  kinds(): string[] {
    return this.events.map(({ event }) => event.kind);
  }

  lost(): string[] {
    return this.events.flatMap(({ event }) =>
      event.kind === "agentLost" ? [lossWords(event.loss)] : []
    );
  }

  /** What was told first; `undefined` while it may still succeed. */
  failure(): { readonly at: Instant; readonly message: string; readonly hint: string } | undefined {
    for (const { at, event } of this.events) {
      if (event.kind !== "failed") continue;
      const told = tunnelFailure(new TunnelError(event.failure));
      if (!(told instanceof UserError)) throw new Error("is told as no situation of the user");
      return { at, message: told.message, hint: told.hint ?? "" };
    }
    return undefined;
  }

  /** The direct paths, where the world has any. */
  get direct(): Direct | undefined {
    return this.driver.udp?.direct;
  }

  /** What is waited for, as people are told. */
  get waitsFor(): string {
    return waitWords(this.session.status());
  }

  get hasLeft(): boolean {
    return this.kinds().includes("left");
  }

  /** Connections to the coordinator that are not closed. */
  coordinatorEnds(): SimEnd[] {
    return [...this.driver.carriers].flatMap(([line, end]) =>
      line.name === "coordinator" ? [end] : []
    );
  }

  openBulk(sendBytes: number, now: Instant, options: { readonly heldAt?: number } = {}): Bulk {
    const { agentAddress } = this.session;
    const socket = this.session.connect(
      { remote: agentAddress, port: 1, keepaliveMs: KEEPALIVE_MS },
      now,
    );
    const bulk = new Bulk(socket, { sendBytes, role: "client" });
    bulk.heldAt = options.heldAt ?? Infinity;
    this.bulks.push(bulk);
    return bulk;
  }

  step(now: Instant): boolean {
    let moved = false;
    if (this.#probeAt !== undefined && this.#probeAt <= now) {
      this.#probeAt = undefined;
      moved = true;
      this.session.handleRelayLatencies(this.latencies ?? new Map(), now);
    }
    return this.driver.step(now) || moved;
  }

  nextAt(now: Instant): Instant | undefined {
    return earlier(this.driver.nextAt(now), this.#probeAt);
  }

  #handleEvent(event: AgentSessionEvent, now: Instant): void {
    this.events.push({ at: now, event });
    if (event.kind === "probeRelays" && this.latencies !== undefined) {
      this.#probeAt = now + PROBE_MS;
    }
  }
}
