/**
 * Which address and port our sockets have behind a NAT, asked of STUN servers from the very sockets that carry data
 * (RFC 8489 §6.2.1; coder/tailscale `net/netcheck/netcheck.go`). Each family is asked for by itself, two servers at a
 * time; the first answer counts.
 * Not here: what kind of NAT it is. An answer is believed from the asked server alone, and once.
 */
import { toHex } from "../../base/bytes.ts";
import { type Instant, type Random, randomBytes, randomFraction } from "../../base/core.ts";
import { earlier } from "../../base/deadlines.ts";
import {
  decodeStunResponse,
  encodeStunRequest,
  STUN_TRANSACTION_ID_BYTES,
} from "../../disco/mod.ts";
import {
  type AddressFamily,
  type Endpoint,
  equalEndpoints,
  familyOf,
  scopeOf,
} from "../../wire/endpoint.ts";
import { isAllowed } from "./allowed.ts";
import { MAX_STUN_SERVERS, type StunServer } from "./stun_servers.ts";

export type StunOutput =
  | { readonly kind: "send"; readonly endpoint: Endpoint; readonly datagram: Uint8Array }
  /** Look the host up and tell `handleResolved`. */
  | { readonly kind: "resolve"; readonly host: string }
  /** Another address than before, or none any more. */
  | {
    readonly kind: "mapped";
    readonly family: AddressFamily;
    readonly endpoint: Endpoint | undefined;
  };

export interface StunOptions {
  readonly random: Random;
  /** Servers on this machine may be asked. */
  readonly isSameHost: boolean;
}

interface Asked {
  readonly server: Endpoint;
  readonly family: AddressFamily;
  readonly at: Instant;
}

/** What is known and done for one family. */
interface Family {
  /** Requests of the round that goes on; `undefined` between rounds. */
  round: { readonly servers: readonly Endpoint[]; sent: number; nextAt: Instant } | undefined;
  /** When the next round begins, if anybody wants it. */
  roundAt: Instant;
  failures: number;
  mapped: { readonly endpoint: Endpoint; readonly at: Instant } | undefined;
}

const SERVERS_PER_ROUND = 2;
/** Waits after each request of a round; after the last the round has failed. */
const RESEND_DELAYS_MS: readonly number[] = [200, 400, 900, 1_500];
/** Between rounds: a NAT forgets a mapping after 30 s of silence (RFC 4787 §4.3 asks for more, many keep to less). */
const MIN_ROUND_MS = 20_000;
const ROUND_JITTER_MS = 6_000;
/** After the first failures: the network may just have come up. */
const EARLY_RETRY_MS = 2_000;
const EARLY_RETRIES = 2;
/** An address that was seen is told to peers for this long (coder/tailscale `wgengine/magicsock/endpoint_tracker.go`). */
const MAPPED_LIFETIME_MS = 310_000;
const MAX_ASKED = 64;
const ASKED_LIFETIME_MS = 5_000;
const MAX_ADDRESSES = 8;

export class StunBindings {
  readonly #random: Random;
  readonly #isSameHost: boolean;
  readonly #families = new Map<AddressFamily, Family>();
  readonly #outputs: StunOutput[] = [];
  readonly #asked = new Map<string, Asked>();
  /** Addresses of hosts; empty while they are looked up. */
  readonly #resolved = new Map<string, readonly Uint8Array[]>();
  #servers: readonly StunServer[] = [];
  #wantedUntil: Instant = -Infinity;
  /** Answers that nobody asked for, came from elsewhere, or make no sense. */
  unaskedCount = 0;

  constructor({ random, isSameHost }: StunOptions) {
    this.#random = random;
    this.#isSameHost = isSameHost;
  }

