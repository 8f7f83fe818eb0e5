/**
 * One connection to the coordinator: yamux, dRPC and messages over the byte stream inside one websocket (coder/coder
 * `tailnet/controllers.go`, `codersdk/workspacesdk/dialer.go`). The calls share their fate: when Coordinate or
 * StreamDERPMaps ends, the connection is over. RefreshResumeToken may be unknown to the server, then there is no token.
 *
 * Give `handleBytes` the payload of binary messages; drain `pollEvent`; send what `pollTransmit` gives as one binary
 * message each; after `ended` send what is left and close the websocket with 1000.
 */
import { assertNever, type Core, type Instant } from "../../base/core.ts";
import { Deadlines, earlier } from "../../base/deadlines.ts";
import { ProtocolError } from "../../base/errors.ts";
import { DrpcClientCall, isUnimplemented } from "../../drpc/mod.ts";
import type { DrpcEnd } from "../../drpc/mod.ts";
import { YamuxSession } from "../../yamux/mod.ts";
import type { DerpMap } from "../derp_map.ts";
import type { TailnetNode } from "../node_message.ts";
import {
  decodeCoordinateAnswer,
  decodeDerpMap,
  decodeRefreshAnswer,
  encodeAddTunnel,
  encodeDisconnect,
  encodeReadyForHandshake,
  encodeRefreshResumeToken,
  encodeRemoveTunnel,
  encodeStreamDerpMaps,
  encodeUpdateSelf,
  RpcName,
} from "./messages.ts";
import type { PeerUpdate, ResumeToken } from "./messages.ts";
import { RpcStream } from "./rpc_stream.ts";

export interface CoordinatorSessionOptions {
  /** UUIDs of the agents to reach. Agents name none. */
  readonly tunnels: readonly string[];
  /** Our node, if a home relay is known already. */
  readonly node?: TailnetNode;
  /** Whether to ask for resume tokens. Agents do not. @default true */
  readonly wantsResumeToken?: boolean;
}

export type SessionEvent =
  | { readonly kind: "peerUpdate"; readonly update: PeerUpdate }
  | { readonly kind: "derpMap"; readonly map: DerpMap }
  | { readonly kind: "resumeToken"; readonly resumeToken: ResumeToken }
  /** The server's last words; `isPermanent`: coming back would end the same way. */
  | { readonly kind: "serverError"; readonly text: string; readonly isPermanent: boolean }
  /** The connection is over. The last event. */
  | { readonly kind: "ended"; readonly end: SessionEnd };

export type SessionEnd =
  /** After `disconnect`: the server knows that we left, or did not say so within a second. */
  | { readonly kind: "disconnected" }
  /** The server ended a call, or broke a protocol, or fell silent. */
  | { readonly kind: "failed"; readonly message: string };

type SessionDeadline =
  /** When to ask for what can wait, although there was no word of a peer. */
  | "rest"
  /** When to ask for a fresh resume token. */
  | "refresh"
  /** When to leave although the server has not closed the stream. */
  | "disconnect";

/** `tailnet/controllers.go`: the whole of a graceful end. */
const DISCONNECT_TIMEOUT_MS = 1_000;
/**
 * Relay maps and resume tokens are asked for behind the first word of a peer, or after this. A server writes each header and each body
 * by itself, and what the kernel lets it send at first is ten segments (RFC 6928 §2): with all answers at once the words that a handshake waits for
 * come a round trip late.
 */
const REST_MS = 1_000;
/** When the server does not say (`tailnet/controllers.go` basicResumeTokenRefresher). */
const DEFAULT_REFRESH_MS = 30 * 60_000;
/** What a server may ask for: a token that lives shorter is not worth having, one that lives longer is asked for all the same. */
const MIN_REFRESH_MS = 10_000;
const MAX_REFRESH_MS = 24 * 60 * 60_000;
/** Requests that a server leaves unread; it holds 32 (`tailnet/coordinator.go` RequestBufferSize). */
const MAX_PENDING_BYTES = 1024 * 1024;

type ClientRpc = RpcStream<DrpcClientCall>;

export class CoordinatorSession implements Core<SessionEvent> {
  readonly #yamux: YamuxSession;
  readonly #coordinate: ClientRpc;
  readonly #wantsResumeToken: boolean;
  #derpMaps: ClientRpc | undefined;
  #refresh: ClientRpc | undefined;
  readonly #events: SessionEvent[] = [];
  readonly #deadlines = new Deadlines<SessionDeadline>();
  #state: "open" | "disconnecting" | "ended" = "open";

