/** Short ways to drive DERP cores in tests. */
import { toHex } from "../../lib/base/bytes.ts";
import type { Instant, Random } from "../../lib/base/core.ts";
import { generatePrivateKey, publicKey } from "../../lib/crypto/x25519.ts";
import { DerpClient } from "../../lib/derp/client.ts";
import type { DerpEvent } from "../../lib/derp/events.ts";
import { SEND_PACKET_HEADER_BYTES, writeSendPacketHeader } from "../../lib/derp/frame.ts";
import type { DerpServerConnection } from "../../lib/derp/server_connection.ts";
import { DerpSwitchboard, type DerpSwitchboardOptions } from "../../lib/derp/switchboard.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { splitAnyhow } from "../support/split.ts";
import { NONCE_BYTE, PRIVATE_KEY_A, PRIVATE_KEY_B, PUBLIC_KEY_A, PUBLIC_KEY_B } from "./vectors.ts";

/** Draws the nonce of the vectors, and nothing else. */
export const VECTOR_RANDOM: Random = {
  fill(bytes) {
    bytes.fill(NONCE_BYTE);
  },
};

export function clientA(): DerpClient {
  return new DerpClient({
    privateKey: PRIVATE_KEY_A,
    publicKey: PUBLIC_KEY_A,
    random: VECTOR_RANDOM,
  });
}

/** All events of a chunk, views copied. */
export function eventsOf(client: DerpClient, chunk: Uint8Array, now: Instant = 0): DerpEvent[] {
  client.handleBytes(chunk, now);
  return drainEvents(client);
}

export function drainEvents(client: DerpClient): DerpEvent[] {
  const events: DerpEvent[] = [];
  for (let e = client.pollEvent(); e; e = client.pollEvent()) {
    events.push(e.kind === "packet" ? { ...e, packet: e.packet.slice() } : e);
  }
  return events;
}

/** What must leave, each frame in hex. */
export function sentBy(client: DerpClient): string[] {
  const sent: string[] = [];
  for (let f = client.pollTransmit(); f; f = client.pollTransmit()) sent.push(toHex(f));
  return sent;
}

export function drainConnection(connection: DerpServerConnection, intoBytes = 70_000): Uint8Array {
  const out: number[] = [];
  const into = new Uint8Array(intoBytes);
  for (let n = connection.pollTransmit(into); n > 0; n = connection.pollTransmit(into)) {
    for (const byte of into.subarray(0, n)) out.push(byte);
  }
  return Uint8Array.from(out);
}

export function sendPacketFrame(destination: Uint8Array, packet: Uint8Array): Uint8Array {
  const frame = new Uint8Array(SEND_PACKET_HEADER_BYTES + packet.length);
  writeSendPacketHeader(frame, 0, destination, packet.length);
  frame.set(packet, SEND_PACKET_HEADER_BYTES);
  return frame;
}

/** A packet that a relay takes for disco, with `tag` in its last byte. */
export function discoPacket(tag: number): Uint8Array {
  const packet = new Uint8Array(70);
  packet.set([0x54, 0x53, 0xf0, 0x9f, 0x92, 0xac]);
  packet[69] = tag;
  return packet;
}

/** A relay and clients around it, with wires that cut bytes anyhow. */
export class TestRelay {
  readonly board: DerpSwitchboard;
  readonly random: SeededRandom;
  now: Instant = 0;
  readonly #lines: { client: TestClient; connection: DerpServerConnection }[] = [];

  constructor(seed: number, options: Partial<DerpSwitchboardOptions> = {}) {
    this.random = new SeededRandom(seed);
    this.board = new DerpSwitchboard({
      privateKey: PRIVATE_KEY_B,
      publicKey: PUBLIC_KEY_B,
      random: this.random,
      ...options,
    });
  }

  /** A client, logged in unless the relay objects. `privateKey` to share a key with another. */
  join(privateKey = generatePrivateKey(this.random)): TestClient {
    const client = new TestClient(privateKey, this.random);
    this.#lines.push({ client, connection: this.board.connect(this.now) });
    this.settle();
    return client;
  }

  leave(client: TestClient): void {
    const at = this.#lines.findIndex((line) => line.client === client);
    const [line] = this.#lines.splice(at, 1);
    if (line !== undefined) this.board.disconnect(line.connection);
    this.settle();
  }

  /** Carries bytes both ways until nothing moves. */
  settle(): void {
    for (let moved = true; moved;) {
      moved = false;
      for (const { client, connection } of this.#lines) {
        for (const chunk of splitAnyhow(client.takeOutput(), this.random)) {
          moved = true;
          this.board.handleBytes(connection, chunk, this.now);
        }
      }
      for (let c = this.board.pollReady(); c; c = this.board.pollReady()) {
        const line = this.#lines.find(({ connection }) => connection === c);
        for (const chunk of splitAnyhow(drainConnection(c), this.random)) {
          moved = true;
          line?.client.receive(chunk, this.now);
        }
      }
    }
  }

  /** Lets time pass, stopping at each deadline of the relay. */
  advance(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      const at = this.board.pollTimeout();
      if (at === undefined || at > end) break;
      this.now = Math.max(this.now, at);
      this.board.handleTimeout(this.now);
      this.settle();
    }
    this.now = end;
  }
}

export class TestClient {
  readonly publicKey: Uint8Array;
  readonly core: DerpClient;
  readonly events: DerpEvent[] = [];
  readonly #packets: Uint8Array[] = [];

  constructor(privateKey: Uint8Array, random: Random) {
    this.publicKey = publicKey(privateKey);
    this.core = new DerpClient({ privateKey, publicKey: this.publicKey, random });
  }

  send(destination: Uint8Array, packet: Uint8Array): void {
    this.#packets.push(sendPacketFrame(destination, packet));
  }

  /** The first bytes of the packets that came, in hex, and the other events' kinds. Empties the list. */
  take(): string[] {
    return this.events.splice(0).map((event) => {
      if (event.kind === "packet") return toHex(event.packet);
      return event.kind === "peerGone" ? event.reason : event.kind;
    });
  }

  receive(chunk: Uint8Array, now: Instant): void {
    this.events.push(...eventsOf(this.core, chunk, now));
  }

  takeOutput(): Uint8Array {
    const out: number[] = [];
    for (let f = this.core.pollTransmit(); f; f = this.core.pollTransmit()) out.push(...f);
    if (this.core.canSend) { for (const packet of this.#packets.splice(0)) out.push(...packet); }
    return Uint8Array.from(out);
  }
}
