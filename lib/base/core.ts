/**
 * What every protocol core is made of: time and randomness as arguments, and the four kinds of methods.
 * A core is synchronous; it sees no clock, no socket and no randomness but what it is handed.
 */

/** Monotonic milliseconds since an arbitrary origin. Never goes back. May have a fraction. */
export type Instant = number;

/** Where instants come from. Implemented in `lib/io/`, faked in `tests/support/`. */
export interface Clock {
  /** Monotonic milliseconds. */
  now(): Instant;
  /** Milliseconds since the Unix epoch, as the machine believes; may jump either way. */
  wallMs(): number;
}

/** Where randomness comes from. Implemented in `lib/io/`, seeded in `tests/support/`. */
export interface Random {
  /** Overwrites all of `bytes` with random bytes, suitable for keys in the real implementation. */
  fill(bytes: Uint8Array): void;
}

/** `count` fresh random bytes. */
export function randomBytes(random: Random, count: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(count);
  random.fill(bytes);
  return bytes;
}

/** A uniform unsigned 32-bit integer. */
export function randomUint32(random: Random): number {
  const bytes = randomBytes(random, 4);
  return new DataView(bytes.buffer).getUint32(0);
}

/** A uniform number in [0, 1) with 32 bits of resolution; for jitter, not for keys. */
export function randomFraction(random: Random): number {
  return randomUint32(random) / 0x1_0000_0000;
}

/**
 * A core with one input and one output. Cores with several kinds of input have one `handle…` for each instead,
 * with the same rules: `handle…` for what arrived, `poll…` for what must leave, plain verbs for what the user wants.
 */
export interface Core<Input, Output> {
  /** Takes what arrived. `input` is borrowed for the call. */
  handleInput(input: Input, now: Instant): void;
  /** Does what is due at `now`; harmless when nothing is. */
  handleTimeout(now: Instant): void;
  /** What must leave next, or `undefined` when drained. */
  pollOutput(): Output | undefined;
  /** When to call `handleTimeout` next, or `undefined` for never. */
  pollTimeout(): Instant | undefined;
}

/** Ends a `switch` over a union: a forgotten variant is a compile error here. */
export function assertNever(value: never): never {
  throw new TypeError(`Cannot handle unexpected variant: ${JSON.stringify(value)}`);
}
