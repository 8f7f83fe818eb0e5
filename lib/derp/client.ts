/**
 * The client of one relay connection (coder/tailscale `derp/derp_client.go`), over a byte stream that someone else
 * carries: websocket payload, or what follows `Upgrade: DERP`.
 * Order of use: `handleBytes`, then `pollEvent` until `undefined`, then `pollTransmit` until `undefined`.
 * Packets are sent past this object: from `canSend` on, ask `allowSend`, write `writeSendPacketHeader` before the packet.
 * Left out on purpose: meshing, fast start (docs/protocol/relay.md#ways-in: no Coder relay offers it), the time limit for connecting,
 * which belongs to who dials, since it covers DNS, TCP and TLS too.
 */
import { assertLength, ByteReader, KEY_BYTES } from "../base/bytes.ts";
import type { Instant, Random } from "../base/core.ts";
import { type BoxKey, precomputeBox } from "../crypto/box.ts";
import { DerpError } from "./errors.ts";
import type { DerpEvent } from "./events.ts";
import {
  encodeFrame,
  FrameType,
  isKeyAt,
  MAX_FRAME_BYTES,
  PeerGoneReason,
  PING_BYTES,
  SEND_PACKET_HEADER_BYTES,
} from "./frame.ts";
import { DerpFrameReader, SKIP_FRAME } from "./frame_reader.ts";
import {
  decodeServerInfo,
  decodeServerKey,
  encodeClientInfo,
  MAX_SERVER_KEY_BYTES,
} from "./login.ts";
import { DOUBT_MS, Liveness, type PingReason, PONG_LIMIT_MS } from "./liveness.ts";
import { TokenBucket } from "../base/token_bucket.ts";

/** Pongs that wait for `pollTransmit`; pings beyond are dropped. */
export const MAX_QUEUED_PONGS = 32;

export interface DerpClientOptions {
  /** Our node's keys, 32 bytes each, borrowed for the object's life. */
  readonly privateKey: Uint8Array;
  readonly publicKey: Uint8Array;
  readonly random: Random;
}

/** How long an answer may take: before the relay is doubted, and before it is dead. `doubtMs` 0: at once. */
export interface PingLimits {
  /** @default 10_000 */
  readonly limitMs?: number;
  /** @default 1_000 */
  readonly doubtMs?: number;
}

type ClientState =
  /** The greeting is awaited. */
  | { readonly kind: "greeting" }
  /** ClientInfo is on its way; packets may be sent, ServerInfo is awaited. */
  | { readonly kind: "introduced"; readonly key: BoxKey; readonly serverPublicKey: Uint8Array }
  | { readonly kind: "ready" }
  | { readonly kind: "dead" };

export class DerpClient {
  /** Frames that were dropped: too short, unasked, or too many. Those of unknown types are not counted. */
  droppedFrames = 0;

