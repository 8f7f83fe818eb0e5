/**
 * One connection to one relay: HTTP upgrade, then DERP raw or inside a websocket (coder/tailscale
 * `derp/derphttp/derphttp_client.go`). Bytes in, packets out; what must leave is gathered into batches of up to 64 KB, half of
 * that in a websocket.
 * Not here: which relay and when to dial again, which `relays.ts` knows.
 */
import type { Core, Instant, Random } from "../base/core.ts";
import { ProtocolError } from "../base/errors.ts";
import {
  DerpClient,
  type DerpEvent,
  type PingLimits,
  SEND_PACKET_HEADER_BYTES,
  writeSendPacketHeader,
} from "../derp/mod.ts";
import { isHostField } from "../http1/mod.ts";
import { frameInPlace, HttpUpgradeClient, WebsocketConnection } from "../websocket/mod.ts";
import { type Batch, type Line, type LineTarget, ownedBatch } from "./line.ts";
import type { PacketSlot } from "./path.ts";
import { type PacketLink, RelayPath } from "./relay_path.ts";
import {
  BatchPair,
  MESSAGE_BATCH_BYTES,
  type SendBatch,
  STREAM_BATCH_BYTES,
} from "./send_batch.ts";

export type RelayTransport = "upgrade" | "websocket";

export interface RelayLinkOptions {
  readonly region: number;
  readonly transport: RelayTransport;
  /** Of the request. */
  readonly path: string;
  /** Where the relay is, best first. */
  readonly targets: readonly LineTarget[];
  /** The user's own headers; never the session token. */
  readonly headers: readonly (readonly [string, string])[];
  readonly nodePrivateKey: Uint8Array;
  readonly nodePublicKey: Uint8Array;
  readonly random: Random;
}

/** The relay did not let us in. */
export interface RelayRefusal {
  readonly status: number;
  /** The start of the answer's body, as text. */
  readonly body: string;
}

type Phase =
  /** Nobody is connected yet. */
  | { readonly kind: "idle" }
  | { readonly kind: "upgrade"; readonly client: HttpUpgradeClient }
  | { readonly kind: "derp"; readonly websocket: WebsocketConnection | undefined }
  | { readonly kind: "refused"; readonly refusal: RelayRefusal }
  | { readonly kind: "closed"; readonly reason: string };

/** Packets queued beyond this are not accepted: the tunnel keeps its own data until there is room. */
const MAX_OUTBOX_BYTES = 262_144;
/** As much of a refusal as is worth showing. */
const MAX_SHOWN_BODY_BYTES = 1_024;
const NO_BUFFER = new Uint8Array(0);

/** Time for one address of a relay, so that the next one gets its turn within the budget of them all. */
const DIAL_LIMIT_MS = 5_000;
/** Halves the CPU of 64 KB reads on bulk transfers. */
const READ_BYTES = 262_144;

export class RelayLink implements Core<DerpEvent>, Line, PacketLink {
  readonly name: string;
  readonly targets: readonly LineTarget[];
  readonly dialLimitMs = DIAL_LIMIT_MS;
  readonly readBytes = READ_BYTES;
  readonly region: number;
  readonly transport: RelayTransport;
  /** Whether the connection stood once. */
  wasOpened = false;
  readonly #options: RelayLinkOptions;
  readonly #random: Random;
  readonly #derp: DerpClient;
  #phase: Phase = { kind: "idle" };
  #isRetired = false;
  /** Already framed bytes that go out before the batch: request head, pongs, close. */
  readonly #outbox: Uint8Array[] = [];
  #outboxBytes = 0;
  /** Made when the link is opened: a link that nobody connects costs next to nothing. */
  #batches: BatchPair | undefined;
  readonly #slot = { buffer: NO_BUFFER, offset: 0 };
  /** When the bytes came that are being read. */
  #readAt: Instant = 0;

