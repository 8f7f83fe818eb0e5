/**
 * The receiving half of a connection: RCV.NXT, the buffer, what arrived out of order, and the window we advertise
 * (RFC 9293 §3.8.6, RFC 7323 §2). Knows nothing of states and segments.
 *
 * The advertised right edge never moves back, moves on only by a segment or half the buffer (RFC 9293 §3.8.6.2.2), and
 * stays while a hole exists and RCV.NXT does not move: gVisor counts an ACK as a duplicate only if it says the same
 * window as the one before (google/gvisor `pkg/tcpip/transport/tcp/snd.go`, isDupAck).
 */
import { seqAdd, seqDiff, seqGt } from "../base/seq.ts";
import { MAX_WINDOW_SCALE, type TcpHeader } from "../wire/tcp.ts";
import { Assembler } from "./assembler.ts";
import { ByteRing } from "./byte_ring.ts";
import { MAX_DUPLICATE_ACKS_OWED } from "./limits.ts";

const MAX_WINDOW_FIELD = 0xffff;

/** What became of data that was handed in. */
export type Intake = "in-order" | "filled-hole" | "out-of-order" | "refused";

/** A window that is held closed for the peer to ask for it: that is said once, in a segment of its own. */
export type HeldWindow = "open" | "closing" | "closed";

export class ReceiveSpace {
  rcvNxt = 0;
  /** Right edge of the window, as the peer knows it. */
  rcvAdv = 0;
  /** Our shift; 0 unless both sides offered the option. */
  windowShift = 0;
  /** The sequence number of the peer's FIN; meaningful while `isFinKnown`. */
  finSeq = 0;
  isFinKnown = false;
  isFinConsumed = false;
  /** The window is said to be closed, whatever room there is (`outage.ts`); what comes is taken all the same. */
  held: HeldWindow = "open";
  /** Duplicate ACKs owed: out-of-order arrivals since the last ACK. */
  duplicateAcksOwed = 0;
  /** What may be under way to us, besides what the buffer has room for. */
  flightLimitBytes = Infinity;

  readonly #mssBytes: number;
  readonly #ring: ByteRing;
  readonly #assembler = new Assembler();
  /** As the last ACK said it: RCV.NXT, or less of what came (`ack_pacing.ts`). */
  #lastAckSent = 0;
  /** The range each of the duplicate ACKs owed is about, as it was when its segment came. */
  readonly #owedLeft = new Uint32Array(MAX_DUPLICATE_ACKS_OWED);
  readonly #owedRight = new Uint32Array(MAX_DUPLICATE_ACKS_OWED);
  #firstOwed = 0;

  constructor(bufferBytes: number, mssBytes: number) {
    this.#ring = new ByteRing(bufferBytes);
    this.#mssBytes = mssBytes;
  }

