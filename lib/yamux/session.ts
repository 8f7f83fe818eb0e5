/**
 * yamux session, both roles: streams over one ordered byte stream (hashicorp/yamux v0.1.2, spec.md, session.go and
 * stream.go with `DefaultConfig`). Clients open odd ids, servers even ones. Limits are those of the default
 * configuration, so that either side sees what a Go peer would show it.
 *
 * Call `handleBytes` for what arrived, then drain `pollEvent` and `pollTransmit`, then arm `pollTimeout`.
 * `handleBytes` and `handleTimeout` throw `YamuxError` when the session is over; what `pollTransmit` still gives (a
 * GoAway) should leave before the connection is closed. Left out: round-trip times of pings.
 */
import { Deadlines, earlier } from "../base/deadlines.ts";
import { assertNever, type Instant } from "../base/core.ts";
import { violation, YamuxError } from "./errors.ts";
import { Flag, FrameType, GoAwayCode } from "./frame.ts";
import type { FrameHeader } from "./frame.ts";
import { FrameReader } from "./frame_reader.ts";
import type { YamuxStream } from "./stream.ts";
import { StreamCore } from "./stream_core.ts";
import type { StreamHost } from "./stream_core.ts";
import { MAX_WAITING_REPLIES, TransmitQueue } from "./transmit_queue.ts";

export interface YamuxSessionOptions {
  readonly role: "client" | "server";
  /** Streams the peer opened and `pollEvent` has not told of yet; more are refused with RST. @default 256 */
  readonly acceptBacklog?: number;
  /** Streams at a time, of both sides together; more are refused with RST. @default 1024 */
  readonly maxStreams?: number;
  /** @default 30_000 */
  readonly pingIntervalMs?: number;
  /** @default 10_000 */
  readonly pingTimeoutMs?: number;
  /** How long an opened stream may stay unacknowledged. @default 75_000 */
  readonly openTimeoutMs?: number;
  /** How long a stream that we ended may wait for the peer's end. @default 300_000 */
  readonly closeTimeoutMs?: number;
}

export type YamuxEvent =
  /** The peer opened a stream. It is acknowledged already. */
  | { readonly kind: "accepted"; readonly stream: YamuxStream }
  /** Bytes or the peer's FIN arrived; `read` until it gives nothing. */
  | { readonly kind: "readable"; readonly stream: YamuxStream }
  /** A `write` that took less than it was given can go on. */
  | { readonly kind: "writable"; readonly stream: YamuxStream }
  /** The last event of a stream; `stream.state` is `closed` or `reset`. What was received stays readable if closed. */
  | { readonly kind: "closed"; readonly stream: YamuxStream }
  /** The peer takes no new streams; those that exist go on. */
  | { readonly kind: "goAway" };

type SessionDeadline =
  /** When to send the next ping. */
  | "ping"
  /** When to give up waiting for the answer to a ping. */
  | "pong";

const MAX_STREAM_ID = 0xffff_ffff;

export class YamuxSession {
  readonly #options: Required<YamuxSessionOptions>;
  readonly #reader = new FrameReader();
  readonly #transmit = new TransmitQueue();
  readonly #streams = new Map<number, StreamCore>();
  /** Streams with something to send, in turn. */
  readonly #active = new Set<StreamCore>();
  readonly #events: { readonly event: YamuxEvent; readonly core?: StreamCore }[] = [];
  readonly #deadlines = new Deadlines<SessionDeadline>();
  readonly #host: StreamHost;
  #nextStreamId: number;
  #unpolledAccepts = 0;
  #pingValue = 0;
  /** Where the body of the frame under way goes, and whether its FIN is due behind it. */
  #body: { readonly core: StreamCore; readonly isFin: boolean } | undefined;
  #isRemoteGoingAway = false;
  #isLocalGoingAway = false;
  #failure: YamuxError | undefined;

