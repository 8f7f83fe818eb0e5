/**
 * TAI64N timestamps, which make initiations of one static key unrepeatable (whitepaper §5.1, §5.4.2).
 *   seconds u64be = 0x400000000000000a + Unix seconds | nanoseconds u32be
 * The low 24 bits of the nanoseconds are zero, as wireguard-go `tai64n/tai64n.go` has it: 16.8 ms of granularity, so
 * that nobody learns how precisely our clock runs. Leap seconds are left out, as there.
 */
import { ByteWriter } from "../base/bytes.ts";
import type { Instant } from "../base/core.ts";
import { TIMESTAMP_BYTES } from "./constants.ts";

const TAI64_EPOCH = 0x400000000000000an;
const GRANULARITY_NS = 2 ** 24;
/** Greatest multiple of the granularity within one second. */
const LAST_STEP = Math.floor(999_999_999 / GRANULARITY_NS);
const NS_PER_MS = 1_000_000;

/** A moment in whole seconds since the Unix epoch and steps of 2^24 ns. */
interface Moment {
  readonly seconds: number;
  readonly step: number;
}

/** Whether timestamp `a` is later than `b`; both 12 bytes. */
export function isLaterTimestamp(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 0; i < TIMESTAMP_BYTES; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return false;
}

/** Stamps for one peer, each later than the one before even when less time than the granularity went by. */
export class TimestampSource {
  readonly #wallMsAtZero: number;
  #last: Moment = { seconds: -1, step: 0 };

  /** `wallMsAtZero` is the Unix time in milliseconds at instant 0. */
  constructor(wallMsAtZero: number) {
    this.#wallMsAtZero = wallMsAtZero;
  }

  /** 12 bytes. */
  next(now: Instant): Uint8Array<ArrayBuffer> {
    const read = momentOf(this.#wallMsAtZero + now);
    this.#last = isLater(read, this.#last) ? read : successor(this.#last);
    return encodeMoment(this.#last);
  }
}

function momentOf(unixMs: number): Moment {
  const seconds = Math.floor(unixMs / 1_000);
  const ns = (unixMs - seconds * 1_000) * NS_PER_MS;
  return { seconds, step: Math.min(Math.floor(ns / GRANULARITY_NS), LAST_STEP) };
}

function successor(moment: Moment): Moment {
  return moment.step < LAST_STEP
    ? { seconds: moment.seconds, step: moment.step + 1 }
    : { seconds: moment.seconds + 1, step: 0 };
}

function isLater(a: Moment, b: Moment): boolean {
  return a.seconds > b.seconds || (a.seconds === b.seconds && a.step > b.step);
}

function encodeMoment(moment: Moment): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(TIMESTAMP_BYTES);
  new ByteWriter(bytes).u64be(TAI64_EPOCH + BigInt(moment.seconds))
    .u32be(moment.step * GRANULARITY_NS);
  return bytes;
}
