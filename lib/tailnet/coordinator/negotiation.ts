/**
 * Which coordination to ask the server for: what was known before, until the server shows by what it says, refuses or ends
 * that it speaks the other.
 */
import {
  coordinationOfByte,
  type CoordinationProtocol,
  otherCoordination,
} from "./protocol_version.ts";

export class Negotiation {
  #current: CoordinationProtocol;
  /** Coordinations that the server refused, or did not speak, since it last spoke what it was asked for. */
  readonly #refused = new Set<CoordinationProtocol>();
  /** Whether the server ever spoke what it was asked for. */
  #isProven = false;

  constructor(first: CoordinationProtocol) {
    this.#current = first;
  }

  /** What to ask for. */
  get current(): CoordinationProtocol {
    return this.#current;
  }

  /** Takes the first byte that the server says on a connection; whether it speaks what it was asked for. */
  handleFirstByte(byte: number): boolean {
    if (coordinationOfByte(byte) !== this.#current) return false;
    this.#isProven = true;
    this.#refused.clear();
    return true;
  }

  /** Asks for the other coordination from now on; whether that is not known to fail as well. */
  turn(): boolean {
    this.#refused.add(this.#current);
    this.#current = otherCoordination(this.#current);
    return !this.#refused.has(this.#current);
  }

  /** The server closed a connection in order: one of JSON does so on what it cannot read, wordlessly if it has no agent for us. */
  handleClosed(): void {
    if (this.#current === "v2" && !this.#isProven) this.turn();
  }
}
