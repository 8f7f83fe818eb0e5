/**
 * The server's end of one websocket: yamux and dRPC in server role, the three calls of the Tailnet service, an error for
 * every other (coder/coder `tailnet/service.go` `ClientService.ServeConnV2`, `DRPCService`).
 */
import type { Instant } from "../../base/core.ts";
import { ProtocolError } from "../../base/errors.ts";
import { DrpcServerCall } from "../../drpc/mod.ts";
import {
  createCoordinateResponse,
  createRefreshResumeTokenResponse,
  decodeCoordinateRequest,
  encodeCoordinateResponse,
  encodeDERPMap,
  encodeRefreshResumeTokenResponse,
} from "../../proto/tailnet_pb.ts";
import type { CoordinateResponse } from "../../proto/tailnet_pb.ts";
import { YamuxSession } from "../../yamux/mod.ts";
import type { YamuxStream } from "../../yamux/mod.ts";
import { derpMapToProto } from "../derp_map_proto.ts";
import { timestampOfMs } from "../node_message.ts";
import type { PeerRole } from "./authorize.ts";
import { decodeMessage, RpcName } from "./messages.ts";
import { RpcStream } from "./rpc_stream.ts";
import type { CoordinatorServerSession, ServerSessionHost } from "./server_host.ts";
import type { PeerPort } from "./server_state.ts";

type ServerRpc = RpcStream<DrpcServerCall>;

/** Streams of one client: it has three or four. */
const MAX_STREAMS = 64;
/** Answers that a peer leaves unread; upstream holds 512 (`tailnet/coordinator.go` ResponseBufferSize). */
const MAX_PENDING_BYTES = 4 * 1024 * 1024;

export class RpcServerSession implements CoordinatorServerSession {
  readonly peerId: string;
  readonly #role: PeerRole;
  readonly #host: ServerSessionHost;
  readonly #yamux: YamuxSession;
  readonly #calls = new Map<YamuxStream, ServerRpc>();
  readonly #ports = new Map<ServerRpc, PeerPort>();
  readonly #mapReaders = new Set<ServerRpc>();
  /** The instant of the call under way: ports are used while some session's call runs. */
  #now: Instant;
  #endMessage: string | undefined;

  constructor(peerId: string, role: PeerRole, host: ServerSessionHost, now: Instant) {
    this.peerId = peerId;
    this.#role = role;
    this.#host = host;
    this.#yamux = new YamuxSession({ role: "server", maxStreams: MAX_STREAMS }, now);
    this.#now = now;
  }

  /** Why the session is over: send what is left and close the websocket with 1011. `undefined` while it lives. */
  get endMessage(): string | undefined {
    return this.#endMessage;
  }