  /** The shift to offer: the least that lets the field say the whole buffer (RFC 7323 §2.3). */
  get offeredShift(): number {
    let shift = 0;
    while (shift < MAX_WINDOW_SCALE && MAX_WINDOW_FIELD << shift < this.#ring.limitBytes) shift++;
    return shift;
  }

  /** The window field of a SYN, which is never scaled (RFC 7323 §2.2). */
  get unscaledWindow(): number {
    return Math.min(this.#ring.limitBytes, MAX_WINDOW_FIELD);
  }

  get readableBytes(): number {
    return this.#ring.length;
  }

  get windowBytes(): number {
    return seqDiff(this.rcvAdv, this.rcvNxt);
  }

  /** What a segment acknowledges that says the window of the last call of `advertise`. */
  get acknowledged(): number {
    return this.#lastAckSent;
  }

  /**
   * What came and may be acknowledged in parts: nothing when the peer must hear of all. What an ACK with SACK blocks does not
   * acknowledge counts as lost.
   */
  get pacedBytes(): number {
    if (this.held !== "open" || this.isFinKnown || this.hasHole) return 0;
    return seqDiff(this.rcvNxt, this.#lastAckSent);
  }

  get hasHole(): boolean {
    return !this.#assembler.isEmpty;
  }

  /** Should be called when the peer's initial sequence number is known. */
  begin(irs: number): void {
    this.rcvNxt = seqAdd(irs, 1);
    this.rcvAdv = seqAdd(this.rcvNxt, this.unscaledWindow);
    this.#lastAckSent = this.rcvNxt;
  }

  /** Takes `length` bytes for sequence number `seq`, all of them within the window. Copies. */
  accept(seq: number, source: DataView, offset: number, length: number): Intake {
    const distance = seqDiff(seq, this.rcvNxt);
    if (distance > 0) {
      if (!this.#assembler.insert(seq, seqAdd(seq, length))) return "refused";
      this.#ring.place(this.#ring.length + distance, source, offset, length);
      this.#oweDuplicateAck(seq);
      return "out-of-order";
    }
    this.#ring.place(this.#ring.length, source, offset, length);
    if (this.#assembler.isEmpty) {
      this.#ring.extend(length);
      this.rcvNxt = seqAdd(this.rcvNxt, length);
      return "in-order";
    }
    const next = this.#assembler.advance(seqAdd(this.rcvNxt, length));
    this.#ring.extend(seqDiff(next, this.rcvNxt));
    this.rcvNxt = next;
    return "filled-hole";
  }

  /** Takes the peer's FIN once everything before it arrived; true the one time it does. */
  consumeFin(): boolean {
    if (!this.isFinKnown || this.isFinConsumed || this.rcvNxt !== this.finSeq) return false;
    this.isFinConsumed = true;
    this.rcvNxt = seqAdd(this.rcvNxt, 1);
    if (seqGt(this.rcvNxt, this.rcvAdv)) this.rcvAdv = this.rcvNxt;
    return true;
  }

  read(into: Uint8Array): number {
    return this.#ring.take(into);
  }

  /** Whether the owner has read enough that the peer should hear of it without being asked. */
  isWindowUpdateDue(): boolean {
    if (this.isFinConsumed || this.held !== "open" || this.#isFrozen()) return false;
    const opened = seqDiff(this.#edge(), this.rcvAdv);
    const limit = this.#largestWindow;
    if (opened < Math.min(limit / 2, 2 * this.#mssBytes)) return false;
    return opened >= limit / 4 || this.windowBytes < limit / 4;
  }

  /** The window field for a segment that acknowledges RCV.NXT but for `unsaidBytes`; from then on the peer may fill it. */
  advertise(unsaidBytes = 0): number {
    const isFrozen = this.#isFrozen();
    this.#lastAckSent = seqAdd(this.rcvNxt, -unsaidBytes);
    const edge = isFrozen ? this.rcvAdv : this.#advertisedEdge();
    if (this.held === "closing") {
      this.held = "closed";
      return 0;
    }
    // Rounds down, so the field may say up to 2^shift - 1 less than was promised; data up to the promise is taken
    // all the same (RFC 7323 §2.4).
    const field = seqDiff(edge, this.#lastAckSent) >>> this.windowShift;
    const said = Math.min(field, MAX_WINDOW_FIELD);
    const saidEdge = seqAdd(this.#lastAckSent, said << this.windowShift);
    if (seqGt(saidEdge, this.rcvAdv)) this.rcvAdv = saidEdge;
    return said;
  }

  /**
   * Fills in the SACK blocks of the next duplicate ACK owed and counts it down. Each of them names what was new with
   * its segment and no more, for gVisor ignores a duplicate that says nothing new; the last one says all.
   * False when nothing is left to say.
   */
  takeDuplicateAck(header: TcpHeader): boolean {
    const owed = this.duplicateAcksOwed;
    if (owed === 0) return false;
    const index = this.#firstOwed;
    this.duplicateAcksOwed = owed - 1;
    this.#firstOwed = owed === 1 ? 0 : index + 1;
    if (this.#assembler.isEmpty) return false;
    if (owed === 1) {
      this.#assembler.writeSackBlocks(header);
      return true;
    }
    if (!seqGt(this.#owedLeft[index] ?? 0, this.rcvNxt)) return false; // below RCV.NXT it would be a DSACK
    header.sackLeft[0] = this.#owedLeft[index] ?? 0;
    header.sackRight[0] = this.#owedRight[index] ?? 0;
    header.sackCount = 1;
    return true;
  }

  /** SACK blocks for an ACK that is owed for another reason. */
  writeSackBlocks(header: TcpHeader): void {
    this.#assembler.writeSackBlocks(header);
  }

  /** Forgets out-of-order data, when nothing more can come. What is in order stays readable. */
  dropOutOfOrder(): void {
    this.#assembler.clear();
    this.duplicateAcksOwed = 0;
    this.#firstOwed = 0;
  }

  #oweDuplicateAck(seq: number): void {
    const end = this.#firstOwed + this.duplicateAcksOwed;
    // When there are too many the last one, which says all, stands for the rest.
    const index = Math.min(end, MAX_DUPLICATE_ACKS_OWED - 1);
    const range = this.#assembler.indexOf(seq);
    this.#owedLeft[index] = this.#assembler.leftOf(range);
    this.#owedRight[index] = this.#assembler.rightOf(range);
    if (end < MAX_DUPLICATE_ACKS_OWED) this.duplicateAcksOwed++;
  }

  #isFrozen(): boolean {
    return !this.#assembler.isEmpty && this.rcvNxt === this.#lastAckSent;
  }

  /** Where the right edge could be. */
  #edge(): number {
    const unsaidBytes = seqDiff(this.rcvNxt, this.#lastAckSent);
    const roomBytes = this.#ring.limitBytes - this.#ring.length;
    // To the peer what it was not told of is under way.
    return seqAdd(this.#lastAckSent, Math.min(this.flightLimitBytes, unsaidBytes + roomBytes));
  }

  get #largestWindow(): number {
    return Math.min(this.flightLimitBytes, this.#ring.limitBytes);
  }

  #advertisedEdge(): number {
    const edge = this.#edge();
    // RFC 9293 §3.8.6.2.2
    const least = Math.min(this.#largestWindow / 2, this.#mssBytes);
    return seqDiff(edge, this.rcvAdv) >= least ? edge : this.rcvAdv;
  }
}
