/** The sessions of the deployment's user, by their tokens. */
import { equalSecret, toHex } from "../../base/bytes.ts";
import { type Random, randomBytes } from "../../base/core.ts";

const SECRET_BYTES = 16;
const ID_LENGTH = 10;
const SECRET_LENGTH = 22;

export class Sessions {
  readonly #random: Random;
  readonly #tokens = new Set<string>();

  constructor(random: Random) {
    this.#random = random;
  }

  /** The tokens of the sessions that go on, the first first. */
  get tokens(): readonly string[] {
    return [...this.#tokens];
  }

  /** A new one; its token. */
  begin(): string {
    const secret = (count: number) =>
      toHex(randomBytes(this.#random, SECRET_BYTES)).slice(0, count);
    const token = `${secret(ID_LENGTH)}-${secret(SECRET_LENGTH)}`;
    this.#tokens.add(token);
    return token;
  }

  has(token: string): boolean {
    const encoder = new TextEncoder();
    const given = encoder.encode(token);
    return this.tokens.some((known) => equalSecret(given, encoder.encode(known)));
  }

  /** Nobody gets in with it any more. */
  end(token: string): void {
    this.#tokens.delete(token);
  }
}
