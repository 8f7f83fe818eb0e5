/**
 * Whether the bulk goes to a peer straight or over the relay, by what comes forward on either: a direct path that loses at
 * random keeps TCP small, the agent's above all, where a relay that loses nothing would carry many times as much.
 *
 *   free ── a bulk that loses, or is stuck ───▶ trial ── the relay carries more ──▶ held
 *    ▲                                            │                                  │
 *    ├──────────── it does not: not again soon ───┘                                  │
 *    └── the path answers all pings for long, the relay is silent or got slow, nothing flows ──┘
 *
 * Losses say that a comparison is worth its price, a moment of slowness; bytes that were acknowledged decide it. A burst of
 * losses is none that goes on, nor is a narrow path's own loss a reason to stay away: there the relay brings no more. Where a bulk
 * stands still although something is waited for, nothing is lost that could be counted, as nothing is sent: then that is the reason.
 */
import type { Instant } from "../../base/core.ts";

/** What was counted since the beginning; only differences matter. */
export interface PathFacts {
  /** Bytes that came forward, ours that were acknowledged and the peer's without holes. */
  readonly bytes: number;
  /** Packets that were sent, by both. */
  readonly packets: number;
  /** Those of them that did not arrive, as far as is known. */
  readonly lost: number;
  /** Whether something of ours is not acknowledged, or something of the peer's is known to be missing. */
  readonly isWaiting: boolean;
  /** Whether a direct path is in use now. */
  readonly isDirect: boolean;
  /** Whether the peer can be reached over a relay now. */
  readonly hasRelay: boolean;
  /** When the peer was heard last, and when something was sent to it. */
  readonly heardAt: Instant;
  readonly sentAt: Instant;
  /** Pings in a row that were answered on the path that is held back. */
  readonly answers: number;
}

export type ChoiceVerdict =
  /** Nothing goes straight from now on. */
  | "hold"
  /** The direct path may be used again. */
  | "release";

interface Span {
  readonly ms: number;
  readonly bytes: number;
  readonly packets: number;
  readonly lost: number;
}

type State =
  | { readonly kind: "free" }
  | {
    readonly kind: "trial";
    readonly since: Instant;
    readonly directRate: number;
    readonly isRescue: boolean;
  }
  | { readonly kind: "held"; readonly directRate: number; flowedAt: Instant };

/** Between two looks. */
export const LOOK_EVERY_MS = 500;
/** What happened is judged by the last of it. */
const MEMORY_MS = 8_000;
/** After a change of ways packets overtake each other: nothing is counted. */
const SETTLE_MS = 1_000;
/** A bulk: keystrokes and what they print stay below. */
const BULK_BYTES = 96 * 1024;
const MIN_PACKETS = 100;
/** Losses that TCP does not take for a reason to halve what it sends all the time. */
const LOSS_RATE = 0.008;
const MIN_LOST = 4;
/** Losses that go on are seen in so many looks, and no look has most of them. */
const LOSSY_LOOKS = 4;
const BURST_SHARE = 0.6;
/** And of the looks that as many losses at random would be seen in (Poisson's law), most see some. */
const STEADY_SHARE = 0.6;
/** Fewer losses are a reason where they are seen for so long, and keep the bulk slow. */
const SLIGHT_LOSS_RATE = 0.003;
const SLIGHT_LOOKS = 6;
const SLOW_RATE = 1_000;
/**
 * A bulk is stuck when nothing comes forward for so long although something is waited for: a TCP whose repairs are lost as well
 * waits 200 ms, twice as long, and so on. Where neither way carried anything, they are tried in turns.
 */
const STUCK_MS = 2_000;
const STUCK_REST_MS = 10_000;
/** What the relay must carry to be better than nothing. */
const LEAST_RATE = 1;

/** TCP may take so long to find out what the relay carries; one that is far from the path's rate after half of it has lost. */
const TRIAL_MS = 12_000;
const HALF_TRIAL_MS = 6_000;
/** Bytes in a millisecond: what loses at such a rate are full buffers, and a trial would cost more than it could bring. */
const ENOUGH_RATE = 4_000;
/** The relay has won when it carries so much more: at once, or in the end. */
const CLEAR_GAIN = 2;
const GAIN = 1.25;
const FAR_BELOW = 0.8;
/** It has lost at once when it carries so much less and no more than the second before: it is on its way nowhere. */
const HOPELESS = 0.3;
const CLEAR_MS = 1_000;
const END_MS = 3_000;
/**
 * A trial that brought nothing is not made again within this, twice as long each time; where the path has come to carry much
 * less than the relay did, only within the least of it.
 */
const FIRST_REST_MS = 30_000;
const MAX_REST_MS = 600_000;
const MUCH_LESS = 1.5;

/** Pings in a row after which a path counts as mended, twice as many each time that it was not. */
const FIRST_ANSWERS = 60;
const MAX_ANSWERS = 480;
/** A path that lasts so long after it was taken again was mended. */
const MENDED_MS = 300_000;
/** A held path is let go when nothing flows for so long: whoever types has the shorter way. */
const IDLE_MS = 60_000;
const IDLE_BYTES = 4_096;
/** The peer was asked something and said nothing, over a relay that perhaps is gone. */
const SILENT_MS = 2_000;
/** A relay that became so much worse than the path was. */
const SLOW = 0.5;

