/**
 * A session: the transport keys of one completed handshake, its counters and its age (whitepaper §5.4.5, §6.2).
 * Which of a peer's sessions is used is `keypairs.ts`.
 */
import type { Instant } from "../base/core.ts";
import {
  KEEPALIVE_TIMEOUT_MS,
  REJECT_AFTER_TIME_MS,
  REKEY_AFTER_TIME_MS,
  REKEY_TIMEOUT_MS,
} from "./constants.ts";
import { DataHeaderWriter } from "./data_message.ts";
import type { TransportKeys } from "./handshake.ts";
import { COUNTER_LIMIT } from "./limits.ts";
import { ReplayFilter } from "./replay.ts";

/** Age from which received data calls for a new session: late enough that sending would have done so already. */
const REKEY_ON_RECEIVE_AFTER_MS = REJECT_AFTER_TIME_MS - KEEPALIVE_TIMEOUT_MS - REKEY_TIMEOUT_MS;

export interface SessionOptions {
  readonly keys: TransportKeys;
  readonly localIndex: number;
  readonly remoteIndex: number;
  readonly isInitiator: boolean;
  readonly createdAt: Instant;
  /** Counter from which on the session is renewed. */
  readonly rekeyAfterMessages: number;
}

export class Session {
  readonly localIndex: number;
  readonly isInitiator: boolean;
  readonly createdAt: Instant;
  readonly header: DataHeaderWriter;
  readonly replay = new ReplayFilter();
  /** 32 bytes, for the AEAD alone. */
  readonly sendKey: Uint8Array;
  /** 32 bytes, for the AEAD alone. */
  readonly receiveKey: Uint8Array;
  readonly #rekeyAfterMessages: number;
  #nextCounter = 0;
  /** Packets that the peer is known to have sent, by the counters of those that came. */
  #knownSent = 0;
  #hasRekeyedOnReceive = false;

  constructor(options: SessionOptions) {
    this.localIndex = options.localIndex;
    this.isInitiator = options.isInitiator;
    this.createdAt = options.createdAt;
    this.header = new DataHeaderWriter(options.remoteIndex);
    this.sendKey = options.keys.sendKey;
    this.receiveKey = options.keys.receiveKey;
    this.#rekeyAfterMessages = options.rekeyAfterMessages;
  }

  isExpired(now: Instant): boolean {
    return now - this.createdAt >= REJECT_AFTER_TIME_MS; // whitepaper §6.2
  }

  canSend(now: Instant): boolean {
    return this.#nextCounter < COUNTER_LIMIT && !this.isExpired(now); // whitepaper §6.2
  }

  /** The counter of the next packet, used up by this call. */
  takeCounter(): number {
    return this.#nextCounter++;
  }

  /** Whether a packet sent at `now` calls for a new session: by age only for the initiator (whitepaper §6.2). */
  needsRekeyOnSend(now: Instant): boolean {
    if (this.#nextCounter > this.#rekeyAfterMessages) return true;
    return this.isInitiator && now - this.createdAt >= REKEY_AFTER_TIME_MS;
  }

  /** Whether a packet received at `now` does, because we may not send before it is too late; true at most once. */
  takeRekeyOnReceive(now: Instant): boolean {
    if (!this.isInitiator || this.#hasRekeyedOnReceive) return false;
    if (now - this.createdAt < REKEY_ON_RECEIVE_AFTER_MS) return false;
    this.#hasRekeyedOnReceive = true;
    return true;
  }

  /** How many packets more than at the last call the peer is known to have sent: what came, and what did not yet. */
  takeKnownSent(): number {
    const more = this.replay.greatest + 1 - this.#knownSent;
    this.#knownSent += more;
    return more;
  }

  wipe(): void {
    this.sendKey.fill(0);
    this.receiveKey.fill(0);
    this.#nextCounter = COUNTER_LIMIT;
  }
}
