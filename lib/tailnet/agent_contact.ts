/**
 * How far we are with the agent, as a peer of our node (coder/coder `tailnet/configmaps.go`):
 *
 *   seeking ──announced──▶ announced ──session──▶ reachable
 *      ▲                      │  ▲ other key          │
 *      └── left, or gone ─────┴──┴────────────────────┘       end(), from any ──▶ ended
 *
 * Not here: when the coordinator's words are acted on (`agent_news.ts`), whoever says them, and what is begun before they are said
 * (`agent_greeting.ts`).
 */
import { equalBytes } from "../base/bytes.ts";
import { assertNever, type Core, type Instant } from "../base/core.ts";
import { earlier } from "../base/deadlines.ts";
import type { AgentTrace } from "../base/tunnel.ts";
import { addressOfUuid, LEGACY_AGENT_ADDRESS } from "./address.ts";
import type { AgentWord } from "./agent_changes.ts";
import { AgentGreeting } from "./agent_greeting.ts";
import { AgentNews, type AgentNewsEvent } from "./agent_news.ts";
import type { AgentLoss } from "./agent_session_events.ts";
import type { TunnelNode } from "./node.ts";

export type ContactPhase =
  /** Nobody told us of the agent yet, or it went away. */
  | { readonly kind: "seeking" }
  /** The agent is known and at home in `region`; a handshake with it is wanted. */
  | {
    readonly kind: "announced";
    readonly region: number;
    /** Whether it said that it knows us. */
    readonly knowsUs: boolean;
    /** When its silence is told; `Infinity` once it was. */
    readonly silentAt: Instant;
  }
  /** Data passes in both directions. */
  | { readonly kind: "reachable"; readonly region: number }
  /** Nobody wants the agent any more. */
  | { readonly kind: "ended" };

export type AgentContactEvent =
  | { readonly kind: "reachable" }
  | { readonly kind: "agentLost"; readonly loss: AgentLoss }
  /** It was announced, and answers nothing on its relay. */
  | { readonly kind: "silent" };

export interface AgentContactOptions {
  /** The agent's id among the peers of `node`. */
  readonly id: string;
  /** The same as bytes. */
  readonly uuid: Uint8Array;
  readonly node: TunnelNode;
  /** What the last run learnt of the agent. @default nothing */
  readonly trace?: AgentTrace | undefined;
}

const MOVES: Readonly<Record<ContactPhase["kind"], readonly ContactPhase["kind"][]>> = {
  seeking: ["announced", "ended"],
  announced: ["announced", "reachable", "seeking", "ended"],
  reachable: ["reachable", "seeking", "ended"],
  ended: [],
};
/** An agent that the coordinator announced but that answers nothing on any relay. */
const HANDSHAKE_LIMIT_MS = 120_000;

export class AgentContact implements Core<AgentContactEvent> {
  readonly #id: string;
  readonly #node: TunnelNode;
  readonly #news = new AgentNews();
  readonly #greeting: AgentGreeting;
  readonly #events: AgentContactEvent[] = [];
  readonly #uuidAddress: Uint8Array;
  #address: Uint8Array;
  #phase: ContactPhase = { kind: "seeking" };

  constructor({ id, uuid, node, trace }: AgentContactOptions) {
    this.#id = id;
    this.#node = node;
    this.#uuidAddress = addressOfUuid(uuid);
    this.#address = this.#uuidAddress;
    this.#greeting = new AgentGreeting({ id, node, trace });
  }

  get phase(): ContactPhase {
    return this.#phase;
  }

  /** Where the agent is dialled: what its UUID gives, unless it is older than that. */
  get address(): Uint8Array {
    return this.#address;
  }

