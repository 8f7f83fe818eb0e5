/**
 * A relay without sockets: which connection has which key, and where packets go (coder/tailscale `derp/derp_server.go`).
 * - The key that wrote last, or connected last, receives; several connections may share one.
 * - A packet to nobody is dropped; if it looks like disco its sender hears "not here", 3 times at once, then once a second.
 * - When a key's last connection goes, every key it had sent to hears "disconnected".
 * For the sandbox and tests, hence the faults one can order (`fate`). Left out on purpose: meshing between relays.
 */
import { equalBytes, fromHex, toHex } from "../base/bytes.ts";
import type { Instant, Random } from "../base/core.ts";
import { earlier } from "../base/deadlines.ts";
import { type DelayedPacket, DelayLine } from "./delay_line.ts";
import type { ServerInfo } from "./login.ts";
import { DerpServerConnection } from "./server_connection.ts";
import { TokenBucket } from "../base/token_bucket.ts";

/** Packets that may wait in each of a client's two queues. */
export const DEFAULT_QUEUE_PACKETS = 512;
/** Bytes that may wait in each of a client's two queues. */
export const DEFAULT_QUEUE_BYTES = 2 * 1024 * 1024;

const NOT_HERE_BURST = 3;
const NOT_HERE_PER_SECOND = 1;
/** "TS💬", what every disco packet begins with, and the rest of its fixed part (coder/tailscale `disco/disco.go`). */
const DISCO_MAGIC = fromHex("5453f09f92ac");
const DISCO_MIN_BYTES = DISCO_MAGIC.length + 32 + 24;

/** What becomes of a packet. Different delays reorder; two delays make two copies. */
export type PacketFate = "forward" | "drop" | { readonly delaysMs: readonly number[] };

export interface DerpSwitchboardOptions {
  /** The relay's keys, 32 bytes each. */
  readonly privateKey: Uint8Array;
  readonly publicKey: Uint8Array;
  readonly random: Random;
  /** @default { version: 2 } */
  readonly info?: ServerInfo;
  /** @default 512 */
  readonly queuePackets?: number;
  /** @default 2 MiB */
  readonly queueBytes?: number;
  /** Decides over each packet (all borrowed). @default everything is forwarded */
  readonly fate?: (packet: DelayedPacket, now: Instant) => PacketFate;
}

export type SwitchboardEvent =
  /** A key that was not here before. */
  | { readonly kind: "joined"; readonly key: Uint8Array }
  /** A key's last connection is gone. */
  | { readonly kind: "left"; readonly key: Uint8Array }
  /** Close this connection: its login took too long. */
  | { readonly kind: "expired"; readonly connection: DerpServerConnection };

/** All connections of one key. */
interface Client {
  readonly key: Uint8Array;
  readonly connections: DerpServerConnection[];
  /** The one that receives; `undefined` once the client is gone. */
  active: DerpServerConnection | undefined;
  /** The clients that hear of it when this one goes. */
  readonly sentTo: Set<Client>;
}

/** What the switchboard keeps of a connection. */
interface Line {
  client: Client | undefined;
  readonly notHere: TokenBucket;
  /** The last destination, and who it was, which spares a look-up for each packet. */
  lastDestination: Uint8Array | undefined;
  lastClient: Client | undefined;
}

export class DerpSwitchboard {
  readonly counters = { forwarded: 0, dropped: 0, nobody: 0 };

  readonly #options: DerpSwitchboardOptions;
  readonly #lines = new Map<DerpServerConnection, Line>();
  readonly #clients = new Map<string, Client>();
  readonly #ready = new Set<DerpServerConnection>();
  readonly #events: SwitchboardEvent[] = [];
  readonly #delayed = new DelayLine();

  constructor(options: DerpSwitchboardOptions) {
    this.#options = options;
  }

  get publicKey(): Uint8Array {
    return this.#options.publicKey;
  }

  /** Begins a connection, whose greeting is ready to leave. */
  connect(now: Instant): DerpServerConnection {
    const { queuePackets = DEFAULT_QUEUE_PACKETS, queueBytes = DEFAULT_QUEUE_BYTES } =
      this.#options;
    const queue = { maxPackets: queuePackets, maxBytes: queueBytes };
    const connection = new DerpServerConnection({ ...this.#options, queue }, now);
    const limit = { tokensPerSecond: NOT_HERE_PER_SECOND, burstTokens: NOT_HERE_BURST };
    this.#lines.set(connection, {
      client: undefined,
      notHere: new TokenBucket(limit, now),
      lastDestination: undefined,
      lastClient: undefined,
    });
    this.#ready.add(connection);
    return connection;
  }

  /** The connection is closed, by whomever. Idempotent. */
  disconnect(connection: DerpServerConnection): void {
    const client = this.#lines.get(connection)?.client;
    this.#lines.delete(connection);
    this.#ready.delete(connection);
    if (client === undefined) return;
    const at = client.connections.indexOf(connection);
    if (at >= 0) client.connections.splice(at, 1);
    if (client.active !== connection) return;
    client.active = client.connections.at(-1);
    if (client.active === undefined) this.#removeClient(client);
  }

