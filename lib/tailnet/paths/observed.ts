/** Where one peer saw our pings come from: a NAT may have a mapping for each destination. */
import { type Endpoint, endpointKey, equalEndpoints } from "../../wire/endpoint.ts";

const MAX_OBSERVED = 2;

export class Observed {
  /** Latest first. */
  #endpoints: readonly Endpoint[] = [];

  note(endpoint: Endpoint): void {
    const others = this.#endpoints.filter((other) => !equalEndpoints(other, endpoint));
    this.#endpoints = [endpoint, ...others].slice(0, MAX_OBSERVED);
  }

  clear(): void {
    this.#endpoints = [];
  }

  /** `own`, and what this peer alone sees. */
  added(own: readonly Endpoint[]): Endpoint[] {
    const known = new Set(own.map(endpointKey));
    return [...own, ...this.#endpoints.filter((endpoint) => !known.has(endpointKey(endpoint)))];
  }
}
