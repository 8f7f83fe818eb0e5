/**
 * The connections to one relay: the one that is used, those that are being made, and those that were replaced a moment ago.
 *
 * A connection that is doubted (`derp/liveness.ts`) is kept and used while another is made beside it, with a new attempt each
 * second: the kernel's own attempts back off, so that after a cut of ten seconds the old connection is back many seconds
 * later than a new one. Whichever answers first is the one to go on with.
 * Not here: how often all relays may be dialled together, and which relays are wanted (`relays.ts`).
 */
import { type Instant, type Random, randomFraction } from "../base/core.ts";
import { earlier } from "../base/deadlines.ts";
import { TokenBucket } from "../base/token_bucket.ts";
import type { RelayLink, RelayTransport } from "./relay_link.ts";

interface Attempt {
  readonly link: RelayLink;
  readonly since: Instant;
}

/** What became of a connection, for whoever knows more relays than this one. */
export type RelayNews =
  | { readonly kind: "hangUp"; readonly link: RelayLink }
  /** The connection that was doubted answers again. */
  | { readonly kind: "back" }
  /** It never let us in, or not for long. */
  | { readonly kind: "hopeless"; readonly reason: string };

/** For name resolution, TCP, TLS, upgrade and login together, as the official client. */
const CONNECT_BUDGET_MS = 10_000;
/** The next attempt while an earlier one has not answered: when nobody ever answered, and when somebody did. */
const FIRST_BESIDE_MS = 3_000;
const BESIDE_MS = 1_000;
/** Connections that are being made at a time; the oldest gives way, after four seconds at least. */
const MAX_ATTEMPTS = 4;
/** A connection that stands and does not answer the upgrade for so long leads to the other kind of upgrade. */
const SILENT_UPGRADE_MS = 2_500;
/** Waits after the first attempts that failed: three within five seconds, then the user is told. */
const FIRST_ATTEMPT_DELAYS_MS: readonly number[] = [1_000, 2_000];
const MAX_FIRST_ATTEMPTS = 3;
/** A relay that says nothing for so long at first is told of. */
const FIRST_WORD_MS = 12_000;
/** A relay that restarts is back by then. */
const LONG_OUTAGE_MS = 30_000;
/** In so long an outage agents have given up what they had to say: from then on seldom attempts are enough. */
const EAGER_MS = 60_000;
const RETRY_STEP_MS = 10;
const EAGER_RETRY_MS = 1_000;
const MAX_RETRY_MS = 5_000;
/** Dials of one relay: enough for a relay that restarts in a loop, then one a second. */
const DIALS = { burstTokens: 5, tokensPerSecond: 1 };
/** A connection that lasted so long may be dialled again at once; one that did not is not dialled in a frenzy. */
const STABLE_MS = 5_000;
/** What is still on its way in a connection that was replaced is read for so long. */
const RETIRED_MS = 5_000;
const NOTHING_SAID = "accepts connections but says nothing";

/** How relays are to be reached. */
export interface RelayWay {
  /** By websocket only. */
  readonly forcesWebsocket: boolean;
  /** By websocket first. @default by the other upgrade */
  readonly beginsWithWebsocket?: boolean;
}

export interface RelayOptions extends RelayWay {
  readonly region: number;
  readonly random: Random;
}

export class Relay {
  readonly region: number;
  readonly budget = new TokenBucket(DIALS, -Infinity);
  lastFailure: string | undefined;
  /** When another connection is to be dialled; `undefined` while none is wanted. */
  dialAt: Instant | undefined;
  readonly #random: Random;
  /** The relay, or something before it, refused `Upgrade: DERP` for good; or the deployment does. */
  #wantsWebsocket: boolean;
  readonly #news: RelayNews[] = [];
  #current: Attempt | undefined;
  readonly #attempts: Attempt[] = [];
  #retired: { readonly link: RelayLink; readonly until: Instant }[] = [];
  /** Since a connection last lasted. */
  #failures = 0;
  #hasBeenReady = false;
  /** Since when there is no connection that works: the first attempt, or the first doubt or loss after there was one. */
  #downSince: Instant | undefined;
  #isSilenceTold = false;
  /** What let us in last; what is tried first, before anything did. */
  #transport: RelayTransport;
  #firstTransport: RelayTransport | undefined;
  /** The next attempt takes the other kind of upgrade. */
  #isOthersTurn = false;

  constructor(options: RelayOptions, now: Instant) {
    this.region = options.region;
    this.#random = options.random;
    this.#wantsWebsocket = options.forcesWebsocket;
    this.#transport = firstOf(options);
    this.dialAt = now;
  }