  /** Takes the payload of a binary message, borrowed. Nothing is thrown: what breaks ends the session. */
  handleBytes(chunk: Uint8Array, now: Instant): void {
    this.#run(now, () => {
      this.#yamux.handleBytes(chunk, now);
      this.#pump();
    });
  }

  handleTimeout(now: Instant): void {
    this.#run(now, () => this.#yamux.handleTimeout(now));
  }

  /** The websocket ended: peers that were served here are lost. */
  handleDisconnected(now: Instant): void {
    this.#now = now;
    this.#end("the connection ended");
  }

  pollTimeout(): Instant | undefined {
    return this.#endMessage === undefined ? this.#yamux.pollTimeout() : undefined;
  }

  /** What must leave next, as one binary message below 32 KiB. */
  pollTransmit(): Uint8Array<ArrayBuffer> | undefined {
    return this.#yamux.pollTransmit();
  }

  /** The relays changed: everybody who asked is told. */
  sendDerpMap(now: Instant): void {
    this.#now = now;
    for (const rpc of this.#mapReaders) this.#sendMapTo(rpc);
  }

  #run(now: Instant, work: () => void): void {
    if (this.#endMessage !== undefined) return;
    this.#now = now;
    try {
      work();
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#end(error.message);
    }
    this.#host.wantsTransmit(this);
  }

  #pump(): void {
    for (let e = this.#yamux.pollEvent(); e !== undefined; e = this.#yamux.pollEvent()) {
      if (e.kind === "goAway") continue;
      if (e.kind === "accepted") {
        this.#calls.set(e.stream, new RpcStream(new DrpcServerCall(), e.stream));
        continue;
      }
      const rpc = this.#calls.get(e.stream);
      if (rpc === undefined) continue;
      if (e.kind === "writable") {
        rpc.flush(this.#now);
        continue;
      }
      rpc.handleReadable();
      this.#pumpCall(rpc);
      if (e.kind === "closed") this.#calls.delete(e.stream);
    }
  }

  #pumpCall(rpc: ServerRpc): void {
    for (let e = rpc.call.pollEvent(); e !== undefined; e = rpc.call.pollEvent()) {
      if (e.kind === "invoke") this.#handleInvoke(rpc, e.rpc);
      else if (e.kind === "message") this.#handleMessage(rpc, e.message);
      else if (e.kind === "ended" || this.#ports.has(rpc)) this.#endCall(rpc);
      // closeSend of a call that only asks once: the answer is under way
    }
  }

  #handleInvoke(rpc: ServerRpc, name: string): void {
    switch (name) {
      case RpcName.coordinate: {
        const port = this.#portOf(rpc);
        this.#ports.set(rpc, port);
        this.#host.state.connect(this.peerId, this.#role, port);
        return;
      }
      case RpcName.streamDerpMaps:
        this.#mapReaders.add(rpc);
        this.#sendMapTo(rpc);
        return;
      case RpcName.refreshResumeToken:
        return this.#answerRefresh(rpc);
      default:
        rpc.call.failUnknownRpc(name);
        rpc.end(this.#now);
    }
  }

  #handleMessage(rpc: ServerRpc, message: Uint8Array): void {
    const port = this.#ports.get(rpc);
    if (port === undefined) return; // the empty question of the other calls
    const request = decodeMessage("CoordinateRequest", message, decodeCoordinateRequest);
    this.#host.state.handleRequest(this.peerId, port, request);
  }

  #answerRefresh(rpc: ServerRpc): void {
    const grant = this.#host.grantResumeToken(this.peerId);
    if (grant === undefined) {
      rpc.call.failUnknownRpc(RpcName.refreshResumeToken);
      return rpc.end(this.#now);
    }
    const answer = createRefreshResumeTokenResponse({
      token: grant.token,
      refreshIn: timestampOfMs(grant.refreshInMs),
      expiresAt: timestampOfMs(grant.expiresAtMs),
    });
    rpc.call.send(encodeRefreshResumeTokenResponse(answer));
    rpc.call.closeSend();
    rpc.flush(this.#now);
  }

  #sendMapTo(rpc: ServerRpc): void {
    rpc.call.send(encodeDERPMap(derpMapToProto(this.#host.derpMap())));
    this.#flush(rpc);
  }

  #portOf(rpc: ServerRpc): PeerPort {
    const send = (init: Partial<CoordinateResponse>) => {
      rpc.call.send(encodeCoordinateResponse(createCoordinateResponse(init)));
      this.#flush(rpc);
    };
    return {
      sendUpdates: (peerUpdates) => send({ peerUpdates: [...peerUpdates] }),
      sendError: (error) => send({ error }),
      close: () => this.#endCall(rpc),
    };
  }

  #flush(rpc: ServerRpc): void {
    rpc.flush(this.#now);
    if (rpc.pendingBytes > MAX_PENDING_BYTES) this.#end("the peer reads nothing");
    this.#host.wantsTransmit(this);
  }

  #endCall(rpc: ServerRpc): void {
    const port = this.#ports.get(rpc);
    this.#ports.delete(rpc);
    this.#mapReaders.delete(rpc);
    if (port !== undefined) this.#host.state.handleLost(this.peerId, port);
    rpc.end(this.#now);
    this.#host.wantsTransmit(this);
  }

  #end(message: string): void {
    if (this.#endMessage !== undefined) return;
    this.#endMessage = message;
    for (const rpc of [...this.#calls.values()]) this.#endCall(rpc);
    this.#host.wantsTransmit(this);
  }
}
