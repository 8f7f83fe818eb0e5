/**
 * The relay's side of one connection (coder/tailscale `derp/derp_server.go`): login, frames in, queues out.
 * Order of use: `handleBytes`, then `pollEvent` until `undefined`, then `pollTransmit` until 0. Where packets go is the
 * switchboard's business (`switchboard.ts`), which also calls the first two.
 * Left out on purpose: meshing; the cut of a client that does not read for 2 s, which only the driver can see.
 */
import { assertNever, type Instant, type Random, randomFraction } from "../base/core.ts";
import { Deadlines } from "../base/deadlines.ts";
import { ByteWriter, KEY_BYTES } from "../base/bytes.ts";
import { precomputeBox } from "../crypto/box.ts";
import { DerpError } from "./errors.ts";
import {
  encodeFrame,
  FrameType,
  isKeyAt,
  MAX_FRAME_BYTES,
  MAX_PACKET_BYTES,
  PeerGoneReason,
  PING_BYTES,
} from "./frame.ts";
import { DerpFrameReader, SKIP_FRAME } from "./frame_reader.ts";
import {
  type ClientInfo,
  decodeClientInfo,
  decodeClientKey,
  encodeServerInfo,
  encodeServerKey,
  MAX_CLIENT_INFO_BYTES,
  PROTOCOL_VERSION,
  type ServerInfo,
} from "./login.ts";
import { PacketQueue, type PacketQueueOptions } from "./packet_queue.ts";

/** How long a client may take to say who it is. */
export const LOGIN_LIMIT_MS = 10_000;
export const KEEP_ALIVE_MS = 60_000;
/** Random part of the keepalive, so that clients do not wake together. */
export const KEEP_ALIVE_JITTER_MS = 5_000;
/** Pongs and notices that wait for a slow reader; more are dropped. */
export const MAX_QUEUED_CONTROL_FRAMES = 64;
/** Longest ping taken; 8 bytes of it are echoed. */
const MAX_PING_BYTES = 1000;

export interface DerpServerConnectionOptions {
  /** The relay's keys, 32 bytes each. */
  readonly privateKey: Uint8Array;
  readonly publicKey: Uint8Array;
  readonly random: Random;
  /** What the relay says of itself, e.g. a rate limit. @default { version: 2 } */
  readonly info?: ServerInfo;
  /** Of each of the two queues, ordinary and disco. */
  readonly queue: PacketQueueOptions;
}

/** Keys are copies; a packet event is reused by the next `pollEvent`, its packet a view of the chunk. */
export type DerpServerEvent =
  | { readonly kind: "login"; readonly key: Uint8Array; readonly info: ClientInfo }
  | { readonly kind: "packet"; readonly destination: Uint8Array; readonly packet: Uint8Array }
  | { readonly kind: "preferred"; readonly isHome: boolean }
  | { readonly kind: "pong"; readonly data: Uint8Array }
  /** The login took too long: close the connection. */
  | { readonly kind: "expired" };

/**
 * `login`: when to give up a client that does not say who it is.
 * `keepAlive`: when to send the next KeepAlive.
 */
type Timer =
  /** When to give up a client that has not said who it is. */
  | "login"
  /** When to send the next sign of life. */
  | "keepAlive";

export class DerpServerConnection {
  /** Frames that were too many or too short. */
  droppedFrames = 0;
  readonly packets: PacketQueue;
  readonly discoPackets: PacketQueue;

