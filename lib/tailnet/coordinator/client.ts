/**
 * The life with the coordinator over many connections (coder/coder `tailnet/controllers.go` `Controller.Run`): when to
 * dial, what is said again on each new connection, and when silence has lasted too long. What is known of the peers is
 * in `news.ts`; whether and when to try again is decided in `attempts.ts`.
 *
 *   waiting ──delay──▶ dialling ──opened──▶ connected ──ended──▶ waiting …
 *      disconnect() ──▶ over        a refusal that no other attempt would change ──▶ over
 *
 * `pollEvent` asks for each connection (`dial`) and gives it back (`hangUp`); bytes go to `handleLineBytes`, what must leave
 * is in the line's `takeBatch` after `pump`.
 *
 * Deviation: of what a server says at once, only the last map and the last node of each peer are told.
 */
import { assertNever, type Core, type Instant } from "../../base/core.ts";
import { Deadlines, earlier } from "../../base/deadlines.ts";
import type { Line, LineOwner, LineTarget } from "../line.ts";
import type { TailnetNode } from "../node_message.ts";
import { Attempts, type Verdict } from "./attempts.ts";
import type { CoordinatorClientOptions, CoordinatorEvent } from "./client_events.ts";
import type { DisconnectReason } from "./dial_failure.ts";
import type { CoordinatorLink, CoordinatorLinkEvent } from "./link.ts";
import { MapSocket } from "./map_socket.ts";
import { News } from "./news.ts";
import { type CoordinationSession, makeLink, makeSession } from "./protocol.ts";
import type { SessionEvent } from "./session.ts";

type State =
  | { readonly kind: "waiting"; readonly until: Instant }
  | { readonly kind: "dialling"; readonly link: CoordinatorLink }
  | {
    readonly kind: "connected";
    readonly link: CoordinatorLink;
    readonly session: CoordinationSession;
    readonly since: Instant;
    hasSpoken: boolean;
  }
  | { readonly kind: "over" };

type ClientDeadline =
  /** When a server that was asked for a connection, or opened one, and says nothing is given up. */
  "silence";

/** Whoever waits is told within fifteen seconds, a refused attempt or two before it included. */
const SILENCE_MS = 12_000;
/** Where JSON is spoken nobody answers us, but servers ping every 15 s (coder/coder `coderd/httpapi/websocket.go`). */
const JSON_SILENCE_MS = 45_000;
export class CoordinatorClient implements Core<CoordinatorEvent>, LineOwner {
  readonly #options: CoordinatorClientOptions;
  readonly #attempts: Attempts;
  readonly #news: News;
  readonly #tunnels: Set<string>;
  readonly #deadlines = new Deadlines<ClientDeadline>();
  readonly #events: CoordinatorEvent[] = [];
  #state: State;
  /** Where JSON is spoken, maps have a websocket of their own. */
  #maps: MapSocket | undefined;
  #node: TailnetNode | undefined;
  #isLeaving = false;

