/**
 * What follows when a connection to the coordinator ended or could not be made: another attempt, when and asking for what, or
 * none. Knows all attempts so far and no connection; `client.ts` makes those.
 *
 * Deviation: upstream takes a refusal for permanent on the very first attempt only; here until the first connection.
 */
import type { Instant, Random } from "../../base/core.ts";
import { Backoff } from "./backoff.ts";
import { classifyDialFailure, type DialFailure, type DisconnectReason } from "./dial_failure.ts";
import type { ResumeToken } from "./messages.ts";
import { Negotiation } from "./negotiation.ts";
import type { CoordinationProtocol } from "./protocol_version.ts";

export interface AttemptsOptions {
  /** What the server speaks, as far as known. */
  readonly protocol: CoordinationProtocol;
  readonly random: Random;
  /** Wall-clock milliseconds at instant 0: resume tokens expire by the wall clock. */
  readonly wallMsAtZero: number;
}

/** `failure` when the connection was refused; `message` is one line. */
export type Verdict =
  | {
    readonly kind: "retry";
    readonly delayMs: number;
    readonly message: string;
    readonly failure: DialFailure | undefined;
    /** Attempts so far of which none brought a word that makes sense; 0 once one did. */
    readonly failedAttempts: number;
  }
  /** No other attempt would change it. */
  | {
    readonly kind: "giveUp";
    readonly message: string;
    readonly failure: DialFailure | undefined;
  };

/**
 * A connection that lasted so long starts the next at once. Deviation: upstream starts at once after every dial that
 * succeeded, so a server that accepts and drops is dialled without a pause.
 */
const STABLE_MS = 5_000;

export class Attempts {
  readonly #wallMsAtZero: number;
  readonly #negotiation: Negotiation;
  readonly #backoff: Backoff;
  #resumeToken: ResumeToken | undefined;
  #connections = 0;
  #failed = 0;
  #lastFailure: string | undefined;
  #permanentError: string | undefined;

  constructor({ protocol, random, wallMsAtZero }: AttemptsOptions) {
    this.#wallMsAtZero = wallMsAtZero;
    this.#negotiation = new Negotiation(protocol);
    this.#backoff = new Backoff(random);
  }

  /** What to ask the server for. */
  get protocol(): CoordinationProtocol {
    return this.#negotiation.current;
  }

  /** Whether the coordinator ever told us anything that makes sense. */
  get hasHeard(): boolean {
    return this.#backoff.hasHeard;
  }

  /** How many connections there have been. */
  get connections(): number {
    return this.#connections;
  }

  /** Why the last connection ended or could not be made; one line. */
  get lastFailure(): string | undefined {
    return this.#lastFailure;
  }

  /** The token with which the server takes us for the client that we were; `undefined` without one that is still good. */
  resumeToken(now: Instant): string | undefined {
    const held = this.#resumeToken;
    if (held === undefined) return undefined;
    return held.expiresAtMs > this.#wallMsAtZero + now ? held.token : undefined;
  }

  /** Should be called when the coordinator said something that makes sense. */
  noteHeard(): void {
    this.#backoff.noteHeard();
  }

  /** Should be called when a connection is open. */
  noteConnected(): void {
    this.#connections++;
  }

  /** Should be called when the server gave us a token for the next connection. */
  noteResumeToken(token: ResumeToken): void {
    this.#resumeToken = token;
  }

  /** Should be called when the server said what no other attempt would change. */
  notePermanentError(text: string): void {
    this.#permanentError = text;
  }

  /** Should be called when the machine woke: the next waits are short again. */
  noteWake(): void {
    this.#backoff.reset();
  }

  /** Should be called when the server closed a connection in order. */
  noteClosed(): void {
    this.#negotiation.handleClosed();
  }

  /** Takes the first byte that the server says on a connection; whether it speaks what it was asked for. */
  handleFirstByte(byte: number): boolean {
    return this.#negotiation.handleFirstByte(byte);
  }

  /** Asks for the other protocol from now on: at once, unless that failed before. Whether it is at once. */
  turn(): boolean {
    const isNew = this.#negotiation.turn();
    if (isNew) this.#backoff.skipNext();
    return isNew;
  }

  /** After an attempt that brought no connection. */
  judgeDial(reason: DisconnectReason): Verdict {
    const failure = classifyDialFailure(reason);
    const { message } = failure;
    const mayTryOther = failure.isVersionRefused && this.turn();
    if (!mayTryOther && failure.isPermanent && this.#connections === 0) {
      return { kind: "giveUp", message, failure };
    }
    if (failure.isResumeTokenRefused) {
      this.#resumeToken = undefined;
      this.#backoff.skipNext(); // cannot repeat: the next dial carries no token
    }
    return this.#retry(message, failure);
  }

  /** After a connection that lasted `lastedMs`. */
  judgeConnection(message: string, lastedMs: number): Verdict {
    if (this.#permanentError !== undefined) {
      return { kind: "giveUp", message: this.#permanentError, failure: undefined };
    }
    if (lastedMs >= STABLE_MS) this.#backoff.reset();
    return this.#retry(message, undefined);
  }

  #retry(message: string, failure: DialFailure | undefined): Verdict {
    this.#lastFailure = message;
    this.#failed = this.hasHeard ? 0 : this.#failed + 1;
    const delayMs = this.#backoff.nextDelayMs();
    return { kind: "retry", delayMs, message, failure, failedAttempts: this.#failed };
  }
}