  /** Takes what a client sent (borrowed for the call). Throws `DerpError`: close the connection, then `disconnect`. */
  handleBytes(connection: DerpServerConnection, chunk: Uint8Array, now: Instant): void {
    const line = this.#lines.get(connection);
    if (line === undefined) return;
    connection.handleBytes(chunk, now);
    for (let event = connection.pollEvent(); event; event = connection.pollEvent()) {
      if (event.kind === "packet") this.#handlePacket(connection, line, event, now);
      else if (event.kind === "login") this.#handleLogin(connection, line, event.key);
    }
    if (connection.hasOutput) this.#ready.add(connection);
  }

  /**
   * A connection whose `pollTransmit` has something to send, each once until something more comes; `undefined` when none.
   * The driver drains it now, or when its socket takes bytes again.
   */
  pollReady(): DerpServerConnection | undefined {
    for (const connection of this.#ready) {
      this.#ready.delete(connection);
      return connection;
    }
    return undefined;
  }

  pollEvent(): SwitchboardEvent | undefined {
    return this.#events.shift();
  }

  /** Delivers delayed packets that are due, sends keepalives, gives up slow logins. */
  handleTimeout(now: Instant): void {
    for (let packet = this.#delayed.pop(now); packet; packet = this.#delayed.pop(now)) {
      const source = this.#clients.get(toHex(packet.source));
      const destination = this.#clients.get(toHex(packet.destination));
      if (source && destination) this.#deliver(source, destination, packet.packet);
      else this.counters.nobody++;
    }
    for (const connection of this.#lines.keys()) {
      connection.handleTimeout(now);
      if (connection.hasOutput) this.#ready.add(connection);
      if (connection.clientKey === undefined && connection.pollEvent()?.kind === "expired") {
        this.#events.push({ kind: "expired", connection });
      }
    }
  }

  pollTimeout(): Instant | undefined {
    let at = this.#delayed.nextAt();
    for (const connection of this.#lines.keys()) at = earlier(at, connection.pollTimeout());
    return at;
  }

  /** Tells every client that the relay restarts; closing the connections afterwards is the driver's. */
  announceRestart(times: { readonly reconnectInMs: number; readonly tryForMs: number }): void {
    for (const connection of this.#lines.keys()) {
      if (connection.clientKey === undefined) continue;
      connection.sendRestarting(times);
      this.#ready.add(connection);
    }
  }

  /** The connection that receives for `key`, e.g. to send it a frame of one's own: then call `wake`. */
  connectionOf(key: Uint8Array): DerpServerConnection | undefined {
    return this.#clients.get(toHex(key))?.active;
  }

  /** Makes `pollReady` return the connection, after something was sent on it past the switchboard. */
  wake(connection: DerpServerConnection): void {
    if (this.#lines.has(connection)) this.#ready.add(connection);
  }

  #handleLogin(connection: DerpServerConnection, line: Line, key: Uint8Array): void {
    const name = toHex(key);
    let client = this.#clients.get(name);
    if (client === undefined) {
      client = { key, connections: [], active: connection, sentTo: new Set() };
      this.#clients.set(name, client);
      this.#events.push({ kind: "joined", key });
    }
    client.connections.push(connection);
    client.active = connection;
    line.client = client;
  }

  #handlePacket(
    connection: DerpServerConnection,
    line: Line,
    sent: { readonly destination: Uint8Array; readonly packet: Uint8Array },
    now: Instant,
  ): void {
    const source = line.client;
    if (source === undefined) return;
    source.active = connection;
    if (line.lastDestination !== sent.destination || line.lastClient?.active === undefined) {
      line.lastDestination = sent.destination;
      line.lastClient = this.#clients.get(toHex(sent.destination));
    }
    const packet = { source: source.key, destination: sent.destination, packet: sent.packet };
    const fate = this.#options.fate?.(packet, now) ?? "forward";
    if (fate === "drop") {
      this.counters.dropped++;
    } else if (fate !== "forward") {
      for (const delayMs of fate.delaysMs) {
        if (!this.#delayed.push(packet, now + delayMs)) this.counters.dropped++;
      }
    } else if (line.lastClient !== undefined) {
      this.#deliver(source, line.lastClient, sent.packet);
    } else {
      this.counters.nobody++;
      if (looksLikeDisco(sent.packet) && line.notHere.take(1, now)) {
        connection.sendPeerGone(sent.destination, "not-here");
      }
    }
  }

  #deliver(source: Client, destination: Client, packet: Uint8Array): void {
    const connection = destination.active;
    if (connection === undefined) return;
    source.sentTo.add(destination);
    const queue = looksLikeDisco(packet) ? connection.discoPackets : connection.packets;
    queue.push(source.key, packet);
    this.counters.forwarded++;
    this.#ready.add(connection);
  }

  #removeClient(client: Client): void {
    this.#clients.delete(toHex(client.key));
    this.#events.push({ kind: "left", key: client.key });
    for (const other of this.#clients.values()) {
      other.sentTo.delete(client);
      if (other.active === undefined || !client.sentTo.has(other)) continue;
      other.active.sendPeerGone(client.key, "disconnected");
      this.#ready.add(other.active);
    }
    client.sentTo.clear();
  }
}

function looksLikeDisco(packet: Uint8Array): boolean {
  return packet.length >= DISCO_MIN_BYTES && packet[0] === DISCO_MAGIC[0] &&
    equalBytes(packet.subarray(0, DISCO_MAGIC.length), DISCO_MAGIC);
}
