/**
 * What every protocol core is made of: time and randomness as arguments, and the kinds of methods (`Core`).
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
 * What every core is to whoever drives it, besides what is its own (after quinn-proto `connection/mod.rs`). Its methods are of
 * four kinds:
 *   `handle…`    something arrived or happened: bytes, a packet, the end of a connection, a deadline
 *   plain verbs  what the owner wants: `connect`, `write`, `ping`, `leave`
 *   `poll…`      what follows from those: what must leave, what is to be told, when to come back
 *   getters      how things are; they change nothing
 *
 * The order, for every core:
 *   1. any number of `handle…` and verbs, with `now` never going back;
 *   2. what must leave (`pollTransmit`, `pump`, `takeBatch`: each says how) until nothing is left or there is no room;
 *   3. `pollEvent` until `undefined`; what is done about an event is step 1 again, and step 2 follows;
 *   4. one timer for `pollTimeout`, which may be early: then nothing is due. It moves with every step 1 and 2.
 * Views in an event hold until the next call of any method, unless their type says more. A core calls nobody back: a
 * driver may call it from anywhere but from inside one of its own calls. What is borrowed is borrowed for the call.
 * `ProtocolError` is the only thing that a `handle…` or a `poll…` may throw, where it says so; anything else thrown is a
 * mistake of ours, and the core is not to be used any more.
 */
export interface Core<Event> {
  /** Does what is due at `now`; harmless when nothing is. */
  handleTimeout(now: Instant): void;
  /** What happened, in its order; `undefined` when there is nothing more. */
  pollEvent(): Event | undefined;
  /** When to call `handleTimeout` next, or `undefined` for never. */
  pollTimeout(): Instant | undefined;
}

/** Ends a `switch` over a union: a forgotten variant is a compile error here. */
export function assertNever(value: never): never {
  throw new TypeError(`Cannot handle unexpected variant: ${JSON.stringify(value)}`);
}
