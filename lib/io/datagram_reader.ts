/**
 * Reads one UDP socket: a loop over the runtime's `receive`, which waits, one reused buffer, and where the C library can be
 * called what has arrived behind the first datagram, many a call. What a burst led to leaves before the next one is handled.
 */
import type { Endpoint } from "../wire/endpoint.ts";
import type { BurstSocket } from "./datagram_bursts.ts";
import { eventLoopTurn, isSystemError, MAX_UNBROKEN } from "./datagram_turns.ts";
import type { EndpointNames } from "./endpoint_names.ts";
import { BURST_DATAGRAMS } from "./receive_burst.ts";

export interface DatagramReaderOptions {
  readonly conn: Deno.DatagramConn;
  /** `undefined`: one datagram a call. */
  readonly bursts: BurstSocket | undefined;
  readonly names: EndpointNames;
  /** Something has arrived: the datagrams until the next call came together. */
  readonly onArrival: () => void;
  /** Gets every datagram; borrowed. */
  readonly onDatagram: (datagram: Uint8Array, from: Endpoint) => void;
  /** Nothing more has arrived for now, or much has: what the datagrams led to may leave. */
  readonly onPause: () => void;
  /** A datagram came from an address that we cannot name. */
  readonly onUnnamed: () => void;
  /** Nothing is handed over any more. */
  readonly isClosed: () => boolean;
}

/** Longer than any datagram that we take; what is cut off fails its authentication. */
export const RECEIVE_BYTES = 2_048;
/** Datagrams that are handled before what they led to leaves: one a call, and many a call, where what leaves is an ACK for all of them. */
const MAX_BURST = 32;
const MAX_BURSTS = 2 * BURST_DATAGRAMS;
/** A receive that has something is done within so many turns of the microtask queue; measured as three (Deno 2.9). */
const READY_MICROTASKS = 5;
/** A socket that only fails is given up: it would fail for ever. */
const MAX_FAILURES_IN_A_ROW = 64;
const FAILURE_DELAY_MS = 20;

export class DatagramReader {
  readonly #options: DatagramReaderOptions;
  readonly #buffer = new Uint8Array(RECEIVE_BYTES);
  /** Datagrams handled since the last pause. */
  #owed = 0;
  /** Datagrams since the event loop had its last turn for sure. */
  #unbroken = 0;
  /** Nothing was left behind the last datagram. */
  #isDry = false;

  constructor(options: DatagramReaderOptions) {
    this.#options = options;
  }

  /** Resolves when it is closed, or the socket fails for ever. Rejects with what a callback throws. */
  async run(): Promise<void> {
    const { conn, bursts, names, onArrival, onDatagram, onUnnamed, isClosed } = this.#options;
    let failures = 0;
    while (!isClosed()) {
      if (this.#unbroken >= MAX_UNBROKEN) {
        this.#unbroken = 0;
        if (this.#owed > 0) this.#pause();
        await eventLoopTurn();
        if (isClosed()) return;
      }
      const receiving = receive(conn, this.#buffer);
      if (
        this.#owed >= MAX_BURST ||
        (this.#owed > 0 && (this.#isDry || !await isReadySoon(receiving)))
      ) this.#pause();
      const received = await receiving;
      if (isClosed()) return;
      if (received === undefined) {
        // Windows tells so that an earlier datagram found nobody.
        if (++failures >= MAX_FAILURES_IN_A_ROW) return;
        await new Promise((resolve) => setTimeout(resolve, FAILURE_DELAY_MS));
        continue;
      }
      failures = 0;
      const [datagram, address] = received;
      const from = address.transport === "udp" ? names.senderOf(address) : undefined;
      if (from === undefined) {
        onUnnamed();
        continue;
      }
      onArrival();
      this.#owed++;
      onDatagram(datagram, from);
      if (bursts !== undefined) await this.#takeBursts(bursts);
    }
  }

  #pause(): void {
    this.#owed = 0;
    this.#options.onPause();
  }

  /** Handles what waits behind the first datagram, as long as it is much. */
  async #takeBursts(bursts: BurstSocket): Promise<void> {
    const { isClosed } = this.#options;
    for (;;) {
      const count = this.#takeBurst(bursts);
      this.#isDry = count !== undefined && count < BURST_DATAGRAMS;
      this.#owed += count ?? 0;
      this.#unbroken += count ?? 0;
      if (count !== BURST_DATAGRAMS || this.#unbroken >= MAX_UNBROKEN || isClosed()) return;
      if (this.#owed < MAX_BURSTS) continue;
      this.#pause();
      // What must leave does so in the turn that this begins.
      await null;
    }
  }

  /** How many there were, if that can be told. */
  #takeBurst(bursts: BurstSocket): number | undefined {
    const { names, onArrival, onDatagram, onUnnamed, isClosed } = this.#options;
    const count = bursts.take();
    const { received } = bursts;
    if (count === undefined) return undefined;
    onArrival();
    let last: Endpoint | undefined;
    for (let i = 0; i < count && !isClosed(); i++) {
      if (last === undefined || !received.isFrom(i, last)) {
        const sender = received.sender(i);
        last = sender && names.remembered(sender);
      }
      if (last === undefined) onUnnamed();
      else onDatagram(received.datagram(i), last);
    }
    return count;
  }
}

/** What was received, or nothing when the socket failed. */
async function receive(
  conn: Deno.DatagramConn,
  buffer: Uint8Array,
): Promise<[Uint8Array, Deno.Addr] | undefined> {
  try {
    return await conn.receive(buffer);
  } catch (error) {
    if (isSystemError(error)) return undefined;
    throw error;
  }
}

/** Whether something was waiting already, without giving the event loop its turn. */
async function isReadySoon(receiving: Promise<unknown>): Promise<boolean> {
  let isReady = false;
  const onDone = () => void (isReady = true);
  receiving.then(onDone, onDone);
  for (let i = 0; i < READY_MICROTASKS && !isReady; i++) await null;
  return isReady;
}