  /** Opens the first call at once; nothing waits for the server. */
  constructor(options: CoordinatorSessionOptions, now: Instant) {
    this.#yamux = new YamuxSession({ role: "client" }, now);
    this.#coordinate = this.#open(RpcName.coordinate, now);
    this.#wantsResumeToken = options.wantsResumeToken ?? true;
    for (const peerId of options.tunnels) this.#coordinate.call.send(encodeAddTunnel(peerId));
    if (options.node !== undefined) this.#coordinate.call.send(encodeUpdateSelf(options.node));
    this.#coordinate.flush(now);
    this.#deadlines.set("rest", now + REST_MS);
  }

  get isEnded(): boolean {
    return this.#state === "ended";
  }

  addTunnel(peerId: string, now: Instant): void {
    this.#request(encodeAddTunnel(peerId), now);
  }

  removeTunnel(peerId: string, now: Instant): void {
    this.#request(encodeRemoveTunnel(peerId), now);
  }

  /** Announces our node. Call it again on every change, never without a home relay. */
  updateSelf(node: TailnetNode, now: Instant): void {
    this.#request(encodeUpdateSelf(node), now);
  }

  /** Tells a peer that its node is installed. Only agents may. */
  readyForHandshake(peerId: string, now: Instant): void {
    this.#request(encodeReadyForHandshake(peerId), now);
  }