export class PathChoice {
  #state: State = { kind: "free" };
  #spans: Span[] = [];
  #last: PathFacts | undefined;
  #lookedAt: Instant = -Infinity;
  #countsFrom: Instant = -Infinity;
  #restMs = FIRST_REST_MS;
  #restedAt: Instant = -Infinity;
  #restsUntil: Instant = -Infinity;
  /** What the relay carried in the trial that it lost. */
  #triedRate = 0;
  #answersWanted = FIRST_ANSWERS;
  #returnedAt: Instant = -Infinity;
  /** When something came forward last, the way became another, or we began to look. */
  #movedAt: Instant = -Infinity;
  /** Bytes of the last look. */
  #bytes = 0;
  /** A bulk was under way, and since then something was waited for at each look. */
  #isBulk = false;

  get isFree(): boolean {
    return this.#state.kind === "free";
  }

  /** Whether it is time to look again. */
  isDue(now: Instant): boolean {
    return now >= this.#lookedAt + LOOK_EVERY_MS; // as `pollTimeout` says it, to the last bit
  }

  /** When to look again whatever happens; `undefined` while only a flow is a reason. */
  pollTimeout(): Instant | undefined {
    const isFlowing = this.#bytes >= IDLE_BYTES || this.#last?.isWaiting === true;
    return this.isFree && !isFlowing ? undefined : this.#lookedAt + LOOK_EVERY_MS;
  }

  /** Whoever held the path back does so no more for a reason of its own: another network, another peer. */
  handleFreed(now: Instant): void {
    this.#enter({ kind: "free" }, now);
  }

  /** Takes what was counted until now, and says what follows. */
  handleFacts(facts: PathFacts, now: Instant): ChoiceVerdict | undefined {
    this.#count(facts, now);
    const state = this.#state;
    switch (state.kind) {
      case "free":
        return this.#lookAtPath(facts, now);
      case "trial":
        if (isCut(facts, now)) return this.#endTrial(now);
        return this.#lookAtTrial(state, now);
      case "held":
        return this.#lookAtRelay(state, facts, now);
    }
  }