  readonly #options: DerpServerConnectionOptions;
  readonly #reader = new DerpFrameReader({ limit: limitOf, maxSkippedBytes: MAX_FRAME_BYTES });
  readonly #deadlines = new Deadlines<Timer>();
  readonly #control: Uint8Array[] = [];
  readonly #packet: { readonly kind: "packet"; destination: Uint8Array; packet: Uint8Array } = {
    kind: "packet",
    destination: new Uint8Array(KEY_BYTES),
    packet: new Uint8Array(0),
  };
  #clientKey: Uint8Array | undefined;
  #now: Instant;
  #controlOffset = 0;
  #isExpired = false;

  constructor(options: DerpServerConnectionOptions, now: Instant) {
    this.#options = options;
    this.#now = now;
    this.packets = new PacketQueue(options.queue);
    this.discoPackets = new PacketQueue(options.queue);
    this.#control.push(encodeServerKey(options.publicKey));
    this.#deadlines.set("login", now + LOGIN_LIMIT_MS);
  }

  /** The client's key, 32 bytes, once it logged in. */
  get clientKey(): Uint8Array | undefined {
    return this.#clientKey;
  }

  /** Whether `pollTransmit` has something. */
  get hasOutput(): boolean {
    return this.#control.length > 0 || this.packets.count > 0 || this.discoPackets.count > 0;
  }

  /** Takes the next chunk, borrowed until `pollEvent` returned `undefined`. */
  handleBytes(chunk: Uint8Array, now: Instant): void {
    this.#reader.handleBytes(chunk);
    this.#now = now;
  }

  /** The next event, or `undefined` when the chunk is used up. Throws `DerpError`; the connection is then to be closed. */
  pollEvent(): DerpServerEvent | undefined {
    if (this.#isExpired) {
      this.#isExpired = false;
      return { kind: "expired" };
    }
    while (this.#reader.next()) {
      const event = this.#clientKey === undefined ? this.#handleLogin() : this.#handleFrame();
      if (event !== undefined) return event;
    }
    return undefined;
  }

  /**
   * Fills `into` with what must leave, control frames first, then disco, then ordinary packets; returns the bytes written.
   * Packets are not cut, so `into` must hold the longest frame (65,573 bytes) or that one waits forever.
   */
  pollTransmit(into: Uint8Array): number {
    let at = 0;
    for (let frame = this.#control[0]; frame !== undefined; frame = this.#control[0]) {
      const taken = Math.min(frame.length - this.#controlOffset, into.length - at);
      into.set(frame.subarray(this.#controlOffset, this.#controlOffset + taken), at);
      at += taken;
      this.#controlOffset += taken;
      if (this.#controlOffset < frame.length) return at;
      this.#controlOffset = 0;
      this.#control.shift();
    }
    at = this.discoPackets.moveInto(into, at);
    return this.packets.moveInto(into, at);
  }

  handleTimeout(now: Instant): void {
    for (;;) {
      const timer = this.#deadlines.pop(now);
      switch (timer) {
        case undefined:
          return;
        case "login":
          this.#reader.discard();
          this.#isExpired = true;
          break;
        case "keepAlive":
          this.#queueControl(encodeFrame(FrameType.keepAlive));
          this.#armKeepAlive(now);
          break;
        default:
          assertNever(timer);
      }
    }
  }

  pollTimeout(): Instant | undefined {
    return this.#deadlines.next();
  }

  /** Tells the client that `peer` left, or was not here when it was written to. */
  sendPeerGone(peer: Uint8Array, reason: "disconnected" | "not-here"): void {
    this.#queueControl(encodeFrame(
      FrameType.peerGone,
      peer,
      Uint8Array.of(
        reason === "not-here" ? PeerGoneReason.notHere : PeerGoneReason.disconnected,
      ),
    ));
  }

  /** Coder's relays never send this one; others do. `""`: healthy again. */
  sendHealth(problem: string): void {
    this.sendFrame(FrameType.health, new TextEncoder().encode(problem));
  }

  /** Asks the client to reconnect after `reconnectInMs` and to try for `tryForMs`. */
  sendRestarting(times: { readonly reconnectInMs: number; readonly tryForMs: number }): void {
    const payload = new Uint8Array(8);
    new ByteWriter(payload).u32be(times.reconnectInMs).u32be(times.tryForMs);
    this.sendFrame(FrameType.restarting, payload);
  }

  /** Pings the client with 8 bytes of `data`. */
  ping(data: Uint8Array): void {
    this.sendFrame(FrameType.ping, data.subarray(0, PING_BYTES));
  }

  /** Sends any frame, known or not, well-formed or not; for tests of clients. Not bounded. */
  sendFrame(type: number, payload: Uint8Array): void {
    this.#control.push(encodeFrame(type, payload));
  }

  #handleLogin(): DerpServerEvent | undefined {
    const { type } = this.#reader;
    if (type !== FrameType.clientInfo) {
      throw serverError("no-login", `frame type ${type} came before the client info`);
    }
    const { privateKey, random, info = { version: PROTOCOL_VERSION } } = this.#options;
    const payload = this.#reader.payload();
    const clientKey = decodeClientKey(payload);
    const box = precomputeBox(privateKey, clientKey);
    if (box === undefined) throw serverError("bad-client-key", "client key is of small order");
    let clientInfo: ClientInfo;
    try {
      clientInfo = decodeClientInfo(box, payload);
      this.#control.push(encodeServerInfo(box, info, random));
    } finally {
      box.bytes.fill(0); // the login was all it was for
    }
    this.#clientKey = clientKey;
    this.#deadlines.clear("login");
    this.#armKeepAlive(this.#now);
    return { kind: "login", key: clientKey, info: clientInfo };
  }

  #handleFrame(): DerpServerEvent | undefined {
    const { type, bytes, start, end } = this.#reader;
    const length = end - start;
    switch (type) {
      case FrameType.sendPacket: {
        if (length < KEY_BYTES) {
          throw serverError("short-packet", `packet frame of ${length} bytes`);
        }
        const event = this.#packet;
        if (!isKeyAt(bytes, start, event.destination)) {
          event.destination = bytes.slice(start, start + KEY_BYTES);
        }
        event.packet = bytes.subarray(start + KEY_BYTES, end);
        return event;
      }
      case FrameType.notePreferred:
        if (length !== 1) throw serverError("bad-preferred", `preference of ${length} bytes`);
        return { kind: "preferred", isHome: bytes[start] !== 0 };
      case FrameType.ping:
        if (length < PING_BYTES) throw serverError("short-ping", `ping of ${length} bytes`);
        this.#queueControl(encodeFrame(FrameType.pong, bytes.subarray(start, start + PING_BYTES)));
        return undefined;
      case FrameType.pong:
        return { kind: "pong", data: this.#reader.payload().slice(0, PING_BYTES) };
      case FrameType.clientInfo:
        throw serverError("second-login", "client info came twice");
      default: // ForwardPacket, WatchConns, ClosePeer
        throw serverError("not-a-mesh-peer", `frame type ${type} is for relays of a mesh`);
    }
  }

  #armKeepAlive(now: Instant): void {
    const jitterMs = randomFraction(this.#options.random) * KEEP_ALIVE_JITTER_MS;
    this.#deadlines.set("keepAlive", now + KEEP_ALIVE_MS + jitterMs);
  }

  #queueControl(frame: Uint8Array): void {
    if (this.#control.length >= MAX_QUEUED_CONTROL_FRAMES) this.droppedFrames++;
    else this.#control.push(frame);
  }
}

/** What a relay takes of each type; unknown ones are read and discarded. */
function limitOf(type: number): number {
  switch (type) {
    case FrameType.clientInfo:
      return MAX_CLIENT_INFO_BYTES;
    case FrameType.sendPacket:
      return KEY_BYTES + MAX_PACKET_BYTES;
    case FrameType.notePreferred:
    case FrameType.ping:
    case FrameType.pong:
      return MAX_PING_BYTES;
    case FrameType.forwardPacket:
    case FrameType.watchConns:
    case FrameType.closePeer:
      return MAX_FRAME_BYTES;
    default:
      return SKIP_FRAME;
  }
}

function serverError(code: string, what: string): DerpError {
  return new DerpError(`Cannot serve relay client: ${what}`, {
    code,
    spec: "coder/tailscale derp/derp_server.go",
  });
}
