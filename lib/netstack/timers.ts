/**
 * All timers of a connection in one table of deadlines (the idea of `lib/base/deadlines.ts`, in an array of numbers
 * because the retransmission timer moves with every ACK).
 */
import type { Instant } from "../base/core.ts";

export const TcpTimer = {
  /** When to send a tail loss probe (RFC 8985 §7). Goes before a timeout of the same instant, and puts it off. */
  tailProbe: 0,
  /** When to take everything in flight for lost (RFC 6298 §5), SYN and FIN included. */
  retransmit: 1,
  /** When a segment overtaken by later ones is lost rather than late (RFC 8985 §6.2, step 5). */
  reorder: 2,
  /** When to ask a peer with a closed window, or to override silly-window avoidance (RFC 9293 §3.8.6). */
  persist: 3,
  /** When to see whether a silent peer is there (RFC 9293 §3.8.4). */
  keepalive: 4,
  /** When the burst budget allows the next segment. */
  pace: 5,
  /** When to forget the connection (RFC 9293 §3.6.1, shortened). */
  timeWait: 6,
  /** When to drop a held SYN that nobody decided about. */
  held: 7,
  /** When to open a window that was closed to be asked for it (`outage.ts`), though nobody asked. */
  reopen: 8,
  /** When to acknowledge more of what came (`ack_pacing.ts`). */
  paceAck: 9,
  /** When to acknowledge once more what came again (`repeated_ack.ts`). */
  repeatAck: 10,
} as const;
export type TcpTimer = (typeof TcpTimer)[keyof typeof TcpTimer];

const TIMER_COUNT = 11;
const TIMERS: readonly TcpTimer[] = Object.values(TcpTimer);

export class TcpTimers {
  readonly #at = new Float64Array(TIMER_COUNT).fill(Infinity);

  set(timer: TcpTimer, at: Instant): void {
    this.#at[timer] = at;
  }

  clear(timer: TcpTimer): void {
    this.#at[timer] = Infinity;
  }

  clearAll(): void {
    this.#at.fill(Infinity);
  }

  isSet(timer: TcpTimer): boolean {
    return this.#at[timer] !== Infinity;
  }

  /** `Infinity` when not set. */
  get(timer: TcpTimer): Instant {
    return this.#at[timer] ?? Infinity;
  }

  /** The earliest deadline; `Infinity` when none is set. */
  next(): Instant {
    let earliest = Infinity;
    for (let i = 0; i < TIMER_COUNT; i++) {
      const at = this.#at[i] ?? Infinity;
      if (at < earliest) earliest = at;
    }
    return earliest;
  }

  /** Clears and returns a timer that is due, the earliest first. */
  pop(now: Instant): TcpTimer | undefined {
    let due: TcpTimer | undefined;
    let dueAt = Infinity;
    for (const timer of TIMERS) {
      const at = this.get(timer);
      if (at <= now && at < dueAt) {
        due = timer;
        dueAt = at;
      }
    }
    if (due !== undefined) this.clear(due);
    return due;
  }
}