  constructor(options: CoordinatorClientOptions, now: Instant) {
    this.#options = options;
    const { protocol = "v2", random, wallMsAtZero } = options;
    this.#attempts = new Attempts({ protocol, random, wallMsAtZero });
    this.#tunnels = new Set(options.tunnels);
    this.#news = new News({
      ...(this.#isAgent ? {} : { only: this.#tunnels }),
      expectsReady: options.expectsReady ?? true,
    });
    this.#state = { kind: "waiting", until: now };
    this.handleTimeout(now); // the first dial is due at once
  }

  get state(): "waiting" | "dialling" | "connected" | "over" {
    return this.#state.kind;
  }

  /** Whether the coordinator ever told us anything that makes sense. */
  get hasHeard(): boolean {
    return this.#attempts.hasHeard;
  }

  /** Why the last connection ended or could not be made; one line. */
  get lastFailure(): string | undefined {
    return this.#attempts.lastFailure;
  }

  /** The peer as last announced. */
  nodeOf(peerId: string): TailnetNode | undefined {
    return this.#news.nodeOf(peerId);
  }

  /** Whether a handshake with the peer may begin. */
  isReady(peerId: string): boolean {
    return this.#news.isReady(peerId);
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

  /** Waits no longer: a connection that is older than the machine's sleep, or than its network, is not worth a wait. */
  handleWake(now: Instant): void {
    this.#attempts.noteWake();
    this.#stopMaps(); // begins again with the next connection
    if (this.#state.kind === "dialling" || this.#state.kind === "connected") {
      this.#hangUp(this.#state.link);
      this.#lose({ kind: "closed", message: "this machine slept" }, now);
    }
    if (this.#state.kind === "waiting") this.#state = { kind: "waiting", until: now };
  }

  /** Leaves for good: `hangUp` and `closed` follow within a second. */
  disconnect(now: Instant): void {
    switch (this.#state.kind) {
      case "over":
        return;
      case "connected":
        this.#isLeaving = true;
        this.#state.session.disconnect(now);
        return this.#pumpSession(now);
      case "dialling":
        this.#hangUp(this.#state.link);
        return this.#finish({ kind: "closed" });
      case "waiting":
        return this.#finish({ kind: "closed" });
      default:
        return assertNever(this.#state);
    }
  }

  handleLineOpened(line: Line, _target: LineTarget | undefined, now: Instant): void {
    this.#maps?.handleLineOpened(line);
    const link = this.#linkOf(line);
    link?.handleOpened();
    if (link !== undefined) this.#pumpLink(link, now);
  }

  handleLineBytes(line: Line, chunk: Uint8Array, now: Instant): void {
    if (this.#maps?.owns(line) === true) {
      this.#maps.handleLineBytes(line, chunk, now);
      return this.#drainMaps();
    }
    const link = this.#linkOf(line);
    if (link === undefined) return;
    const wasOpen = link.isOpen;
    link.handleBytes(chunk);
    this.#pumpLink(link, now);
    if (wasOpen && this.#linkOf(line) !== undefined) this.#noteLife(now);
  }

  handleLineWritten(): boolean {
    return false;
  }

  handleLineClosed(line: Line, reason: string, now: Instant): void {
    if (this.#maps?.owns(line) === true) {
      this.#maps.handleLineClosed(line, reason, now);
      return this.#drainMaps();
    }
    const link = this.#linkOf(line);
    if (link === undefined) return;
    link.handleEnd();
    this.#pumpLink(link, now); // a refusal whose body ended with the connection
    if (this.#linkOf(line) !== undefined) this.#lose({ kind: "unreachable", message: reason }, now);
  }

  handleTimeout(now: Instant): void {
    this.#news.handleTimeout(now);
    this.#drainNews();
    this.#maps?.handleTimeout(now);
    this.#drainMaps();
    for (let due = this.#deadlines.pop(now); due !== undefined; due = this.#deadlines.pop(now)) {
      switch (due) {
        case "silence":
          this.#giveUpSilence(now);
          break;
        default:
          assertNever(due);
      }
    }
    if (this.#state.kind === "connected") {
      this.#state.session.handleTimeout(now);
      this.#pumpSession(now);
    } else if (this.#state.kind === "waiting" && this.#state.until <= now) this.#dial(now);
  }

  pollTimeout(): Instant | undefined {
    const own = earlier(this.#ownTimeout(), this.#maps?.pollTimeout());
    return this.#state.kind === "over"
      ? undefined
      : earlier(earlier(own, this.#deadlines.next()), this.#news.pollTimeout());
  }

  /** Moves what must leave into the line. */
  pump(): void {
    if (this.#state.kind === "connected") flush(this.#state.session, this.#state.link);
  }

  pollEvent(): CoordinatorEvent | undefined {
    return this.#events.shift();
  }

  #ownTimeout(): Instant | undefined {
    switch (this.#state.kind) {
      case "waiting":
        return this.#state.until;
      case "connected":
        return this.#state.session.pollTimeout();
      case "dialling":
      case "over":
        return undefined;
      default:
        return assertNever(this.#state);
    }
  }

  #linkOf(line: Line): CoordinatorLink | undefined {
    const state = this.#state;
    if (state.kind !== "dialling" && state.kind !== "connected") return undefined;
    return state.link === line ? state.link : undefined;
  }

  #dial(now: Instant): void {
    const link = makeLink(this.#attempts.protocol, this.#options.at, {
      resumeToken: this.#attempts.resumeToken(now),
      random: this.#options.random,
    });
    this.#state = { kind: "dialling", link };
    this.#deadlines.set("silence", now + SILENCE_MS);
    this.#events.push({ kind: "dial", line: link });
  }

  #pumpLink(link: CoordinatorLink, now: Instant): void {
    while (this.#linkOf(link) !== undefined) {
      const event = link.pollEvent();
      if (event === undefined) return;
      this.#handleLinkEvent(link, event, now);
    }
  }

  #handleLinkEvent(link: CoordinatorLink, event: CoordinatorLinkEvent, now: Instant): void {
    switch (event.kind) {
      case "open":
        return this.#connected(link, now);
      case "data":
        return this.#handleData(event.bytes, now);
      case "refused":
        this.#hangUp(link);
        return this.#lose(event, now);
      case "closed":
        this.#hangUp(link);
        this.#attempts.noteClosed();
        return this.#lose(event, now);
      default:
        return assertNever(event);
    }
  }

  #handleData(bytes: Uint8Array, now: Instant): void {
    const [first] = bytes;
    if (this.#state.kind !== "connected" || first === undefined) return;
    if (!this.#state.hasSpoken) {
      this.#state.hasSpoken = true;
      if (!this.#attempts.handleFirstByte(first)) return this.#turn(this.#state, now);
    }
    this.#state.session.handleBytes(bytes, now);
    this.#pumpSession(now);
  }

  /** The server speaks the other coordination. */
  #turn(state: Extract<State, { kind: "connected" }>, now: Instant): void {
    this.#attempts.turn();
    this.#stopMaps();
    this.#hangUp(state.link);
    this.#lose({ kind: "closed", message: "it speaks another version of the protocol" }, now);
  }

  /** A coordinator of JSON did something, if only a ping. */
  #noteLife(now: Instant): void {
    if (this.#attempts.protocol !== "v1") return;
    this.#attempts.noteHeard();
    this.#deadlines.set("silence", now + JSON_SILENCE_MS);
  }

  #connected(link: CoordinatorLink, now: Instant): void {
    const { protocol } = this.#attempts;
    this.#attempts.noteConnected();
    if (protocol === "v1") {
      this.#news.expectNoReady();
      this.#deadlines.set("silence", now + JSON_SILENCE_MS);
      // A coordinator that is known to speak JSON has no more to say until there is an agent.
      if (this.#options.protocol === "v1") this.#attempts.noteHeard();
      this.#startMaps(now);
    } else if (this.hasHeard) {
      // Later connections are judged by the keepalives inside; before the first word from there, silence is silence.
      this.#deadlines.clear("silence");
    }
    const session = makeSession(protocol, {
      tunnels: [...this.#tunnels],
      ...(this.#node === undefined ? {} : { node: this.#node }),
      wantsResumeToken: !this.#isAgent,
    }, now);
    this.#state = { kind: "connected", link, session, since: now, hasSpoken: false };
    this.#events.push({ kind: "connected" });
  }

  #startMaps(now: Instant): void {
    const { at, random } = this.#options;
    if (at.kind !== "websocket") return;
    this.#maps ??= new MapSocket({ deploymentUrl: at.deploymentUrl, headers: at.headers, random });
    this.#maps.start(now);
    this.#drainMaps();
  }

  #stopMaps(): void {
    this.#maps?.stop();
    this.#drainMaps();
  }

  #drainMaps(): void {
    for (let e = this.#maps?.pollEvent(); e !== undefined; e = this.#maps?.pollEvent()) {
      switch (e.kind) {
        case "dial":
        case "hangUp":
          this.#events.push(e);
          break;
        case "derpMap":
          this.#news.handleMap(e.map);
          break;
        case "absent":
          // What the first connection finds, the caller has asked for a moment ago.
          if (this.#attempts.connections > 1) this.#events.push({ kind: "mapWanted" });
          break;
        default:
          assertNever(e);
      }
    }
    this.#drainNews();
  }

  #giveUpSilence(now: Instant): void {
    if (this.#state.kind !== "dialling" && this.#state.kind !== "connected") return;
    this.#hangUp(this.#state.link);
    this.#lose({ kind: "unreachable", message: "accepts connections but says nothing" }, now);
  }

  /** The line is to be closed once it has said what it holds; its end need not be told. */
  #hangUp(link: CoordinatorLink): void {
    this.#events.push({ kind: "hangUp", line: link });
  }

  /** The connection is gone, or never was. */
  #lose(reason: DisconnectReason, now: Instant): void {
    this.#deadlines.clearAll();
    if (this.#state.kind === "dialling") this.#follow(this.#attempts.judgeDial(reason), now);
    else if (this.#state.kind === "connected") {
      const message = reason.kind === "refused" ? `HTTP status ${reason.status}` : reason.message;
      this.#handleConnectionEnd(this.#state, message, now);
    }
  }

  get #isAgent(): boolean {
    return this.#options.role === "agent";
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
    this.#drainNews();
  }

  #handleSessionEvent(
    state: Extract<State, { kind: "connected" }>,
    event: SessionEvent,
    now: Instant,
  ): void {
    switch (event.kind) {
      case "peerUpdate":
        this.#news.handleUpdate(event.update, now);
        return;
      case "derpMap":
        this.#news.handleMap(event.map);
        return;
      case "resumeToken":
        this.#attempts.noteResumeToken(event.resumeToken);
        return;
      case "serverError":
        this.#events.push({ kind: "serverError", text: event.text });
        if (event.isPermanent) this.#attempts.notePermanentError(event.text);
        return;
      case "ended":
        this.#drainNews();
        flush(state.session, state.link);
        state.link.close();
        this.#hangUp(state.link);
        this.#deadlines.clearAll();
        if (event.end.kind === "failed") this.#handleConnectionEnd(state, event.end.message, now);
        else this.#finish({ kind: "closed" });
        return;
      default:
        return assertNever(event);
    }
  }

  #handleConnectionEnd(
    state: Extract<State, { kind: "connected" }>,
    message: string,
    now: Instant,
  ): void {
    if (this.#isLeaving) return this.#finish({ kind: "closed" });
    this.#news.handleConnectionLost(message);
    const verdict = this.#attempts.judgeConnection(message, now - state.since);
    if (verdict.kind === "giveUp") this.#drainNews(); // nothing is told after the end
    this.#follow(verdict, now);
    this.#drainNews();
  }

  #follow(verdict: Verdict, now: Instant): void {
    const { message, failure } = verdict;
    if (verdict.kind === "giveUp") return this.#finish({ kind: "failed", message, failure });
    const { delayMs, failedAttempts } = verdict;
    const retryAt = now + delayMs;
    this.#state = { kind: "waiting", until: retryAt };
    this.#events.push({ kind: "disconnected", message, failure, retryAt, failedAttempts });
  }

  #finish(event: CoordinatorEvent): void {
    this.#stopMaps();
    this.#state = { kind: "over" };
    this.#events.push(event);
  }

  /** Keeps the news in their place among our events. */
  #drainNews(): void {
    for (let e = this.#news.pollEvent(); e !== undefined; e = this.#news.pollEvent()) {
      this.#noteHeard();
      this.#events.push(e);
    }
  }

  #noteHeard(): void {
    this.#attempts.noteHeard();
    if (this.#attempts.protocol === "v2") this.#deadlines.clear("silence");
  }
}

function flush(session: CoordinationSession, link: CoordinatorLink): void {
  if (!link.isOpen) return;
  for (let m = session.pollTransmit(); m !== undefined; m = session.pollTransmit()) link.send(m);
}