  setServers(servers: readonly StunServer[], now: Instant): void {
    if (JSON.stringify(servers) === JSON.stringify(this.#servers)) return;
    this.#servers = servers.slice(0, MAX_STUN_SERVERS);
    this.#resolved.clear();
    this.refresh(now);
  }

  setFamilies(families: ReadonlySet<AddressFamily>, now: Instant): void {
    for (const family of ["ipv4", "ipv6"] as const) {
      const isThere = this.#families.has(family);
      if (families.has(family) && !isThere) {
        this.#families.set(family, {
          round: undefined,
          roundAt: now,
          failures: 0,
          mapped: undefined,
        });
      } else if (!families.has(family) && isThere) {
        this.#forget(family);
        this.#families.delete(family);
      }
    }
  }

  /** Somebody is interested in our addresses until then. */
  want(until: Instant): void {
    this.#wantedUntil = Math.max(this.#wantedUntil, until);
  }

  /** What was seen before is not true any more: another network, perhaps. */
  forget(now: Instant): void {
    for (const family of this.#families.keys()) this.#forget(family);
    this.#resolved.clear();
    this.refresh(now);
  }

  /** Asks anew at once, if anybody is interested. */
  refresh(now: Instant): void {
    for (const state of this.#families.values()) {
      state.round = undefined;
      state.roundAt = now;
      state.failures = 0;
    }
  }

  /** Whether every address that we have was seen within `maxAgeMs`. */
  isFresh(maxAgeMs: number, now: Instant): boolean {
    return [...this.#families.values()].every(({ mapped }) =>
      mapped === undefined || now - mapped.at <= maxAgeMs
    );
  }

  /** What a host is reached at; nothing when it could not be looked up. */
  handleResolved(host: string, addresses: readonly Uint8Array[], now: Instant): void {
    if (!this.#servers.some((server) => server.host === host)) return;
    if (addresses.length === 0) this.#resolved.delete(host);
    else this.#resolved.set(host, addresses.slice(0, MAX_ADDRESSES));
    for (const state of this.#families.values()) {
      if (state.round === undefined && state.mapped === undefined && addresses.length > 0) {
        state.roundAt = Math.min(state.roundAt, now);
      }
    }
  }

  /** Takes a datagram that looks like STUN, borrowed; false when nobody asked for it. */
  handleDatagram(datagram: Uint8Array, from: Endpoint, now: Instant): boolean {
    const response = decodeStunResponse(datagram);
    const id = response.kind === "response" ? toHex(response.transactionId) : "";
    const asked = this.#asked.get(id);
    const isAnswer = response.kind === "response" && asked !== undefined &&
      now - asked.at < ASKED_LIFETIME_MS && equalEndpoints(asked.server, from);
    if (!isAnswer) {
      this.unaskedCount++;
      return false;
    }
    this.#asked.delete(id);
    const { endpoint } = response;
    const isLocal = scopeOf(asked.server.address) === "loopback";
    const isSane = familyOf(endpoint.address) === asked.family &&
      isAllowed(endpoint, { isSameHost: isLocal });
    if (!isSane) {
      this.unaskedCount++;
      return false;
    }
    this.#handleMapped(asked.family, endpoint, now);
    return true;
  }

  handleTimeout(now: Instant): void {
    // Nobody has asked for long: what is due waits for who does, and arms no timer.
    if (now >= this.#wantedUntil) this.#wantedUntil = -Infinity;
    for (const [family, state] of this.#families) {
      if (state.mapped !== undefined && now - state.mapped.at >= MAPPED_LIFETIME_MS) {
        this.#forget(family);
      }
      if (state.round !== undefined) {
        if (state.round.nextAt <= now) this.#resend(family, state, now);
      } else if (state.roundAt <= now && now < this.#wantedUntil) {
        this.#begin(family, state, now);
      }
    }
  }

  pollTimeout(): Instant | undefined {
    let next: Instant | undefined;
    for (const { round, roundAt, mapped } of this.#families.values()) {
      if (round !== undefined) next = earlier(next, round.nextAt);
      else if (roundAt < this.#wantedUntil && this.#servers.length > 0) {
        next = earlier(next, roundAt);
      }
      if (mapped !== undefined) next = earlier(next, mapped.at + MAPPED_LIFETIME_MS);
    }
    return next;
  }

  pollOutput(): StunOutput | undefined {
    return this.#outputs.shift();
  }

  #begin(family: AddressFamily, state: Family, now: Instant): void {
    const servers = this.#reachable(family);
    if (servers.length === 0) {
      // Looked up, or there is none: who comes from a look-up begins the round.
      state.roundAt = now + this.#roundMs();
      return;
    }
    // After a failure others get their turn.
    const first = (state.failures * SERVERS_PER_ROUND) % servers.length;
    const chosen = [...servers.slice(first), ...servers.slice(0, first)];
    state.round = { servers: chosen.slice(0, SERVERS_PER_ROUND), sent: 0, nextAt: now };
    this.#resend(family, state, now);
  }

  #resend(family: AddressFamily, state: Family, now: Instant): void {
    const { round } = state;
    if (round === undefined) return;
    const delayMs = RESEND_DELAYS_MS[round.sent];
    if (delayMs === undefined) {
      state.round = undefined;
      state.failures++;
      state.roundAt = now + (state.failures <= EARLY_RETRIES ? EARLY_RETRY_MS : this.#roundMs());
      return;
    }
    round.sent++;
    round.nextAt = now + delayMs;
    for (const server of round.servers) this.#ask(server, family, now);
  }

  #ask(server: Endpoint, family: AddressFamily, now: Instant): void {
    for (const [oldest, asked] of this.#asked) {
      const isOver = this.#asked.size >= MAX_ASKED || now - asked.at >= ASKED_LIFETIME_MS;
      if (!isOver) break;
      this.#asked.delete(oldest);
    }
    const id = randomBytes(this.#random, STUN_TRANSACTION_ID_BYTES);
    this.#asked.set(toHex(id), { server, family, at: now });
    this.#outputs.push({ kind: "send", endpoint: server, datagram: encodeStunRequest(id) });
  }

  #handleMapped(family: AddressFamily, endpoint: Endpoint, now: Instant): void {
    const state = this.#families.get(family);
    // The second server's answer, and those that were asked twice, say nothing new of this round.
    if (state?.round === undefined) return;
    const before = state.mapped?.endpoint;
    state.mapped = { endpoint, at: now };
    state.round = undefined;
    state.failures = 0;
    state.roundAt = now + this.#roundMs();
    if (before !== undefined && equalEndpoints(before, endpoint)) return;
    this.#outputs.push({ kind: "mapped", family, endpoint });
  }

  #forget(family: AddressFamily): void {
    const state = this.#families.get(family);
    if (state?.mapped === undefined) return;
    state.mapped = undefined;
    this.#outputs.push({ kind: "mapped", family, endpoint: undefined });
  }

  /** Servers of a family whose address is known; the others are looked up. */
  #reachable(family: AddressFamily): Endpoint[] {
    const endpoints: Endpoint[] = [];
    for (const server of this.#servers) {
      const literal = server[family];
      if (literal === "none") continue;
      const address = literal ??
        this.#addressesOf(server.host).find((candidate) => familyOf(candidate) === family);
      if (address === undefined) continue;
      const endpoint = { address, port: server.port };
      if (isAllowed(endpoint, { isSameHost: this.#isSameHost })) endpoints.push(endpoint);
    }
    return endpoints;
  }

  #addressesOf(host: string): readonly Uint8Array[] {
    const known = this.#resolved.get(host);
    if (known !== undefined) return known;
    this.#resolved.set(host, []);
    this.#outputs.push({ kind: "resolve", host });
    return [];
  }

  #roundMs(): number {
    return MIN_ROUND_MS + randomFraction(this.#random) * ROUND_JITTER_MS;
  }
}