  /** Leaves in order: `ended` follows within a second. */
  disconnect(now: Instant): void {
    if (this.#state !== "open") return;
    this.#request(encodeDisconnect(), now);
    if (this.isEnded) return;
    this.#state = "disconnecting";
    this.#deadlines.set("disconnect", now + DISCONNECT_TIMEOUT_MS);
  }

  /** Takes the payload of a binary message, borrowed. Nothing is thrown: what breaks ends the session. */
  handleBytes(chunk: Uint8Array, now: Instant): void {
    if (this.isEnded) return;
    this.#guard(now, () => {
      this.#yamux.handleBytes(chunk, now);
      this.#pump(now);
    });
  }

  handleTimeout(now: Instant): void {
    if (this.isEnded) return;
    for (let due = this.#deadlines.pop(now); due !== undefined; due = this.#deadlines.pop(now)) {
      switch (due) {
        case "disconnect":
          return this.#end({ kind: "disconnected" }, now);
        case "rest":
          this.#askForRest(now);
          break;
        case "refresh":
          this.#askForResumeToken(now);
          break;
        default:
          assertNever(due);
      }
    }
    this.#guard(now, () => {
      this.#yamux.handleTimeout(now);
      this.#pump(now);
    });
  }

  pollTimeout(): Instant | undefined {
    if (this.isEnded) return undefined;
    return earlier(this.#deadlines.next(), this.#yamux.pollTimeout());
  }

  pollEvent(): SessionEvent | undefined {
    return this.#events.shift();
  }

  /** What must leave next, as one binary message below 32 KiB; the caller owns the array. */
  pollTransmit(): Uint8Array<ArrayBuffer> | undefined {
    return this.#yamux.pollTransmit();
  }

  #open(rpc: string, now: Instant): ClientRpc {
    return new RpcStream(new DrpcClientCall(rpc), this.#yamux.openStream(now));
  }

  #request(message: Uint8Array, now: Instant): void {
    if (this.#state !== "open") return;
    this.#coordinate.call.send(message);
    this.#coordinate.flush(now);
    if (this.#coordinate.pendingBytes > MAX_PENDING_BYTES) {
      this.#fail("the coordinator reads nothing", now);
    }
  }

  /** What can wait: once. */
  #askForRest(now: Instant): void {
    this.#deadlines.clear("rest");
    if (this.#derpMaps !== undefined || this.#state !== "open") return;
    this.#guard(now, () => {
      const derpMaps = this.#open(RpcName.streamDerpMaps, now);
      this.#derpMaps = derpMaps;
      derpMaps.call.send(encodeStreamDerpMaps());
      derpMaps.call.closeSend();
      derpMaps.flush(now);
    });
    if (this.#wantsResumeToken) this.#askForResumeToken(now);
  }

  #askForResumeToken(now: Instant): void {
    this.#refresh?.stream.reset(); // an answer that did not come in half an hour
    this.#guard(now, () => {
      this.#refresh = this.#open(RpcName.refreshResumeToken, now);
      this.#refresh.call.send(encodeRefreshResumeToken());
      this.#refresh.call.closeSend();
      this.#refresh.flush(now);
    });
    this.#deadlines.set("refresh", now + DEFAULT_REFRESH_MS);
  }

  #pump(now: Instant): void {
    for (let e = this.#yamux.pollEvent(); e !== undefined; e = this.#yamux.pollEvent()) {
      if (this.isEnded) return;
      switch (e.kind) {
        case "accepted":
          e.stream.reset(); // the coordinator opens no streams; one that does gets no answer on them
          break;
        case "goAway":
          break;
        case "writable":
          this.#rpcOf(e.stream.id)?.flush(now);
          break;
        case "readable":
        case "closed":
          this.#pumpRpc(e.stream.id, now);
          break;
        default:
          assertNever(e);
      }
    }
  }

  #pumpRpc(streamId: number, now: Instant): void {
    const rpc = this.#rpcOf(streamId);
    if (rpc === undefined) return;
    rpc.handleReadable();
    if (rpc === this.#coordinate) this.#pumpCoordinate(now);
    else if (rpc === this.#derpMaps) this.#pumpDerpMaps(rpc, now);
    else this.#pumpRefresh(rpc, now);
  }

  #rpcOf(streamId: number): ClientRpc | undefined {
    return [this.#coordinate, this.#derpMaps, this.#refresh]
      .find((rpc) => rpc?.stream.id === streamId);
  }

  #pumpCoordinate(now: Instant): void {
    const { call } = this.#coordinate;
    for (let e = call.pollEvent(); e !== undefined; e = call.pollEvent()) {
      if (e.kind === "message") {
        const { updates, error } = decodeCoordinateAnswer(e.message);
        for (const update of updates) this.#events.push({ kind: "peerUpdate", update });
        if (error !== "") this.#tellServerError(error);
        this.#askForRest(now);
      } else if (e.kind !== "invoke") {
        if (this.#state === "disconnecting") return this.#end({ kind: "disconnected" }, now);
        return this.#fail(e.kind === "ended" ? describeEnd(e.how) : "the coordinator hung up", now);
      }
    }
  }

  #pumpDerpMaps({ call }: ClientRpc, now: Instant): void {
    for (let e = call.pollEvent(); e !== undefined; e = call.pollEvent()) {
      if (e.kind === "message") {
        this.#events.push({ kind: "derpMap", map: decodeDerpMap(e.message) });
      } else if (e.kind !== "invoke" && this.#state === "open") {
        const why = e.kind === "ended" ? describeEnd(e.how) : "it sends no more maps";
        return this.#fail(`relay maps ended: ${why}`, now);
      }
    }
  }

  #pumpRefresh(rpc: ClientRpc, now: Instant): void {
    for (let e = rpc.call.pollEvent(); e !== undefined; e = rpc.call.pollEvent()) {
      if (e.kind === "message") {
        const { resumeToken, refreshInMs } = decodeRefreshAnswer(e.message);
        const delayMs = refreshInMs !== undefined && refreshInMs > 0
          ? Math.min(Math.max(MIN_REFRESH_MS, refreshInMs), MAX_REFRESH_MS)
          : DEFAULT_REFRESH_MS;
        this.#deadlines.set("refresh", now + delayMs);
        if (resumeToken.token !== "") this.#events.push({ kind: "resumeToken", resumeToken });
      } else if (e.kind !== "invoke") {
        if (e.kind === "ended" && isUnimplemented(e.how)) this.#deadlines.clear("refresh");
        rpc.end(now);
        this.#refresh = undefined;
      }
    }
  }

  #tellServerError(text: string): void {
    // tailnet/tunnel.go: what a client may never do stays forbidden on the next connection.
    const isPermanent = text.startsWith("authorization:");
    this.#events.push({ kind: "serverError", text, isPermanent });
  }

  #guard(now: Instant, work: () => void): void {
    try {
      work();
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#fail(error.message, now);
    }
  }

  #fail(message: string, now: Instant): void {
    this.#end({ kind: "failed", message }, now);
  }

  #end(end: SessionEnd, now: Instant): void {
    if (this.#state === "ended") return;
    this.#state = "ended";
    this.#deadlines.clearAll();
    for (const rpc of [this.#derpMaps, this.#coordinate]) rpc?.end(now);
    this.#events.push({ kind: "ended", end });
  }
}

function describeEnd(end: DrpcEnd): string {
  switch (end.kind) {
    case "error":
      return end.text === "" ? `error ${end.code}` : end.text;
    case "closed":
      return "the coordinator closed the call";
    case "cancelled":
      return "the coordinator cancelled the call";
    case "transportEnded":
      return "the coordinator ended the stream";
  }
}