  constructor(options: YamuxSessionOptions, now: Instant) {
    this.#options = {
      acceptBacklog: 256,
      maxStreams: 1024,
      pingIntervalMs: 30_000,
      pingTimeoutMs: 10_000,
      openTimeoutMs: 75_000,
      closeTimeoutMs: 300_000,
      ...options,
    };
    this.#nextStreamId = options.role === "client" ? 1 : 2;
    this.#deadlines.set("ping", now + this.#options.pingIntervalMs);
    this.#host = this.#makeHost();
  }

  /** Streams that are not over. */
  get streamCount(): number {
    return this.#streams.size;
  }

  /**
   * Opens a stream; data may be written at once. Throws `YamuxError` when the session is over, the peer said GoAway or
   * the ids or places are used up.
   */
  openStream(now: Instant): YamuxStream {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#isRemoteGoingAway || this.#isLocalGoingAway) {
      throw new YamuxError("Cannot open yamux stream: the session is going away", {
        code: "remote-go-away",
      });
    }
    const id = this.#nextStreamId;
    const count = this.#streams.size;
    if (id > MAX_STREAM_ID || count >= this.#options.maxStreams) {
      throw new YamuxError(`Cannot open yamux stream: ${count} are open, next id ${id}`, {
        code: "streams-exhausted",
      });
    }
    this.#nextStreamId += 2;
    const core = this.#addStream(id, "opening");
    core.deadlines.set("acknowledge", now + this.#options.openTimeoutMs);
    this.#transmit.push({ type: FrameType.windowUpdate, flags: Flag.syn, streamId: id, length: 0 });
    return core.stream;
  }

  /** Tells the peer to open no more streams. To end the session, drain `pollTransmit` and close the connection. */
  goAway(): void {
    if (this.#failure !== undefined || this.#isLocalGoingAway) return;
    this.#isLocalGoingAway = true;
    this.#transmit.push(goAwayFrame(GoAwayCode.normal));
  }

  /** Takes what arrived, borrowed. Throws `YamuxError`: the session is over. */
  handleBytes(chunk: Uint8Array, now: Instant): void {
    if (this.#failure !== undefined) throw this.#failure;
    this.#reader.push(chunk);
    try {
      for (let piece = this.#reader.next(); piece !== undefined; piece = this.#reader.next()) {
        if (piece.kind === "header") {
          this.#handleHeader(piece.header, now);
        } else if (this.#body !== undefined) {
          this.#body.core.handleBody(piece.bytes);
          if (piece.isLast && this.#body.isFin) this.#body.core.handleFin();
        }
      }
    } catch (error) {
      if (error instanceof YamuxError) this.#end(error);
      throw error;
    }
  }

  /** Throws `YamuxError` when the peer has fallen silent: the session is over. */
  handleTimeout(now: Instant): void {
    if (this.#failure !== undefined) return;
    for (let due = this.#deadlines.pop(now); due !== undefined; due = this.#deadlines.pop(now)) {
      switch (due) {
        case "pong":
          return this.#die("ping-timeout", "a ping was not answered");
        case "ping":
          this.#ping(now);
          break;
        default:
          assertNever(due);
      }
    }
    for (const core of [...this.#streams.values()]) {
      const due = core.deadlines.pop(now);
      switch (due) {
        case undefined:
          break;
        case "acknowledge":
          return this.#die("open-timeout", `stream ${core.id} was not acknowledged`);
        case "close":
          core.reset();
          break;
        default:
          assertNever(due);
      }
    }
  }

  #ping(now: Instant): void {
    this.#pingValue = (this.#pingValue + 1) >>> 0;
    const length = this.#pingValue;
    this.#transmit.push({ type: FrameType.ping, flags: Flag.syn, streamId: 0, length });
    this.#deadlines.set("pong", now + this.#options.pingTimeoutMs);
  }

  pollTimeout(): Instant | undefined {
    if (this.#failure !== undefined) return undefined;
    let next = this.#deadlines.next();
    for (const core of this.#streams.values()) next = earlier(next, core.deadlines.next());
    return next;
  }

  pollEvent(): YamuxEvent | undefined {
    const next = this.#events.shift();
    if (next === undefined) return undefined;
    const { event, core } = next;
    if (event.kind === "accepted") this.#unpolledAccepts--;
    if (event.kind === "readable" && core !== undefined) core.readableQueued = false;
    if (event.kind === "writable" && core !== undefined) core.writableQueued = false;
    return event;
  }

  /** Whole frames that must leave, below 32 KiB together; the caller owns the array. */
  pollTransmit(): Uint8Array<ArrayBuffer> | undefined {
    if (this.#active.size === 0 && this.#transmit.waitingFrames === 0) return undefined;
    if (this.#transmit.begin()) {
      for (const core of [...this.#active]) {
        if (!this.#transmit.hasRoom()) break;
        this.#active.delete(core);
        if (core.transmit(this.#transmit)) this.#active.add(core); // behind the others
      }
    }
    return this.#transmit.end();
  }

  #handleHeader(header: FrameHeader, now: Instant): void {
    this.#body = undefined;
    switch (header.type) {
      case FrameType.ping:
        return this.#handlePing(header, now);
      case FrameType.goAway:
        return this.#handleGoAway(header);
      default:
        return this.#handleStreamFrame(header);
    }
  }

  #handlePing(header: FrameHeader, now: Instant): void {
    if ((header.flags & Flag.syn) !== 0) {
      this.#reply({ type: FrameType.ping, flags: Flag.ack, streamId: 0, length: header.length });
    } else if (this.#deadlines.has("pong") && header.length === this.#pingValue) {
      this.#deadlines.clear("pong");
      this.#deadlines.set("ping", now + this.#options.pingIntervalMs);
    }
  }

  #handleGoAway(header: FrameHeader): void {
    if (header.length !== GoAwayCode.normal) {
      throw new YamuxError(`The peer ended the yamux session: code ${header.length}`, {
        code: "remote-go-away",
      });
    }
    if (this.#isRemoteGoingAway) return;
    this.#isRemoteGoingAway = true;
    this.#events.push({ event: { kind: "goAway" } });
  }

  #handleStreamFrame(header: FrameHeader): void {
    const { type, flags, streamId, length } = header;
    if ((flags & Flag.syn) !== 0 && !this.#acceptStream(streamId)) return;
    const core = this.#streams.get(streamId);
    if (core === undefined) return; // over already: what was under way is skipped, bodies included
    if ((flags & Flag.rst) !== 0) return core.handleReset();
    if ((flags & Flag.ack) !== 0) core.handleAck();
    const isFin = (flags & Flag.fin) !== 0;
    if (type === FrameType.data && length > 0) {
      core.handleBodyHeader(length);
      this.#body = { core, isFin };
      return;
    }
    if (type === FrameType.windowUpdate) core.handleCredit(length);
    if (isFin) core.handleFin();
  }

  /** False when the stream was refused. */
  #acceptStream(id: number): boolean {
    if (id === 0 || (id % 2 === 1) !== (this.#options.role === "server")) {
      throw violation("bad-stream-id", `peer opened stream ${id}`);
    }
    if (this.#streams.has(id)) {
      throw violation("duplicate-stream", `peer opened stream ${id} twice`);
    }
    const { acceptBacklog, maxStreams } = this.#options;
    const isFull = this.#unpolledAccepts >= acceptBacklog || this.#streams.size >= maxStreams;
    if (this.#isLocalGoingAway || isFull) {
      this.#reply({ type: FrameType.windowUpdate, flags: Flag.rst, streamId: id, length: 0 });
      return false;
    }
    const core = this.#addStream(id, "open");
    this.#reply({ type: FrameType.windowUpdate, flags: Flag.ack, streamId: id, length: 0 });
    this.#unpolledAccepts++;
    this.#events.push({ event: { kind: "accepted", stream: core.stream }, core });
    return true;
  }

  #addStream(id: number, state: "opening" | "open"): StreamCore {
    const core = new StreamCore(id, state, this.#host);
    this.#streams.set(id, core);
    return core;
  }

  #makeHost(): StreamHost {
    return {
      closeTimeoutMs: this.#options.closeTimeoutMs,
      wantsTransmit: (core) => void this.#active.add(core),
      tellReadable: (core) => {
        if (core.readableQueued) return;
        core.readableQueued = true;
        this.#events.push({ event: { kind: "readable", stream: core.stream }, core });
      },
      tellWritable: (core) => {
        if (core.writableQueued) return;
        core.writableQueued = true;
        this.#events.push({ event: { kind: "writable", stream: core.stream }, core });
      },
      sendReset: (core) =>
        this.#transmit.push({
          type: FrameType.windowUpdate,
          flags: Flag.rst,
          streamId: core.id,
          length: 0,
        }),
      handleOver: (core) => {
        this.#active.delete(core);
        this.#streams.delete(core.id);
        this.#events.push({ event: { kind: "closed", stream: core.stream } });
      },
    };
  }

  /** Queues what the peer made us send. Throws when it makes us send more than it reads. */
  #reply(header: FrameHeader): void {
    if (this.#transmit.waitingFrames >= MAX_WAITING_REPLIES) {
      throw violation("too-many-replies", `more than ${MAX_WAITING_REPLIES} answers wait`);
    }
    this.#transmit.push(header);
  }

  #die(code: string, what: string): never {
    const error = new YamuxError(`The yamux session died: ${what}`, { code });
    this.#end(error);
    throw error;
  }

  #end(error: YamuxError): void {
    this.#failure = error;
    this.#transmit.clear();
    for (const core of [...this.#streams.values()]) core.abandon();
    if (error.spec !== undefined) this.#transmit.push(goAwayFrame(GoAwayCode.protocolError));
  }
}

function goAwayFrame(code: GoAwayCode): FrameHeader {
  return { type: FrameType.goAway, flags: 0, streamId: 0, length: code };
}
