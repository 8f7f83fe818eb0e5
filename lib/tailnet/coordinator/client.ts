/**
 * The life with the coordinator over many connections (coder/coder `tailnet/controllers.go` `Controller.Run`): when to
 * dial, what is said again on each new connection, what is known of the peers, and when to give up.
 *
 *   waiting ──delay──▶ dialing ──handleConnected──▶ connected ──handleDisconnected──▶ waiting …
 *      disconnect() ──▶ closed        a refusal that no other attempt would change ──▶ failed
 *
 * The driver opens a websocket on `dial`, reports with `handleConnected` or `handleDisconnected`, hands binary payloads to
 * `handleBytes`, sends what `pollTransmit` gives as binary messages, and on `hangUp` sends the rest and closes with 1000;
 * the end of a websocket that was hung up must not be reported. It drains `pollEvent` in order, `pollTransmit` before it
 * acts on `hangUp`, then arms `pollTimeout`. A limit on dialling is the driver's.
 *
 * Deviation: upstream takes a refusal for permanent on the very first attempt only; here until the first connection.
 */
import type { Instant, Random } from "../../base/core.ts";
import { earlier } from "../../base/deadlines.ts";
import { equalDerpMaps } from "../derp_map.ts";
import type { DerpMap } from "../derp_map.ts";
import type { TailnetNode } from "../node_message.ts";
import { Backoff } from "./backoff.ts";
import { classifyDialFailure } from "./dial_failure.ts";
import type { DialFailure, DisconnectReason } from "./dial_failure.ts";
import type { ResumeToken } from "./messages.ts";
import { PeerBook } from "./peer_book.ts";
import type { PeerEvent } from "./peer_book.ts";
import { type CoordinationSession, makeSession } from "./protocol.ts";
import {
  coordinationOfByte,
  type CoordinationProtocol,
  otherCoordination,
} from "./protocol_version.ts";
import type { SessionEvent } from "./session.ts";

export interface CoordinatorClientOptions {
  readonly random: Random;
  /** Wall-clock milliseconds at instant 0: resume tokens expire by the wall clock. */
  readonly wallMsAtZero: number;
  /** UUIDs of the agents to reach; nobody else is heard of. An agent names none. */
  readonly tunnels: readonly string[];
  /** An agent hears of everybody and asks for no resume token. @default "client" */
  readonly role?: "client" | "agent";
  /** Whether the server passes READY_FOR_HANDSHAKE on (from v2.11 on). @default true */
  readonly expectsReady?: boolean;
  /** What the server speaks, as far as known: another one is found out. @default "v2" */
  readonly protocol?: CoordinationProtocol;
}

export type CoordinatorEvent =
  /** Open the websocket with the query of `coordinationQuery`. */
  | {
    readonly kind: "dial";
    readonly protocol: CoordinationProtocol;
    readonly resumeToken: string | undefined;
  }
  /** Send what `pollTransmit` still gives, then close the websocket with 1000. */
  | { readonly kind: "hangUp" }
  | { readonly kind: "connected" }
  /** The connection ended, or could not be made; the next attempt is `retryAt`. */
  | {
    readonly kind: "disconnected";
    readonly message: string;
    readonly failure: DialFailure | undefined;
    readonly retryAt: Instant;
  }
  | PeerEvent
  /** The map changed, or is the first. */
  | { readonly kind: "derpMap"; readonly map: DerpMap }
  /** What the server said before it ended the connection. */
  | { readonly kind: "serverError"; readonly text: string }
  /** No attempt would help. The last event. */
  | {
    readonly kind: "failed";
    readonly message: string;
    readonly failure: DialFailure | undefined;
  }
  /** After `disconnect`. The last event, behind `hangUp`. */
  | { readonly kind: "closed" };

type State =
  | { readonly kind: "waiting"; readonly until: Instant }
  | { readonly kind: "dialing"; readonly resumeToken: string | undefined }
  | {
    readonly kind: "connected";
    readonly session: CoordinationSession;
    readonly since: Instant;
    hasSpoken: boolean;
  }
  | { readonly kind: "over" };

/**
 * A connection that lasted so long starts the next at once. Deviation: upstream starts at once after every dial that
 * succeeded, so a server that accepts and drops is dialled without a pause.
 */
const STABLE_MS = 5_000;

export class CoordinatorClient {
  readonly #options: CoordinatorClientOptions;
  readonly #backoff: Backoff;
  readonly #book: PeerBook;
  readonly #tunnels: Set<string>;
  readonly #events: CoordinatorEvent[] = [];
  #state: State;
  /** The last words of a connection that is over. */
  #farewell: CoordinationSession | undefined;
  #protocol: CoordinationProtocol;
  /** Coordinations that the server refused, or did not speak, since it last spoke ours. */
  readonly #refused = new Set<CoordinationProtocol>();
  #node: TailnetNode | undefined;
  #map: DerpMap | undefined;
  #toldMap: DerpMap | undefined;
  #resumeToken: ResumeToken | undefined;
  #hasConnected = false;
  /** Whether the server ever spoke what it was asked for. */
  #isProven = false;
  #permanentError: string | undefined;
  #isLeaving = false;

