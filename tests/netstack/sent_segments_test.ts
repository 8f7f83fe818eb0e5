import assert from "node:assert/strict";
import { seqAdd, seqDiff } from "../../lib/base/seq.ts";
import { Rack } from "../../lib/netstack/rack.ts";
import { SentSegments } from "../../lib/netstack/sent_segments.ts";
import { SeededRandom } from "../support/seeded_random.ts";

const BASE = 0xffff_f000; // crosses zero

interface PlainSegment {
  start: number;
  end: number;
  sentAt: number;
  sacked: boolean;
  lost: boolean;
  retransmitted: boolean;
}

/** The plain twin: objects, looked at one by one, every sum anew. */
class PlainSegments {
  segments: PlainSegment[] = [];
  delivered = 0;

  push(start: number, end: number, sentAt: number): void {
    this.segments.push({ start, end, sentAt, sacked: false, lost: false, retransmitted: false });
  }

  acknowledge(ack: number): void {
    for (const segment of this.segments) {
      if (segment.end <= ack && !segment.sacked) this.delivered += segment.end - segment.start;
    }
    this.segments = this.segments.filter((segment) => segment.end > ack);
    for (const segment of this.segments) segment.start = Math.max(segment.start, ack);
  }

  markSacked(left: number, right: number): void {
    for (const segment of this.segments) {
      if (segment.start < left || segment.end > right || segment.sacked) continue;
      segment.sacked = true;
      segment.lost = false;
      this.delivered += segment.end - segment.start;
    }
  }

  markAllLost(): void {
    if (this.segments[0]?.sacked) { for (const segment of this.segments) segment.sacked = false; }
    for (const segment of this.segments) segment.lost = !segment.sacked;
  }

  get pipe(): number {
    return this.segments.filter((s) => !s.sacked && !s.lost)
      .reduce((sum, s) => sum + s.end - s.start, 0);
  }
}

Deno.test("SentSegments equals a plain list under random sends, ACKs, SACKs and losses (RFC 6675 §4)", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = new SeededRandom(seed);
    const fast = new SentSegments();
    const plain = new PlainSegments();
    const rack = new Rack();
    fast.reset(BASE);
    let next = 0;
    let una = 0;
    let delivered = 0;
    for (let now = 1; now <= 150; now++) {
      rack.beginAck();
      switch (random.below(6)) {
        case 0:
        case 1: {
          const end = next + 1 + random.below(1220);
          fast.push(seqAdd(BASE, end), now);
          plain.push(next, end, now);
          next = end;
          break;
        }
        case 2: {
          una += random.below(next - una + 1) >> 1;
          fast.acknowledge(seqAdd(BASE, una), now, rack, 0);
          plain.acknowledge(una);
          break;
        }
        case 3: {
          const left = una + random.below(next - una + 1);
          const right = left + random.below(next - left + 1);
          fast.markSacked(seqAdd(BASE, left), seqAdd(BASE, right), now, rack, 0);
          plain.markSacked(left, right);
          break;
        }
        case 4: {
          if (random.chance(0.2)) {
            fast.markAllLost();
            plain.markAllLost();
          } else if (fast.count > 0) {
            const position = random.below(fast.count);
            fast.markLost(position);
            const segment = plain.segments[position];
            if (segment !== undefined && !segment.sacked) segment.lost = true;
          }
          break;
        }
        default: {
          const position = fast.nextLost();
          const expected = plain.segments.findIndex((s) => s.lost);
          assert.equal(position, expected, `seed ${seed} at ${now}`);
          const segment = plain.segments[position];
          if (segment === undefined) break;
          fast.markRetransmitted(position, now);
          segment.lost = false;
          segment.retransmitted = true;
          segment.sentAt = now;
        }
      }
      delivered += rack.deliveredBytes;
      assert.equal(delivered, plain.delivered, `seed ${seed} at ${now}: delivered`);
      assert.equal(fast.pipeBytes, plain.pipe, `seed ${seed} at ${now}: pipe`);
      assert.equal(fast.count, plain.segments.length);
      assert.equal(fast.sackedCount, plain.segments.filter((s) => s.sacked).length);
      assert.equal(fast.hasLost, plain.segments.some((s) => s.lost));
      plain.segments.forEach((segment, i) => {
        assert.deepEqual(
          {
            start: seqDiff(fast.startOf(i), BASE),
            end: seqDiff(fast.endOf(i), BASE),
            sentAt: fast.sentAtOf(i),
            sacked: fast.isSackedAt(i),
            lost: fast.isLostAt(i),
            retransmitted: fast.isRetransmittedAt(i),
          },
          segment,
          `seed ${seed} at ${now}: segment ${i}`,
        );
      });
    }
  }
});

Deno.test("SentSegments.detectLost() equals the definition (RFC 8985 §6.2 step 5)", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = new SeededRandom(seed);
    const fast = new SentSegments();
    const rack = new Rack();
    fast.reset(0);
    const count = 2 + random.below(20);
    for (let i = 0; i < count; i++) fast.push((i + 1) * 10, Math.floor(i / 3));
    fast.markAllLost();
    let now = 30;
    for (let i = 0; i < count; i++) {
      if (random.chance(0.4)) fast.markRetransmitted(i, now + random.below(3));
      else {
        fast.reset(0); // never sent again: begin anew without the losses
        for (let j = 0; j < count; j++) fast.push((j + 1) * 10, Math.floor(j / 3));
        break;
      }
    }
    now = 60;
    rack.beginAck();
    const sacked = random.below(count);
    fast.markSacked(sacked * 10, sacked * 10 + 10, now, rack, 0);
    const windowMs = random.below(4);
    const expected: number[] = [];
    for (let i = 0; i < count; i++) {
      const sentAt = fast.sentAtOf(i);
      const wasSentBefore = sentAt < rack.sentAt ||
        (sentAt === rack.sentAt && fast.endOf(i) < rack.end);
      const isLate = sentAt + rack.rttMs + windowMs <= now;
      if (!fast.isSackedAt(i) && (fast.isLostAt(i) || (wasSentBefore && isLate))) expected.push(i);
    }
    fast.detectLost(rack, windowMs, now);
    const found = Array.from({ length: count }, (_, i) => i).filter((i) => fast.isLostAt(i));
    assert.deepEqual(found, expected, `seed ${seed}`);
  }
});
