/**
 * The three sessions of a peer and how they move (whitepaper §6.3; wireguard-go `device/noise-protocol.go`,
 * BeginSymmetricSession and ReceivedWithKeypair):
 *   current    the one to send with
 *   previous   received with, while packets under it may still be on the way
 *   next       derived by us as responder, not yet confirmed: the initiator may never have got our response
 * A session that leaves is handed back to the caller, who erases it and frees its index.
 */
import type { Session } from "./session.ts";

export class Keypairs {
  #previous: Session | undefined;
  #current: Session | undefined;
  #next: Session | undefined;

  /** The session to send with, if any; how old it is must be asked of it. */
  get current(): Session | undefined {
    return this.#current;
  }

  /** Whether a session waits for the initiator's first packet. */
  get hasUnconfirmed(): boolean {
    return this.#next !== undefined;
  }

  /** Takes a session that we initiated: the response proves that the peer has it, so it is used at once. */
  installInitiated(session: Session): Session[] {
    // A pending next is newer than our current: the peer may already be sending with it.
    const left = this.#next === undefined ? [this.#previous] : [this.#previous, this.#current];
    this.#previous = this.#next ?? this.#current;
    this.#next = undefined;
    this.#current = session;
    return left.filter((gone) => gone !== undefined);
  }

  /** Takes a session that we responded to: it waits until the initiator uses it. */
  installResponded(session: Session): Session[] {
    const left = [this.#next, this.#previous];
    this.#previous = undefined;
    this.#next = session;
    return left.filter((gone) => gone !== undefined);
  }

  /** Should be called after a valid packet under `session`; the sessions that left if that confirmed the next one. */
  confirm(session: Session): Session[] | undefined {
    if (session !== this.#next) return undefined;
    const left = this.#previous;
    this.#previous = this.#current;
    this.#current = session;
    this.#next = undefined;
    return left === undefined ? [] : [left];
  }

  /** Empties all three. */
  clear(): Session[] {
    const left = [this.#previous, this.#current, this.#next];
    this.#previous = this.#current = this.#next = undefined;
    return left.filter((gone) => gone !== undefined);
  }
}
