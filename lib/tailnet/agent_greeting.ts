/**
 * The greeting of an agent that the last run found: an initiation that reaches it at about the time when it learns of us from the coordinator,
 * a round trip before we can learn of it. What is remembered decides nothing: until the coordinator has named the same keys the peer may
 * send us nothing, and the agent is not reachable. Where another process runs by now, nobody answers.
 */
import { equalBytes } from "../base/bytes.ts";
import type { Instant } from "../base/core.ts";
import type { AgentTrace } from "../base/tunnel.ts";
import type { TunnelNode } from "./node.ts";
import type { TailnetNode } from "./node_message.ts";

/** One that takes longer is waited for: there is little to be won. */
const MAX_LAG_MS = 250;
/** Too early is a round trip lost, too late these milliseconds. */
const MARGIN_MS = 5;
/** After a greeting in vain the next one is so much later, until it is not worth one: then what the agent says counts anew. */
const LATER = { factor: 1.5, addedMs: 10 };
/** The coordinator says nothing of the agent: it is not there. */
const HOPE_MS = 3_000;

export interface AgentGreetingOptions {
  /** The agent's id among the peers of `node`. */
  readonly id: string;
  readonly node: TunnelNode;
  /** @default nothing is known */
  readonly trace?: AgentTrace | undefined;
}

type State =
  /** The coordinator was not told of us yet. */
  | { readonly kind: "waiting" }
  /** The peer is there; its initiation is due at `greetAt`. */
  | { readonly kind: "hoping"; readonly greetAt: Instant; readonly until: Instant; isDue: boolean }
  | { readonly kind: "over" };

export class AgentGreeting {
  readonly #id: string;
  readonly #node: TunnelNode;
  readonly #trace: AgentTrace | undefined;
  #state: State = { kind: "waiting" };
  /** When the coordinator was told of us, and when the agent said first that it knows us. */
  #toldAt: Instant | undefined;
  #readyAt: Instant | undefined;
  #sentAt: Instant | undefined;
  /** Whether it was answered; `undefined`: not known, or nobody was greeted. */
  #isAnswered: boolean | undefined;

  constructor({ id, node, trace }: AgentGreetingOptions) {
    this.#id = id;
    this.#node = node;
    this.#trace = trace;
    if (trace === undefined || trace.readyLagMs > MAX_LAG_MS) this.#state = { kind: "over" };
  }

  /** Where the agent is hoped to be at home. */
  get region(): number | undefined {
    return this.#state.kind === "hoping" ? this.#trace?.homeRegion : undefined;
  }

  /** The coordinator was told of us, and that we ask for the agent. */
  handleTold(now: Instant): void {
    this.#toldAt ??= now;
    if (this.#state.kind !== "waiting" || this.#trace === undefined) return;
    const { nodeKey, discoKey, homeRegion, readyLagMs } = this.#trace;
    const greetAt = now + readyLagMs + MARGIN_MS;
    this.#state = { kind: "hoping", greetAt, until: now + HOPE_MS, isDue: false };
    // Without addresses: what it sends is for nobody.
    const peer = { id: this.#id, nodeKey, discoKey, homeRegion, addresses: [], isHoped: true };
    this.#node.upsertPeer(peer, now);
  }

  /** Should be called when a way to the agent may have opened. */
  handleWay(now: Instant): void {
    if (this.#state.kind !== "hoping" || !this.#state.isDue) return;
    if (this.#node.initiate(this.#id, now)) this.#sentAt ??= now;
  }

  /** There is a session with the agent that was greeted, or with another. An answer takes `answerMs` at most. */
  handleEstablished(now: Instant, { answerMs }: { readonly answerMs: number }): void {
    if (this.#sentAt !== undefined) this.#isAnswered ??= now - this.#sentAt <= answerMs;
  }

  /** The agent said that it knows us. */
  handleReady(now: Instant): void {
    this.#readyAt ??= now;
  }

  /**
   * How long after we told of us to greet next time, without the way there and back to a coordinator so far away; `undefined`: the
   * agent did not say when it knew us. What it says need not be true yet.
   */
  nextLagMs(
    { roundTripMs }: { readonly roundTripMs: number | undefined },
  ): number | undefined {
    if (this.#toldAt === undefined || this.#readyAt === undefined) return undefined;
    if (roundTripMs === undefined) return undefined;
    const lagMs = Math.max(0, this.#readyAt - this.#toldAt - roundTripMs);
    if (this.#trace === undefined || this.#isAnswered === undefined) return lagMs;
    const { readyLagMs } = this.#trace;
    const nextMs = this.#isAnswered ? readyLagMs : readyLagMs * LATER.factor + LATER.addedMs;
    return Math.max(lagMs, nextMs);
  }

  /** Whether the agent is hoped for no more: what was only for it can go. */
  handleTimeout(now: Instant): "given-up" | undefined {
    if (this.#state.kind !== "hoping") return undefined;
    if (this.#state.until <= now) {
      this.stop();
      return "given-up";
    }
    if (this.#state.isDue || this.#state.greetAt > now) return undefined;
    this.#state.isDue = true;
    this.handleWay(now);
    return undefined;
  }

  pollTimeout(): Instant | undefined {
    if (this.#state.kind !== "hoping") return undefined;
    return this.#state.isDue ? this.#state.until : this.#state.greetAt;
  }

  /** The coordinator says where the agent is. Whether that is who was greeted, and its peer is there. */
  confirm({ key, disco }: TailnetNode): boolean {
    const isSame = this.#state.kind === "hoping" && this.#trace !== undefined &&
      equalBytes(this.#trace.nodeKey, key) && equalBytes(this.#trace.discoKey, disco);
    if (isSame) this.#state = { kind: "over" };
    else this.stop();
    return isSame;
  }

  /** Nobody is greeted any more, and who was is no peer. */
  stop(): void {
    if (this.#state.kind === "hoping") {
      this.#node.removePeer(this.#id);
      this.#sentAt = undefined;
    }
    this.#state = { kind: "over" };
  }
}
