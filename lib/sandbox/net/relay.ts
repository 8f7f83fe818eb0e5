/**
 * The sandbox's relay: a `DerpSwitchboard` on real connections, restarted, cut or made to lose packets on order.
 * Every connection has a carrier; the switchboard says whose turn it is to send.
 */
import type { Clock, Instant, Random } from "../../base/core.ts";
import { equalBytes, toHex } from "../../base/bytes.ts";
import { randomFraction } from "../../base/core.ts";
import { ProtocolError } from "../../base/errors.ts";
import { generatePrivateKey, publicKey } from "../../crypto/mod.ts";
import type { DelayedPacket } from "../../derp/delay_line.ts";
import { DerpSwitchboard, type PacketFate } from "../../derp/mod.ts";
import { Carrier } from "../../io/carrier.ts";
import { failLoudly } from "../loud_tasks.ts";
import type { UpgradedConn } from "../http/messages.ts";
import { RelayLine } from "./relay_line.ts";

export interface SandboxRelayOptions {
  readonly clock: Clock;
  readonly random: Random;
}

export type { PacketFate };
export type RelayPacket = DelayedPacket;

interface Client {
  readonly line: RelayLine;
  readonly carrier: Carrier;
  readonly isAgent: boolean;
  readonly end: () => void;
}

export class SandboxRelay {
  /** Decides over each packet that passes. @default undefined: everything is forwarded */
  fate: ((packet: RelayPacket, now: Instant) => PacketFate) | undefined;
  readonly #options: SandboxRelayOptions;
  readonly #clients = new Set<Client>();
  readonly #byConnection = new Map<RelayLine["connection"], Client>();
  /** Keys of agents that are to hear and say nothing. */
  readonly #silenced: Uint8Array[] = [];
  #switchboard: DerpSwitchboard;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerAt = Infinity;
  #isStopped = false;

  constructor(options: SandboxRelayOptions) {
    this.#options = options;
    this.#switchboard = this.#newSwitchboard();
  }

  /** Connections that are open. */
  get connectionCount(): number {
    return this.#clients.size;
  }

  get publicKeyHex(): string {
    return toHex(this.#switchboard.publicKey);
  }

  /** Packets so far, since the last restart. */
  get counters(): Readonly<DerpSwitchboard["counters"]> {
    return this.#switchboard.counters;
  }

  /** Loses that part of all packets, 0 to 1. */
  drop(fraction: number): void {
    const { random } = this.#options;
    this.fate = () => randomFraction(random) < fraction ? "drop" : "forward";
  }

  /** Holds every packet back for so long. */
  delay(ms: number): void {
    this.fate = () => ({ delaysMs: [ms] });
  }

  /** Everything is forwarded again. */
  heal(): void {
    this.fate = undefined;
  }

  /** Closes every connection; the relay and its key stay. */
  cut(): void {
    for (const client of [...this.#clients]) client.end();
  }

  /** A new relay with a new key in the same place; all connections are cut. */
  restart(): void {
    this.cut();
    this.#switchboard = this.#newSwitchboard();
    this.#arm();
  }

  /** Tells every client that the relay is about to restart. */
  announceRestart(times: { readonly reconnectInMs: number; readonly tryForMs: number }): void {
    this.#switchboard.announceRestart(times);
    this.#pump();
  }

  /** Writes this to every client, between frames of its own; agents of ours are spared. */
  forge(bytes: Uint8Array): void {
    for (const { line, carrier, isAgent } of this.#clients) {
      if (isAgent) continue;
      line.forge(bytes.slice());
      carrier.kick();
    }
  }

  /** Packets to and from this key are lost, until `hear`. */
  silence(key: Uint8Array): void {
    this.#silenced.push(key);
  }

  hear(key: Uint8Array): void {
    const at = this.#silenced.findIndex((other) => equalBytes(other, key));
    if (at >= 0) this.#silenced.splice(at, 1);
  }

  /** Serves an upgraded connection; resolves when it is over. */
  async serve(
    upgraded: UpgradedConn,
    peer: { readonly transport: "upgrade" | "websocket"; readonly isAgent: boolean },
  ): Promise<void> {
    if (this.#isStopped) return;
    const { transport, isAgent } = peer;
    const switchboard = this.#switchboard;
    const line = new RelayLine(switchboard.connect(this.#now()), {
      isWebsocket: transport === "websocket",
      random: this.#options.random,
    });
    const { promise, resolve } = Promise.withResolvers<void>();
    const handle = (chunk: Uint8Array) => {
      const isThere = line.handleBytes(
        chunk,
        (bytes) => switchboard.handleBytes(line.connection, bytes, this.#now()),
      );
      this.#pump();
      if (!isThere) client.end();
    };
    const carrier = new Carrier({
      conn: upgraded.conn,
      source: line,
      onBytes: handle,
      onWritten: () => {},
      onClosed: () => client.end(),
      onFault: failLoudly,
    });
    const client: Client = {
      line,
      carrier,
      isAgent,
      end: () => {
        if (!this.#clients.delete(client)) return;
        this.#byConnection.delete(line.connection);
        switchboard.disconnect(line.connection);
        carrier.close();
        this.#pump();
        resolve(carrier.ended());
      },
    };
    this.#clients.add(client);
    this.#byConnection.set(line.connection, client);
    try {
      if (upgraded.rest.length > 0) handle(upgraded.rest);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      client.end();
    }
    this.#pump();
    await promise;
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.cut();
  }

  #newSwitchboard(): DerpSwitchboard {
    const { random } = this.#options;
    const privateKey = generatePrivateKey(random);
    return new DerpSwitchboard({
      privateKey,
      publicKey: publicKey(privateKey),
      random,
      fate: (packet, now) => this.#fateOf(packet, now),
    });
  }

  #fateOf(packet: RelayPacket, now: Instant): PacketFate {
    for (const key of this.#silenced) {
      if (equalBytes(key, packet.source) || equalBytes(key, packet.destination)) return "drop";
    }
    return this.fate?.(packet, now) ?? "forward";
  }

  #now(): Instant {
    return this.#options.clock.now();
  }

  #pump(): void {
    const board = this.#switchboard;
    for (let c = board.pollReady(); c !== undefined; c = board.pollReady()) {
      this.#byConnection.get(c)?.carrier.kick();
    }
    for (let event = board.pollEvent(); event !== undefined; event = board.pollEvent()) {
      if (event.kind === "expired") this.#byConnection.get(event.connection)?.end();
    }
    this.#arm();
  }

  #arm(): void {
    if (this.#isStopped) return;
    const at = this.#switchboard.pollTimeout();
    if (at === undefined || (this.#timer !== undefined && at >= this.#timerAt)) return;
    clearTimeout(this.#timer);
    this.#timerAt = at;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#timerAt = Infinity;
      this.#switchboard.handleTimeout(this.#now());
      this.#pump();
    }, Math.max(0, at - this.#now()));
  }
}