  #count(facts: PathFacts, now: Instant): void {
    const last = this.#last;
    const ms = now - this.#lookedAt;
    this.#last = facts;
    this.#lookedAt = now;
    this.#bytes = facts.bytes - (last?.bytes ?? facts.bytes);
    if (this.#bytes > 0) this.#movedAt = now;
    // The machine slept, or stood still: what did not happen meanwhile tells nothing.
    if (last === undefined || ms > MEMORY_MS) {
      this.#spans = [];
      this.#movedAt = now;
      return;
    }
    if (last.isDirect !== facts.isDirect) {
      this.#spans = [];
      this.#countsFrom = now + SETTLE_MS;
      this.#movedAt = now;
    }
    if (now < this.#countsFrom) return;
    this.#spans.push({
      ms,
      bytes: facts.bytes - last.bytes,
      packets: facts.packets - last.packets,
      lost: facts.lost - last.lost,
    });
    let keptMs = 0;
    let from = this.#spans.length;
    while (from > 0 && keptMs < MEMORY_MS) keptMs += this.#spans[--from]?.ms ?? 0;
    this.#spans.splice(0, from);
    const bytes = this.#spans.reduce((sum, span) => sum + span.bytes, 0);
    this.#isBulk = bytes >= BULK_BYTES || this.#isBulk && facts.isWaiting;
  }

  #lookAtPath(facts: PathFacts, now: Instant): ChoiceVerdict | undefined {
    if (!facts.isDirect || !facts.hasRelay) return undefined;
    if (this.#isStuck(facts, STUCK_MS, now)) {
      if (now < this.#restedAt + STUCK_REST_MS) return undefined;
      this.#enter({ kind: "trial", since: now, directRate: LEAST_RATE, isRescue: true }, now);
      return "hold";
    }
    if (this.#rests(now) || !this.#losesOn()) return undefined;
    const directRate = this.#rateOf(END_MS); // before, there was perhaps a slow start
    if (directRate >= ENOUGH_RATE) return undefined;
    this.#enter({ kind: "trial", since: now, directRate, isRescue: false }, now);
    return "hold";
  }

  /** Whether what was a bulk a moment ago stands still although something is waited for. */
  #isStuck({ isWaiting }: PathFacts, forMs: number, now: Instant): boolean {
    return this.#isBulk && isWaiting && now - this.#movedAt >= forMs;
  }

  #rests(now: Instant): boolean {
    if (now >= this.#restsUntil) return false;
    if (now < this.#restedAt + FIRST_REST_MS || this.#spanMs < MEMORY_MS) return true;
    return MUCH_LESS * this.#rateOf(MEMORY_MS) >= this.#triedRate;
  }

  /** Whether a bulk loses packets here, there and everywhere. */
  #losesOn(): boolean {
    let [bytes, packets, lost, most, lossyLooks] = [0, 0, 0, 0, 0];
    for (const span of this.#spans) {
      bytes += span.bytes;
      packets += span.packets;
      lost += span.lost;
      most = Math.max(most, span.lost);
      if (span.lost > 0) lossyLooks++;
    }
    const looks = this.#spans.length;
    const atRandom = looks * (1 - Math.exp(-lost / looks));
    const isSteady = lossyLooks >= Math.max(LOSSY_LOOKS, STEADY_SHARE * atRandom) &&
      most <= BURST_SHARE * lost;
    if (bytes < BULK_BYTES || packets < MIN_PACKETS || lost < MIN_LOST || !isSteady) return false;
    const isSlight = lost < LOSS_RATE * packets;
    return !isSlight || lost >= SLIGHT_LOSS_RATE * packets && this.#spanMs >= MEMORY_MS &&
        lossyLooks >= SLIGHT_LOOKS && this.#rateOf(MEMORY_MS) < SLOW_RATE;
  }

  #lookAtTrial(state: Extract<State, { kind: "trial" }>, now: Instant): ChoiceVerdict | undefined {
    const { since, directRate, isRescue } = state;
    const isClear = this.#spanMs >= CLEAR_MS && this.#rateOf(CLEAR_MS) >= CLEAR_GAIN * directRate;
    const rate = this.#rateOf(END_MS);
    const lastedMs = now - since;
    if (!isRescue && this.#isHopeless(directRate)) return this.#endTrial(now);
    if (!isClear && rate < GAIN * directRate) {
      // A peer whose TCP waits sends again when its timer says so.
      const isFarBelow = !isRescue && rate < FAR_BELOW * directRate;
      const limitMs = isFarBelow ? HALF_TRIAL_MS : TRIAL_MS;
      return lastedMs < limitMs ? undefined : this.#endTrial(now);
    }
    if (!isClear && lastedMs < HALF_TRIAL_MS) return undefined;
    this.#restMs = FIRST_REST_MS;
    const wasMended = now - this.#returnedAt >= MENDED_MS;
    this.#answersWanted = wasMended
      ? FIRST_ANSWERS
      : Math.min(MAX_ANSWERS, 2 * this.#answersWanted);
    this.#state = { kind: "held", directRate, flowedAt: now };
    return undefined;
  }

  #isHopeless(directRate: number): boolean {
    if (this.#spanMs < 2 * CLEAR_MS) return false;
    const rate = this.#rateOf(CLEAR_MS);
    const before = 2 * this.#rateOf(2 * CLEAR_MS) - rate;
    return rate < HOPELESS * directRate && rate <= GAIN * before;
  }

  #endTrial(now: Instant): ChoiceVerdict {
    this.#triedRate = this.#rateOf(END_MS);
    this.#rest(now);
    this.#enter({ kind: "free" }, now);
    return "release";
  }

  #lookAtRelay(
    state: Extract<State, { kind: "held" }>,
    facts: PathFacts,
    now: Instant,
  ): ChoiceVerdict | undefined {
    const bytes = this.#spans.at(-1)?.bytes ?? 0;
    if (bytes >= IDLE_BYTES) state.flowedAt = now;
    const isMended = facts.answers >= this.#answersWanted;
    const isIdle = now - state.flowedAt >= IDLE_MS;
    const isSlow = this.#isStuck(facts, 2 * STUCK_MS, now) ||
      this.#spanMs >= MEMORY_MS && bytes > 0 && this.#rateOf(MEMORY_MS) < SLOW * state.directRate;
    const isGone = isCut(facts, now);
    if (!isMended && !isIdle && !isSlow && !isGone) return undefined;
    if (isMended) this.#returnedAt = now;
    if (isSlow) {
      this.#triedRate = this.#rateOf(MEMORY_MS);
      this.#rest(now);
    }
    this.#enter({ kind: "free" }, now);
    return "release";
  }

  #rest(now: Instant): void {
    this.#restedAt = now;
    this.#restsUntil = now + this.#restMs;
    this.#restMs = Math.min(MAX_REST_MS, 2 * this.#restMs);
  }

  #enter(next: State, now: Instant): void {
    this.#state = next;
    this.#spans = [];
    this.#countsFrom = now + SETTLE_MS;
    this.#movedAt = now;
  }

  get #spanMs(): number {
    return this.#spans.reduce((sum, { ms }) => sum + ms, 0);
  }

  /** Bytes in a millisecond, over the last `ms` of what was counted. */
  #rateOf(ms: number): number {
    let [bytes, sumMs] = [0, 0];
    for (let i = this.#spans.length - 1; i >= 0 && sumMs < ms; i--) {
      bytes += this.#spans[i]?.bytes ?? 0;
      sumMs += this.#spans[i]?.ms ?? 0;
    }
    return sumMs === 0 ? 0 : bytes / sumMs;
  }
}

/** No relay leads to the peer, or it does not answer. */
function isCut({ hasRelay, heardAt, sentAt }: PathFacts, now: Instant): boolean {
  return !hasRelay || (now - heardAt >= SILENT_MS && sentAt > heardAt);
}