  /** The region where the agent is at home, as long as it is known. */
  get region(): number | undefined {
    return regionIn(this.#phase);
  }

  /** How long after we told of us the next run should greet, without the way there and back; `undefined`: the agent did not say. */
  get readyLagMs(): number | undefined {
    return this.#greeting.nextLagMs(this.#news);
  }

  /** Asks the agent for a sign of life; the node's `pong` tells the answer. */
  ping(now: Instant): void {
    // Who is merely hoped for could answer as well.
    if (this.region !== undefined) this.#node.ping(this.#id, now);
  }

  /** Nothing is wanted of the agent any more. */
  end(): void {
    this.#greeting.stop();
    if (this.#phase.kind !== "ended") this.#enter({ kind: "ended" });
  }

  /** The coordinator was asked for the agent. */
  handleConnected(now: Instant): void {
    this.#news.handleConnected(now);
  }

  /** The coordinator was told of us, first or anew. */
  handleTold(now: Instant): void {
    if (this.#phase.kind !== "seeking") return;
    this.#greeting.handleTold(now);
  }

  /** The coordinator says where the agent is. */
  handleNode(word: AgentWord, now: Instant): void {
    if (this.#phase.kind === "ended" || word.node.preferredDerp === 0) return;
    this.#news.handleNode(word, now);
    this.#drainNews(now);
  }

  /** The agent said that it knows us, or has had its time to. */
  handleReady(
    { source }: { readonly source: "message" | "timeout" | "unsupported" },
    now: Instant,
  ): void {
    this.#news.handleReady();
    if (source === "message") this.#greeting.handleReady(now);
    if (this.#phase.kind === "announced" && !this.#phase.knowsUs) {
      this.#enter({ ...this.#phase, knowsUs: true, silentAt: now + HANDSHAKE_LIMIT_MS });
    }
    // Also after a restart under the same key: the agent lost its half of the session. What was sent before the agent
    // knew us was lost: it is repeated as soon as an answer to it would have been here.
    this.#node.initiate(this.#id, now, { minGapMs: this.#news.answerMs });
  }

  /** The coordinator lost the agent, or will never speak to us again. */
  handleLost(now: Instant): void {
    if (this.region !== undefined) this.#news.handleLost(now);
  }

  /** We lost the coordinator. */
  handleCutOff(): void {
    if (this.region !== undefined) this.#news.handleCutOff();
  }

  /** The machine slept, or its network is another. */
  handleWake(now: Instant): void {
    this.#news.handleWake(now);
  }

  /** The agent told the coordinator that it leaves. */
  handleRemoved(now: Instant): void {
    if (this.region !== undefined) this.#news.handleRemoved(now);
  }

  /** Should be called when a way to the agent may have opened. */
  handleWay(now: Instant): void {
    this.#greeting.handleWay(now);
    // A session that outlived an outage goes on; one that did not is not waited for, but asked for.
    if (this.region === undefined) return;
    if (this.#node.canSend(this.#id, now)) this.handleEstablished(now); // by its greeting, if it is new
    else this.#node.initiate(this.#id, now);
  }

  /** A session with the agent carries data. */
  handleEstablished(now: Instant): void {
    this.#greeting.handleEstablished(now, this.#news);
    if (this.#phase.kind !== "announced") return;
    this.#node.keepAlive(this.#id, now);
    this.#enter({ kind: "reachable", region: this.#phase.region });
    this.#events.push({ kind: "reachable" });
  }

  /** Leaves the relays that neither we nor the agent are at home in. */
  keepRelays(): void {
    const region = this.region ?? this.#greeting.region;
    this.#node.relays.keepOnly(new Set(region === undefined ? [] : [region]));
  }

  handleTimeout(now: Instant): void {
    if (this.#phase.kind === "announced" && this.#phase.silentAt <= now) {
      this.#enter({ ...this.#phase, silentAt: Infinity });
      this.#events.push({ kind: "silent" });
    }
    if (this.#greeting.handleTimeout(now) === "given-up") this.keepRelays();
    this.#news.handleTimeout(now);
    this.#drainNews(now);
  }

  pollTimeout(): Instant | undefined {
    const silentAt = this.#phase.kind === "announced" ? this.#phase.silentAt : Infinity;
    const own = earlier(this.#greeting.pollTimeout(), silentAt === Infinity ? undefined : silentAt);
    return earlier(this.#news.pollTimeout(), own);
  }

  pollEvent(): AgentContactEvent | undefined {
    return this.#events.shift();
  }

  /** The only place where the phase changes, and with it what is waited for. */
  #enter(next: ContactPhase): void {
    const before = this.#phase.kind;
    if (!MOVES[before].includes(next.kind)) {
      throw new TypeError(`Cannot move contact from "${before}" to "${next.kind}"`);
    }
    this.#phase = next;
    switch (next.kind) {
      case "seeking":
      case "ended":
        return this.#news.forget();
      case "announced":
      case "reachable":
        return;
      default:
        return assertNever(next);
    }
  }

  #drainNews(now: Instant): void {
    for (let e = this.#news.pollEvent(); e; e = this.#news.pollEvent()) this.#handleNews(e, now);
  }

  #handleNews(event: AgentNewsEvent, now: Instant): void {
    switch (event.kind) {
      case "word":
        return this.#take(event.word, now);
      case "left":
        return this.#remove("disconnected");
      case "unvouched":
        if (!this.#news.mayKeep(this.#node.wireguardOf(this.#id)?.lastHandshakeAt, now)) {
          this.#remove("gone");
        }
        return;
      default:
        return assertNever(event);
    }
  }

  #remove(loss: AgentLoss): void {
    this.#node.removePeer(this.#id);
    this.#enter({ kind: "seeking" });
    this.#events.push({ kind: "agentLost", loss });
  }

  #take({ node, isReady }: AgentWord, now: Instant): void {
    this.#address = this.#addressIn(node.addresses);
    const isGreeted = this.#greeting.confirm(node);
    const change = this.#node.upsertPeer({
      id: this.#id,
      nodeKey: node.key,
      discoKey: node.disco,
      addresses: [this.#address, ...node.addresses],
      homeRegion: node.preferredDerp,
      endpoints: node.endpoints,
    }, now);
    const region = node.preferredDerp;
    const isMove = this.region !== undefined && this.region !== region;
    if (isMove || change === "replaced") this.#news.noteChange(now);
    if (change === "updated" && !isGreeted) {
      if (this.#phase.kind === "announced" || this.#phase.kind === "reachable") {
        this.#enter({ ...this.#phase, region });
      }
      return this.keepRelays();
    }
    if (change === "replaced") {
      this.#enter({ kind: "seeking" });
      this.#events.push({ kind: "agentLost", loss: "restarted" });
    }
    const silentAt = now + HANDSHAKE_LIMIT_MS;
    this.#enter({ kind: "announced", region, knowsUs: isReady, silentAt });
    this.keepRelays();
    // Not waiting for the agent's word: when it knows us already this saves a round trip, else it is lost and repeated.
    this.handleWay(now);
  }

  #addressIn(announced: readonly Uint8Array[]): Uint8Array {
    const owns = (address: Readonly<Uint8Array>) =>
      announced.some((each) => equalBytes(each, address));
    return !owns(this.#uuidAddress) && owns(LEGACY_AGENT_ADDRESS)
      ? LEGACY_AGENT_ADDRESS
      : this.#uuidAddress;
  }
}

/** The region where the agent is at home, as long as it is known. */
export function regionIn(phase: ContactPhase): number | undefined {
  return phase.kind === "announced" || phase.kind === "reachable" ? phase.region : undefined;
}
