/** What a connection owes to the wire: each debt at most once, until `transmit.ts` pays it or something makes it void. */

export const Debt = {
  /** Our SYN, or our answer to the peer's. */
  syn: 1,
  /** An ACK; whatever leaves next pays it. */
  ack: 2,
  /** One lost segment, whatever the window says (RFC 6675 §5 step 4.3). */
  retransmit: 4,
  /** RFC 8985 §7.3 */
  tailProbe: 8,
  /** A segment in spite of silly-window avoidance (RFC 9293 §3.8.6.2.1). */
  smallSegment: 16,
  /** A segment that asks for the window and carries nothing (RFC 9293 §3.8.6.1). */
  zeroWindowProbe: 32,
  /** A segment that asks for a sign of life and carries nothing (RFC 9293 §3.8.4). */
  keepaliveProbe: 64,
} as const;
export type Debt = (typeof Debt)[keyof typeof Debt];

export class Owed {
  #debts = 0;

  get isNothing(): boolean {
    return this.#debts === 0;
  }

  owe(debt: Debt): void {
    this.#debts |= debt;
  }

  has(debt: Debt): boolean {
    return (this.#debts & debt) !== 0;
  }

  /** It was paid, or nobody wants it any more. */
  drop(debt: Debt): void {
    this.#debts &= ~debt;
  }

  /** Drops the debt; whether there was one. */
  take(debt: Debt): boolean {
    const had = this.has(debt);
    this.drop(debt);
    return had;
  }

  dropAll(): void {
    this.#debts = 0;
  }
}
