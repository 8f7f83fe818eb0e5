/**
 * Sequence numbers modulo 2^32 (RFC 9293 §3.4). Stored as unsigned 32-bit numbers, compared only through here.
 */

/** `a + b` modulo 2^32. `b` may be negative. */
export function seqAdd(a: number, b: number): number {
  return (a + b) >>> 0;
}

/** Signed distance from `b` to `a`, in [-2^31, 2^31). */
export function seqDiff(a: number, b: number): number {
  return (a - b) | 0;
}

export function seqLt(a: number, b: number): boolean {
  return ((a - b) | 0) < 0;
}

export function seqLte(a: number, b: number): boolean {
  return ((a - b) | 0) <= 0;
}

export function seqGt(a: number, b: number): boolean {
  return ((a - b) | 0) > 0;
}

export function seqGte(a: number, b: number): boolean {
  return ((a - b) | 0) >= 0;
}
