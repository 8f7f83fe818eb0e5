/**
 * The server's end of one websocket as before v2.8: objects in, lists of nodes out (coder/coder `tailnet/coordinator.go`
 * `ServeClient`, `ServeAgent` at v2.5). Whom a client reaches is known from the start; what else peers
 * tell of themselves cannot be said here.
 */
import { ProtocolError } from "../../base/errors.ts";
import type { Instant } from "../../base/core.ts";
import { createCoordinateRequest } from "../../proto/tailnet_pb.ts";
import type { CoordinateResponse_PeerUpdate as PeerUpdate } from "../../proto/tailnet_pb.ts";
import { parseUuid, UUID_BYTES } from "../address.ts";
import { nodeFromJson, nodeToJson, parseNodeJson } from "../node_json.ts";
import { nodeFromProto, nodeToProto } from "../node_message.ts";
import type { PeerRole } from "./authorize.ts";
import { broken, JsonValues } from "./json_values.ts";
import type { CoordinatorServerSession, ServerSessionHost } from "./server_host.ts";
import type { PeerPort } from "./server_state.ts";

/** Lists that a peer leaves unread. */
const MAX_UNSENT_BYTES = 4 * 1024 * 1024;

export class JsonServerSession implements CoordinatorServerSession {
  readonly peerId: string;
  readonly #host: ServerSessionHost;
  readonly #values = new JsonValues("objects");
  readonly #outbox: Uint8Array<ArrayBuffer>[] = [];
  #unsentBytes = 0;
  readonly #port: PeerPort;
  #endMessage: string | undefined;

  constructor(peerId: string, role: PeerRole, host: ServerSessionHost) {
    this.peerId = peerId;
    this.#host = host;
    this.#port = {
      sendUpdates: (updates) => this.#sendNodes(updates),
      sendError: () => {}, // no word for it: the end says it
      close: () => this.#end("the coordinator closed the call"),
    };
    host.state.connect(peerId, role, this.#port);
    if (role.kind === "client") {
      const id = parseUuid(role.agentId) ?? new Uint8Array(UUID_BYTES);
      this.#request({ addTunnel: { id } });
    }
  }

  get endMessage(): string | undefined {
    return this.#endMessage;
  }

  handleBytes(chunk: Uint8Array): void {
    if (this.#endMessage !== undefined) return;
    try {
      for (const text of this.#values.push(chunk)) this.#handleNode(text);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#end(error.message);
    }
    this.#host.wantsTransmit(this);
  }

  handleTimeout(): void {}

  handleDisconnected(): void {
    this.#end("the connection ended");
  }

  pollTimeout(): Instant | undefined {
    return undefined;
  }

  pollTransmit(): Uint8Array<ArrayBuffer> | undefined {
    const message = this.#outbox.shift();
    this.#unsentBytes -= message?.length ?? 0;
    return message;
  }

  /** Maps have a websocket of their own here. */
  sendDerpMap(): void {}

  #handleNode(text: string): void {
    const node = nodeFromJson(parse(text));
    if (node === undefined) throw broken("an object is no node");
    this.#request({ updateSelf: { node: nodeToProto(node) } });
  }

  #request(init: Parameters<typeof createCoordinateRequest>[0]): void {
    this.#host.state.handleRequest(this.peerId, this.#port, createCoordinateRequest(init));
  }

  #sendNodes(updates: readonly PeerUpdate[]): void {
    const nodes = updates
      .map(({ node }) => node === undefined ? undefined : nodeFromProto(node))
      .filter((node) => node !== undefined);
    if (nodes.length === 0) return;
    const message = new TextEncoder().encode(`[${nodes.map(nodeToJson).join(",")}]`);
    this.#outbox.push(message);
    this.#unsentBytes += message.length;
    if (this.#unsentBytes > MAX_UNSENT_BYTES) this.#end("the peer reads nothing");
    this.#host.wantsTransmit(this);
  }

  #end(message: string): void {
    if (this.#endMessage !== undefined) return;
    this.#endMessage = message;
    this.#host.state.handleLost(this.peerId, this.#port);
    this.#host.wantsTransmit(this);
  }
}

function parse(text: string): unknown {
  try {
    return parseNodeJson(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw broken("it is none", error);
  }
}