  constructor(options: CoordinatorClientOptions, now: Instant) {
    this.#options = options;
    this.#protocol = options.protocol ?? "v2";
    this.#backoff = new Backoff(options.random);
    this.#tunnels = new Set(options.tunnels);
    this.#book = new PeerBook({
      ...(this.#isAgent ? {} : { only: this.#tunnels }),
      expectsReady: options.expectsReady ?? true,
    });
    this.#state = { kind: "waiting", until: now + this.#backoff.nextDelayMs() };
    this.handleTimeout(now); // the first dial is due at once
  }

  get state(): "waiting" | "dialing" | "connected" | "over" {
    return this.#state.kind;
  }

  /** The peer as last announced. */
  nodeOf(peerId: string): TailnetNode | undefined {
    return this.#book.nodeOf(peerId);
  }

  /** Whether a handshake with the peer may begin. */
  isReady(peerId: string): boolean {
    return this.#book.isReady(peerId);
  }

  /** Announces our node, now and on every later connection. Not before there is a home relay. */
  updateSelf(node: TailnetNode, now: Instant): void {
    this.#node = node;
    this.#withSession((session) => session.updateSelf(node, now));
  }

  addTunnel(peerId: string, now: Instant): void {
    if (this.#tunnels.has(peerId)) return;
    this.#tunnels.add(peerId);
    this.#withSession((session) => session.addTunnel(peerId, now));
  }

  /** For agents: tells a peer that its node is installed. */
  readyForHandshake(peerId: string, now: Instant): void {
    this.#withSession((session) => session.readyForHandshake(peerId, now));
  }

  /** Waits no longer: the machine woke up, or its network changed. */
  retryNow(now: Instant): void {
    this.#backoff.reset();
    if (this.#state.kind === "waiting") this.#enterWaiting(now);
  }

  /** Leaves for good: `hangUp` and `closed` follow within a second. */
  disconnect(now: Instant): void {
    if (this.#state.kind === "over") return;
    if (this.#state.kind === "connected") {
      this.#isLeaving = true;
      this.#state.session.disconnect(now);
      this.#pumpSession(now);
    } else {
      if (this.#state.kind === "dialing") this.#events.push({ kind: "hangUp" });
      this.#finish({ kind: "closed" });
    }
  }

  /** The websocket is open. */
  handleConnected(now: Instant): void {
    if (this.#state.kind !== "dialing") return;
    this.#farewell = undefined;
    this.#hasConnected = true;
    if (this.#protocol === "v1") this.#book.expectNoReady();
    const session = makeSession(this.#protocol, {
      tunnels: [...this.#tunnels],
      ...(this.#node === undefined ? {} : { node: this.#node }),
      wantsResumeToken: !this.#isAgent,
    }, now);
    this.#state = { kind: "connected", session, since: now, hasSpoken: false };
    this.#events.push({ kind: "connected" });
  }

  /** Takes the payload of a binary message, borrowed. Late ones are ignored. */
  handleBytes(chunk: Uint8Array, now: Instant): void {
    const [first] = chunk;
    if (this.#state.kind !== "connected" || first === undefined) return;
    if (!this.#state.hasSpoken) {
      this.#state.hasSpoken = true;
      if (coordinationOfByte(first) !== this.#protocol) {
        return this.#changeProtocol(this.#state, now);
      }
      this.#isProven = true;
      this.#refused.clear();
    }
    this.#state.session.handleBytes(chunk, now);
    this.#pumpSession(now);
  }

  /** The websocket ended, or could not be opened. */
  handleDisconnected(reason: DisconnectReason, now: Instant): void {
    if (this.#state.kind === "dialing") this.#handleDialFailure(reason, now);
    else if (this.#state.kind === "connected") {
      const message = reason.kind === "refused" ? `HTTP status ${reason.status}` : reason.message;
      // A server of JSON closes on what it cannot read, without a word if it has no agent for us.
      const isWordless = reason.kind === "closed" && !this.#isProven;
      if (this.#protocol === "v2" && isWordless) this.#turnFrom("v2");
      this.#handleConnectionEnd(this.#state, message, now);
    }
  }

  handleTimeout(now: Instant): void {
    this.#book.handleTimeout(now);
    if (this.#state.kind === "connected") {
      this.#state.session.handleTimeout(now);
      this.#pumpSession(now);
    } else if (this.#state.kind === "waiting" && this.#state.until <= now) {
      const resumeToken = this.#usableResumeToken(now);
      this.#state = { kind: "dialing", resumeToken };
      this.#events.push({ kind: "dial", protocol: this.#protocol, resumeToken });
    }
  }

  pollTimeout(): Instant | undefined {
    if (this.#state.kind === "over") return undefined;
    const own = this.#state.kind === "waiting"
      ? this.#state.until
      : this.#state.kind === "connected"
      ? this.#state.session.pollTimeout()
      : undefined;
    return earlier(own, this.#book.pollTimeout());
  }

  pollEvent(): CoordinatorEvent | undefined {
    return this.#events.shift() ?? this.#book.pollEvent();
  }

  /** What must leave next, as one binary message below 32 KiB; the caller owns the array. */
  pollTransmit(): Uint8Array<ArrayBuffer> | undefined {
    const session = this.#state.kind === "connected" ? this.#state.session : this.#farewell;
    return session?.pollTransmit();
  }

  get #isAgent(): boolean {
    return this.#options.role === "agent";
  }

  /** Asks for the other coordination from now on; whether that is not known to fail as well. */
  #turnFrom(protocol: CoordinationProtocol): boolean {
    this.#refused.add(protocol);
    const other = otherCoordination(protocol);
    if (protocol === this.#protocol) this.#protocol = other;
    return !this.#refused.has(other);
  }

  /** The server speaks the other coordination. */
  #changeProtocol(state: Extract<State, { kind: "connected" }>, now: Instant): void {
    const isNews = this.#turnFrom(this.#protocol);
    this.#events.push({ kind: "hangUp" });
    if (isNews) this.#backoff.reset();
    this.#handleConnectionEnd(state, "it speaks another version of the protocol", now);
  }

  #withSession(work: (session: CoordinationSession) => void): void {
    if (this.#state.kind === "connected") work(this.#state.session);
  }

  #pumpSession(now: Instant): void {
    while (this.#state.kind === "connected") {
      const event = this.#state.session.pollEvent();
      if (event === undefined) break;
      this.#handleSessionEvent(this.#state, event, now);
    }
    // Of all that came at once the last map and the last node of each peer are told.
    this.#tellNews();
  }

  #tellNews(): void {
    const map = this.#map;
    if (map !== undefined && map !== this.#toldMap) this.#events.push({ kind: "derpMap", map });
    this.#toldMap = map;
    this.#drainBook();
  }

  #handleSessionEvent(
    state: Extract<State, { kind: "connected" }>,
    event: SessionEvent,
    now: Instant,
  ): void {
    switch (event.kind) {
      case "peerUpdate":
        this.#book.handleUpdate(event.update, now);
        return;
      case "derpMap":
        if (this.#map !== undefined && equalDerpMaps(this.#map, event.map)) return;
        this.#map = event.map;
        return;
      case "resumeToken":
        this.#resumeToken = event.resumeToken;
        return;
      case "serverError":
        this.#events.push({ kind: "serverError", text: event.text });
        if (event.isPermanent) this.#permanentError = event.text;
        return;
      case "ended":
        this.#tellNews();
        this.#events.push({ kind: "hangUp" });
        if (event.end.kind === "failed") this.#handleConnectionEnd(state, event.end.message, now);
        else {
          this.#farewell = state.session;
          this.#finish({ kind: "closed" });
        }
        return;
    }
  }

  #handleConnectionEnd(
    state: Extract<State, { kind: "connected" }>,
    message: string,
    now: Instant,
  ): void {
    this.#farewell = state.session;
    if (this.#isLeaving) return this.#finish({ kind: "closed" });
    this.#book.handleConnectionLost(message);
    if (this.#permanentError !== undefined) {
      this.#drainBook();
      this.#finish({ kind: "failed", message: this.#permanentError, failure: undefined });
      return;
    }
    if (now - state.since >= STABLE_MS) this.#backoff.reset();
    const until = this.#enterWaiting(now);
    this.#events.push({ kind: "disconnected", message, failure: undefined, retryAt: until });
    this.#drainBook();
  }

  #handleDialFailure(reason: DisconnectReason, now: Instant): void {
    const failure = classifyDialFailure(reason);
    const { message } = failure;
    const mayTryOther = failure.isVersionRefused && this.#turnFrom(this.#protocol);
    if (mayTryOther) this.#backoff.reset();
    else if (failure.isPermanent && !this.#hasConnected) {
      this.#finish({ kind: "failed", message, failure });
      return;
    }
    if (failure.isResumeTokenRefused) {
      this.#resumeToken = undefined;
      this.#backoff.reset(); // cannot repeat: the next dial carries no token
    }
    const retryAt = this.#enterWaiting(now);
    this.#events.push({ kind: "disconnected", message, failure, retryAt });
  }

  #enterWaiting(now: Instant): Instant {
    const until = now + this.#backoff.nextDelayMs();
    this.#state = { kind: "waiting", until };
    return until;
  }

  #finish(event: CoordinatorEvent): void {
    this.#state = { kind: "over" };
    this.#events.push(event);
  }

  /** Keeps peers' events in their place among ours. */
  #drainBook(): void {
    for (let e = this.#book.pollEvent(); e !== undefined; e = this.#book.pollEvent()) {
      this.#events.push(e);
    }
  }

  #usableResumeToken(now: Instant): string | undefined {
    const held = this.#resumeToken;
    if (held === undefined) return undefined;
    return held.expiresAtMs > this.#options.wallMsAtZero + now ? held.token : undefined;
  }
}