  readonly #options: DerpClientOptions;
  readonly #reader = new DerpFrameReader({ limit: limitOf, maxSkippedBytes: MAX_FRAME_BYTES });
  readonly #liveness: Liveness;
  readonly #control: Uint8Array[] = [];
  readonly #packet: { readonly kind: "packet"; source: Uint8Array; packet: Uint8Array } = {
    kind: "packet",
    source: new Uint8Array(KEY_BYTES),
    packet: new Uint8Array(0),
  };
  #state: ClientState = { kind: "greeting" };
  #now: Instant = 0;
  #queuedPongs = 0;
  #preferred: boolean | undefined;
  #bucket: TokenBucket | undefined;
  #isDeathDue = false;

  constructor(options: DerpClientOptions) {
    assertLength(options.privateKey, KEY_BYTES, "privateKey");
    assertLength(options.publicKey, KEY_BYTES, "publicKey");
    this.#options = options;
    this.#liveness = new Liveness(options.random);
  }

  /** Whether packets may be sent, once what `pollTransmit` holds is written. True before `ready`, to save a round trip. */
  get canSend(): boolean {
    return this.#state.kind === "introduced" || this.#state.kind === "ready";
  }

  /** Takes the next chunk, borrowed until `pollEvent` returned `undefined`. Any byte is a sign of life. */
  handleBytes(chunk: Uint8Array, now: Instant): void {
    if (this.#state.kind === "dead") return;
    this.#reader.handleBytes(chunk);
    this.#now = now;
    this.#liveness.handleActivity(now);
  }

  /** The next event, or `undefined` when the chunk is used up. Throws `DerpError`; the connection is then to be closed. */
  pollEvent(): DerpEvent | undefined {
    if (this.#isDeathDue) {
      this.#isDeathDue = false;
      return { kind: "dead" };
    }
    while (this.#reader.next()) {
      const event = this.#handleFrame();
      if (event !== undefined) return event;
    }
    return undefined;
  }

  /** A control frame that must leave before any packet that is sent later, for the caller to keep. */
  pollTransmit(): Uint8Array | undefined {
    const frame = this.#control.shift();
    if (frame === undefined) this.#queuedPongs = 0;
    return frame;
  }

  /** Does what is due at `now`. */
  handleTimeout(now: Instant): void {
    const due = this.#liveness.handleTimeout(now);
    if (due === "ping" && this.canSend) {
      this.#beginPing(now, { isAsked: false, limitMs: PONG_LIMIT_MS, doubtMs: DOUBT_MS });
    } else if (due !== undefined) { // dead, or a greeting that stopped halfway
      this.close();
      this.#isDeathDue = true;
    }
  }

  /** Takes and gives nothing any more, and erases what was shared with the relay. Idempotent. */
  close(): void {
    if (this.#state.kind === "introduced") this.#state.key.bytes.fill(0);
    this.#state = { kind: "dead" };
    this.#reader.discard();
  }

  pollTimeout(): Instant | undefined {
    return this.#state.kind === "dead" ? undefined : this.#liveness.pollTimeout();
  }

  /** Tells the relay whether it is our home; statistics to it. Sent right after the login, or now. */
  notePreferred(isHome: boolean): void {
    this.#preferred = isHome;
    if (this.canSend) this.#flushPreferred();
  }

  /**
   * Probes the connection, after a sleep or a change of network: `pong` or, `limitMs` later, `dead`.
   * Nothing but the pong counts, since older bytes may still be in the pipe. Without effect before the login.
   */
  ping(now: Instant, { limitMs = PONG_LIMIT_MS, doubtMs = DOUBT_MS }: PingLimits = {}): void {
    if (this.canSend) this.#beginPing(now, { isAsked: true, limitMs, doubtMs });
  }

  /** Whether the relay should have answered by now; it may still. */
  get isDoubted(): boolean {
    return this.#liveness.isDoubted;
  }

  /** Whether a packet of that size fits the relay's rate limit, if it set one; what does not is to be dropped. */
  allowSend(packetBytes: number, now: Instant): boolean {
    this.#liveness.handleSent(now);
    if (this.#bucket === undefined) return true;
    return this.#bucket.take(SEND_PACKET_HEADER_BYTES + packetBytes, now);
  }

  #handleFrame(): DerpEvent | undefined {
    const reader = this.#reader;
    const { type } = reader;
    if (type === FrameType.recvPacket) return this.#handlePacket();
    if (this.#state.kind === "greeting" && type !== FrameType.serverKey) {
      throw derpError("no-greeting", `frame type ${type} came before the server key`);
    }
    switch (type) {
      case FrameType.serverKey:
        return this.#handleServerKey(reader.payload());
      case FrameType.serverInfo:
        return this.#handleServerInfo(reader.payload());
      case FrameType.ping:
        this.#handlePing(reader.payload());
        return undefined;
      case FrameType.pong:
        return this.#handlePong(reader.payload());
      case FrameType.peerGone:
        return this.#handlePeerGone(reader.payload());
      case FrameType.health:
        return { kind: "health", problem: new TextDecoder().decode(reader.payload()) };
      case FrameType.restarting:
        return this.#handleRestarting(reader.payload());
      default: // KeepAlive: having come is all it says.
        return undefined;
    }
  }

  #handlePacket(): DerpEvent | undefined {
    const { bytes, start, end } = this.#reader;
    if (this.#state.kind === "greeting") {
      throw derpError("no-greeting", "packet before the server key");
    }
    if (end - start < KEY_BYTES) {
      this.droppedFrames++;
      return undefined;
    }
    const event = this.#packet;
    if (!isKeyAt(bytes, start, event.source)) event.source = bytes.slice(start, start + KEY_BYTES);
    event.packet = bytes.subarray(start + KEY_BYTES, end);
    return event;
  }

  #handleServerKey(payload: Uint8Array): DerpEvent | undefined {
    if (this.#state.kind !== "greeting") { // as the official client: a second greeting is of an unknown type
      this.droppedFrames++;
      return undefined;
    }
    const { privateKey, publicKey, random } = this.#options;
    const serverPublicKey = decodeServerKey(payload);
    const key = precomputeBox(privateKey, serverPublicKey);
    if (key === undefined) throw derpError("bad-server-key", "server key is of small order");
    this.#control.push(encodeClientInfo(key, publicKey, random));
    this.#state = { kind: "introduced", key, serverPublicKey };
    this.#flushPreferred();
    return { kind: "introduced" };
  }

  #handleServerInfo(payload: Uint8Array): DerpEvent | undefined {
    if (this.#state.kind !== "introduced") {
      this.droppedFrames++;
      return undefined;
    }
    const { key, serverPublicKey } = this.#state;
    const info = decodeServerInfo(key, payload);
    const { tokenBucketBytesPerSecond: tokensPerSecond } = info;
    if (tokensPerSecond !== undefined) {
      const burstTokens = info.tokenBucketBytesBurst ?? tokensPerSecond;
      this.#bucket = new TokenBucket({ tokensPerSecond, burstTokens }, this.#now);
    }
    key.bytes.fill(0); // the login was all it was for
    this.#state = { kind: "ready" };
    return { kind: "ready", info, serverPublicKey: serverPublicKey.slice() };
  }

  #handlePing(payload: Uint8Array): void {
    if (payload.length < PING_BYTES || this.#queuedPongs >= MAX_QUEUED_PONGS) {
      this.droppedFrames++;
      return;
    }
    this.#queuedPongs++;
    this.#control.push(encodeFrame(FrameType.pong, payload.subarray(0, PING_BYTES)));
  }

  #handlePong(payload: Uint8Array): DerpEvent | undefined {
    const roundTripMs = this.#liveness.handlePong(payload.subarray(0, PING_BYTES), this.#now);
    if (roundTripMs !== undefined) return { kind: "pong", roundTripMs };
    this.droppedFrames++;
    return undefined;
  }

  #handlePeerGone(payload: Uint8Array): DerpEvent | undefined {
    if (payload.length < KEY_BYTES) {
      this.droppedFrames++;
      return undefined;
    }
    // Coder v0.24 sends no reason. Reasons of the future read as the first one, which is true of all.
    const isNotHere = payload[KEY_BYTES] === PeerGoneReason.notHere;
    const peer = payload.slice(0, KEY_BYTES);
    return { kind: "peerGone", peer, reason: isNotHere ? "not-here" : "disconnected" };
  }

  #handleRestarting(payload: Uint8Array): DerpEvent | undefined {
    if (payload.length < 8) {
      this.droppedFrames++;
      return undefined;
    }
    const reader = new ByteReader(payload);
    return { kind: "restarting", reconnectInMs: reader.u32be(), tryForMs: reader.u32be() };
  }

  #flushPreferred(): void {
    if (this.#preferred === undefined) return;
    this.#control.push(
      encodeFrame(FrameType.notePreferred, Uint8Array.of(this.#preferred ? 1 : 0)),
    );
    this.#preferred = undefined;
  }

  #beginPing(now: Instant, why: PingReason): void {
    this.#control.push(encodeFrame(FrameType.ping, this.#liveness.begin(now, why)));
  }
}

/** What a client takes of each type (docs/protocol/relay.md#frames); mesh frames and unknown types are read and discarded. */
function limitOf(type: number): number {
  switch (type) {
    case FrameType.serverKey:
      return MAX_SERVER_KEY_BYTES;
    case FrameType.recvPacket:
    case FrameType.serverInfo:
    case FrameType.keepAlive:
    case FrameType.peerGone:
    case FrameType.ping:
    case FrameType.pong:
    case FrameType.health:
    case FrameType.restarting:
      return MAX_FRAME_BYTES;
    default:
      return SKIP_FRAME;
  }
}

function derpError(code: string, what: string): DerpError {
  return new DerpError(`Cannot follow relay: ${what}`, {
    code,
    spec: "coder/tailscale derp/derp.go",
  });
}