  constructor(options: RelayLinkOptions) {
    this.name = `relay ${options.region}`;
    this.targets = options.targets;
    this.region = options.region;
    this.transport = options.transport;
    this.#options = options;
    this.#random = options.random;
    this.#derp = new DerpClient({
      privateKey: options.nodePrivateKey,
      publicKey: options.nodePublicKey,
      random: options.random,
    });
  }

  /**
   * Should be called once the connection stands, before anything is taken or given: asks for the upgrade. `host` is the
   * `Host` value of the server that was reached, with the port unless it is the scheme's default.
   */
  open(host: string): void {
    if (this.#phase.kind !== "idle") throw new TypeError("Cannot open: the link was opened before");
    // What a relay map says is a server's word.
    if (!isHostField(host)) {
      this.#phase = { kind: "closed", reason: "has a host name that is none" };
      return;
    }
    const isWebsocket = this.transport === "websocket";
    const client = new HttpUpgradeClient({
      path: this.#options.path,
      host,
      headers: this.#options.headers,
      upgrade: isWebsocket ? "websocket" : "DERP",
      ...(isWebsocket ? { protocol: "derp" } : {}),
      random: this.#random,
    });
    const capacityBytes = isWebsocket ? MESSAGE_BATCH_BYTES : STREAM_BATCH_BYTES;
    this.#batches = new BatchPair(capacityBytes);
    this.#phase = { kind: "upgrade", client };
    this.wasOpened = true;
    this.#push(client.request());
  }

  /** Nothing is wanted of the link any more: what it holds goes nowhere. */
  abandon(): void {
    this.#phase = { kind: "closed", reason: "was given up" };
    this.#outbox.length = 0;
    this.#outboxBytes = 0;
  }

  /** Whether packets may be sent: before the relay has said that it knows us. */
  get isReady(): boolean {
    return this.#derp.canSend && !this.#isRetired && this.#phase.kind === "derp";
  }

  get refusal(): RelayRefusal | undefined {
    return this.#phase.kind === "refused" ? this.#phase.refusal : undefined;
  }

  /** Why the link cannot be used any more; `undefined` while it can. */
  get closedReason(): string | undefined {
    if (this.#phase.kind === "refused") return `answered status ${this.#phase.refusal.status}`;
    return this.#phase.kind === "closed" ? this.#phase.reason : undefined;
  }

  /**
   * Takes what arrived; `chunk` is borrowed until `pollEvent` returned `undefined`, and packets in it may be decrypted in
   * place. Throws `ProtocolError`: then drop the connection.
   */
  handleBytes(chunk: Uint8Array, now: Instant): void {
    this.#readAt = now;
    let bytes = chunk;
    if (this.#phase.kind === "upgrade") {
      const result = this.#phase.client.handleBytes(bytes);
      if (result === undefined) return;
      if (result.kind === "refused") return this.#refuse(result);
      const websocket = this.transport === "websocket"
        ? new WebsocketConnection({ role: "client", random: this.#random, stream: true })
        : undefined;
      this.#phase = { kind: "derp", websocket };
      bytes = result.rest;
      if (bytes.length === 0) return;
    }
    if (this.#phase.kind !== "derp") return;
    if (this.#phase.websocket === undefined) this.#derp.handleBytes(bytes, now);
    else this.#phase.websocket.handleBytes(bytes);
  }

  /** The connection ended, or is given up: a refusal whose body had not come to its end still counts. Idempotent. */
  handleEnd(): void {
    if (this.#phase.kind !== "upgrade") return;
    try {
      const result = this.#phase.client.handleEnd();
      if (result.kind === "refused") this.#refuse(result);
    } catch (error) {
      // Not even a refusal: whoever saw the end has its reason.
      if (!(error instanceof ProtocolError)) throw error;
    }
  }

  /** Erases what is shared with the relay: the link is of no use afterwards. */
  wipe(): void {
    this.#derp.close();
  }

  #refuse(result: { readonly status: number; readonly body: Uint8Array }): void {
    const body = new TextDecoder().decode(result.body.subarray(0, MAX_SHOWN_BODY_BYTES));
    this.#phase = { kind: "refused", refusal: { status: result.status, body } };
  }

  /** What happened, its views valid until the next call. Throws `ProtocolError` as `handleBytes` does. */
  pollEvent(): DerpEvent | undefined {
    while (this.#phase.kind === "derp") {
      const event = this.#derp.pollEvent();
      if (event !== undefined) {
        // Whoever sends a packet because of it sends it behind our name.
        if (event.kind === "introduced") this.#takeControl();
        if (event.kind === "dead") this.#phase = { kind: "closed", reason: "stopped answering" };
        return event;
      }
      const { websocket } = this.#phase;
      if (websocket === undefined) return undefined;
      const message = websocket.pollMessage();
      for (let frame = websocket.pollTransmit(); frame; frame = websocket.pollTransmit()) {
        this.#push(frame);
      }
      if (message === undefined) return undefined;
      if (message.kind === "close") {
        this.#phase = { kind: "closed", reason: `closed by the relay (${message.code})` };
        return undefined;
      }
      this.#derp.handleBytes(message.bytes, this.#readAt);
    }
    return undefined;
  }

  handleTimeout(now: Instant): void {
    if (this.#phase.kind === "derp") this.#derp.handleTimeout(now);
  }

  pollTimeout(): Instant | undefined {
    return this.#phase.kind === "derp" && !this.#isRetired ? this.#derp.pollTimeout() : undefined;
  }

  /** Frames of the relay that were of no use. */
  get droppedFrames(): number {
    return this.#derp.droppedFrames;
  }

  /** Asks whether the relay is still there; without an answer in `limitMs` the link is over. */
  probe(now: Instant, limits: PingLimits): void {
    this.#derp.ping(now, limits);
  }

  /** Whether the relay should have answered something by now; packets may be sent all the same. */
  get isDoubted(): boolean {
    return this.#derp.isDoubted;
  }

  /** Another link took its place: what is on its way here is still read, nothing is sent any more. */
  retire(): void {
    this.#isRetired = true;
    this.#outbox.length = 0;
    this.#outboxBytes = 0;
  }

  notePreferred(isHome: boolean): void {
    this.#derp.notePreferred(isHome);
  }

  /** The way to a peer of this relay. */
  pathTo(nodeKey: Uint8Array): RelayPath {
    return new RelayPath(this, nodeKey);
  }

  /** As `Path.slot`. */
  slot(packetBytes: number): PacketSlot | undefined {
    const batch = this.#batches?.withRoom(SEND_PACKET_HEADER_BYTES + packetBytes);
    if (batch === undefined || !this.isReady) return undefined;
    this.#slot.buffer = batch.buffer;
    this.#slot.offset = batch.end + SEND_PACKET_HEADER_BYTES;
    return this.#slot;
  }

  /**
   * As `Path.commit`: puts the DERP header before what was written into the slot and counts it in; false when the relay's
   * announced rate does not allow it.
   */
  commit(destination: Uint8Array, packetBytes: number, now: Instant): boolean {
    const batch = this.#batches?.fillable();
    if (batch === undefined) return false;
    if (!this.#derp.allowSend(packetBytes, now)) return false;
    writeSendPacketHeader(batch.buffer, batch.end, destination, packetBytes);
    batch.end += SEND_PACKET_HEADER_BYTES + packetBytes;
    return true;
  }

  /** Whether a packet found no room since this was asked last: with a batch that was written there is some again. */
  takeShortage(): boolean {
    return this.#batches?.takeShortage() ?? false;
  }

  /** As `Path.send`. */
  send(destination: Uint8Array, packet: Uint8Array, now: Instant): boolean {
    const slot = this.slot(packet.length);
    if (slot === undefined) return false;
    slot.buffer.set(packet, slot.offset);
    return this.commit(destination, packet.length, now);
  }

  takeBatch(): Batch | undefined {
    if (this.#isRetired) return undefined;
    if (this.#phase.kind === "derp") this.#takeControl();
    const first = this.#outbox.shift();
    if (first !== undefined) {
      this.#outboxBytes -= first.length;
      return ownedBatch(first);
    }
    const batch = this.#batches?.fillable();
    // What a link holds that is over goes nowhere: in a websocket it would not even be framed.
    if (batch === undefined || batch.isEmpty || this.#phase.kind !== "derp") return undefined;
    return batch.takeFrom(this.#frame(batch));
  }

  #takeControl(): void {
    for (let frame = this.#derp.pollTransmit(); frame; frame = this.#derp.pollTransmit()) {
      this.#pushControl(frame);
    }
  }

  /** Control frames keep their place before the packets that come after them. */
  #pushControl(frame: Uint8Array): void {
    const batch = this.#batches?.fillable();
    if (batch === undefined || batch.append(frame)) return;
    this.#push(batch.buffer.slice(this.#frame(batch), batch.end));
    batch.clear();
    batch.append(frame);
  }

  /** Where the frame around the batch begins. */
  #frame(batch: SendBatch): number {
    const isWebsocket = this.#phase.kind === "derp" && this.#phase.websocket !== undefined;
    return isWebsocket
      ? frameInPlace({ role: "client", random: this.#random }, batch.buffer, batch.start, batch.end)
      : batch.start;
  }

  #push(bytes: Uint8Array): void {
    if (this.#isRetired) return;
    // A relay that floods us with pings while it reads nothing is cut off by the bound.
    if (this.#outboxBytes + bytes.length > MAX_OUTBOX_BYTES) {
      this.#phase = { kind: "closed", reason: "does not read what we send" };
      return;
    }
    this.#outbox.push(bytes);
    this.#outboxBytes += bytes.length;
  }
}