  get state(): "connecting" | "ready" | "waiting" {
    if (this.#current !== undefined) return "ready";
    return this.#attempts.length > 0 ? "connecting" : "waiting";
  }

  /** By which kind of upgrade it first let us in, when all that were tried before had failed; `undefined`: not yet. */
  get firstTransport(): RelayTransport | undefined {
    return this.#firstTransport;
  }

  /** What packets can be sent on. */
  get link(): RelayLink | undefined {
    return this.#current?.link;
  }

  /** One that is being made, on which packets can be sent: what was said of us may yet be refused. */
  get introducedLink(): RelayLink | undefined {
    return this.#attempts.find(({ link }) => link.isReady)?.link;
  }

  /** Everything that carries bytes, or will. */
  *links(): Iterable<RelayLink> {
    if (this.#current !== undefined) yield this.#current.link;
    for (const { link } of this.#attempts) yield link;
    for (const { link } of this.#retired) yield link;
  }

  /** How the next connection is to be made. */
  nextTransport(): RelayTransport {
    if (this.#wantsWebsocket) return "websocket";
    if (!this.#isOthersTurn) return this.#transport;
    return this.#transport === "upgrade" ? "websocket" : "upgrade";
  }

  /** A connection is being made. */
  handleDialled(link: RelayLink, now: Instant): void {
    this.#downSince ??= now;
    this.#isOthersTurn = false;
    if (this.#attempts.length === MAX_ATTEMPTS) this.#giveWay(now);
    this.#attempts.push({ link, since: now });
    this.dialAt = now + this.#besideMs(now);
  }

  /** Whether `link` is one that was being made. */
  handleReady(link: RelayLink, now: Instant): boolean {
    const at = this.#attempts.findIndex((attempt) => attempt.link === link);
    if (at < 0) return false;
    this.#attempts.splice(at, 1);
    if (this.#current !== undefined) {
      this.#current.link.retire();
      this.#retired.push({ link: this.#current.link, until: now + RETIRED_MS });
    }
    this.#current = { link, since: now };
    this.#hasBeenReady = true;
    this.#transport = link.transport;
    this.#firstTransport ??= link.transport;
    this.#settle();
    return true;
  }

  /** The connection of `link` ended, was refused, or could not be made; `reason` is one line without a full stop. */
  handleClosed(link: RelayLink, reason: string, now: Instant): void {
    this.#retired = this.#retired.filter((retired) => retired.link !== link);
    if (this.#current?.link === link) {
      if (now - this.#current.since >= STABLE_MS) this.#failures = 0;
      this.#current = undefined;
      this.lastFailure = link.closedReason ?? reason;
      this.#downSince ??= now;
      return this.#handleFailure(now);
    }
    const at = this.#attempts.findIndex((attempt) => attempt.link === link);
    if (at < 0) return;
    this.#attempts.splice(at, 1);
    link.handleEnd();
    this.lastFailure = link.closedReason ?? reason;
    const status = link.refusal?.status ?? 0;
    // A relay or proxy that knows no `Upgrade: DERP`: the websocket goes through nearly everywhere.
    if (link.transport === "upgrade" && status >= 400 && status < 500) this.#wantsWebsocket = true;
    // A reset or a server's error may be about the upgrade as well.
    else if (link.transport === this.#transport && link.wasOpened) this.#isOthersTurn = true;
    else return this.#handleFailure(now);
    if (link.transport !== this.nextTransport()) this.dialAt = now;
    else this.#handleFailure(now);
  }

  /** All is to be made anew, elsewhere. */
  reset(now: Instant, way: RelayWay): void {
    this.close();
    this.#wantsWebsocket = way.forcesWebsocket;
    this.#transport = firstOf(way);
    this.#firstTransport = undefined;
    this.#failures = 0;
    this.dialAt = now;
  }

  /** The machine slept, or its network is another: the connection is asked, and another made at once. */
  handleWake(now: Instant): void {
    this.#failures = 0;
    this.#current?.link.probe(now, { limitMs: CONNECT_BUDGET_MS, doubtMs: 0 });
    this.#downSince = now;
    this.dialAt = now;
  }

  /** Hangs up everything. */
  close(): void {
    this.#callOff(this.#attempts.splice(0));
    for (const { link } of this.#retired.splice(0)) this.#hangUp(link);
    if (this.#current !== undefined) this.#hangUp(this.#current.link);
    this.#current = undefined;
    this.dialAt = undefined;
  }

  handleTimeout(now: Instant): void {
    this.#current?.link.handleTimeout(now);
    for (const { link, since } of [...this.#attempts]) {
      if (since + CONNECT_BUDGET_MS > now) continue;
      this.handleClosed(link, NOTHING_SAID, now);
      this.#hangUp(link);
    }
    const over = this.#retired.filter(({ until }) => until <= now);
    this.#retired = this.#retired.filter(({ until }) => until > now);
    for (const { link } of over) this.#hangUp(link);
    if ((this.#tellSilenceAt() ?? Infinity) <= now) this.#tellHopeless();
    if ((this.dialAt ?? Infinity) <= now) this.#chooseOther(now);
  }

  pollTimeout(): Instant | undefined {
    let next = earlier(earlier(this.dialAt, this.#tellSilenceAt()), this.link?.pollTimeout());
    for (const { since } of this.#attempts) next = earlier(next, since + CONNECT_BUDGET_MS);
    for (const { until } of this.#retired) next = earlier(next, until);
    return next;
  }

  /** What follows from what the connections found out themselves: doubt, life, an end. */
  review(now: Instant): void {
    for (let link = this.#ended(); link !== undefined; link = this.#ended()) {
      this.handleClosed(link, link.closedReason ?? NOTHING_SAID, now);
      this.#hangUp(link);
    }
    if (this.#current === undefined) return;
    if (!this.#current.link.isDoubted) {
      if (this.#downSince === undefined) return;
      this.#news.push({ kind: "back" });
      return this.#settle();
    }
    this.#downSince ??= now;
    this.dialAt ??= now;
  }

  pollNews(): RelayNews | undefined {
    return this.#news.shift();
  }

  /** A connection that ended by itself and was not dealt with yet. */
  #ended(): RelayLink | undefined {
    if (this.link?.closedReason !== undefined) return this.link;
    return (this.#attempts.find(hasEnded) ?? this.#retired.find(hasEnded))?.link;
  }

  /** There is a connection that works: nothing else is wanted. */
  #settle(): void {
    this.#callOff(this.#attempts.splice(0));
    this.#downSince = undefined;
    this.dialAt = undefined;
  }

  #callOff(attempts: readonly Attempt[]): void {
    for (const { link } of attempts) this.#hangUp(link);
  }

  #hangUp(link: RelayLink): void {
    link.abandon();
    link.wipe();
    this.#news.push({ kind: "hangUp", link });
  }

  /** The oldest attempt makes room for another. */
  #giveWay(now: Instant): void {
    const oldest = this.#attempts.splice(0, 1);
    this.lastFailure = oldest[0]?.link.wasOpened === true ? NOTHING_SAID : "does not answer";
    this.#callOff(oldest);
    if (this.#hasBeenReady && this.#downMs(now) >= LONG_OUTAGE_MS) this.#tellHopeless();
  }

  #tellHopeless(): void {
    this.#isSilenceTold = true;
    this.#news.push({ kind: "hopeless", reason: this.lastFailure ?? NOTHING_SAID });
  }

  #downMs(now: Instant): number {
    return now - (this.#downSince ?? now);
  }

  /** An attempt that was answered by nobody but the kernel: the next one asks in the other way. */
  #chooseOther(now: Instant): void {
    const last = this.#attempts.at(-1);
    if (last === undefined || !last.link.wasOpened || now - last.since < SILENT_UPGRADE_MS) return;
    this.#isOthersTurn = last.link.transport === this.#transport;
  }

  #handleFailure(now: Instant): void {
    this.#failures++;
    const downMs = this.#downMs(now);
    const isHopeless = this.#hasBeenReady
      ? downMs >= LONG_OUTAGE_MS
      : this.#failures >= MAX_FIRST_ATTEMPTS;
    if (isHopeless) this.#tellHopeless();
    const retryAt = now + this.#retryDelayMs(downMs);
    this.dialAt = this.#attempts.length === 0 ? retryAt : earlier(this.dialAt, retryAt);
  }

  #retryDelayMs(downMs: number): number {
    if (!this.#hasBeenReady) return FIRST_ATTEMPT_DELAYS_MS[this.#failures - 1] ?? MAX_RETRY_MS;
    const steps = this.#failures * this.#failures * RETRY_STEP_MS;
    const mostMs = downMs < EAGER_MS ? EAGER_RETRY_MS : MAX_RETRY_MS;
    return Math.min(steps, mostMs) * (0.5 + 0.5 * randomFraction(this.#random));
  }

  #besideMs(now: Instant): number {
    if (!this.#hasBeenReady) return FIRST_BESIDE_MS;
    return this.#downMs(now) < EAGER_MS ? BESIDE_MS : MAX_RETRY_MS;
  }

  #tellSilenceAt(): Instant | undefined {
    if (this.#hasBeenReady || this.#isSilenceTold || this.#downSince === undefined) {
      return undefined;
    }
    return this.#downSince + FIRST_WORD_MS;
  }
}

function firstOf({ beginsWithWebsocket = false }: RelayWay): RelayTransport {
  return beginsWithWebsocket ? "websocket" : "upgrade";
}

function hasEnded({ link }: { readonly link: RelayLink }): boolean {
  return link.closedReason !== undefined;
}
