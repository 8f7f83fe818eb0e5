/**
 * One connection to the coordinator of a server before v2.8 (coder/coder `tailnet/coordinator.go` `ServeCoordinator` at v2.5): we
 * send our node as an object, the server sends lists of nodes. Nothing is acknowledged; nobody says that it leaves or that
 * it knows us. Whom we reach is in the websocket's path: the nodes are all of that one agent, under one id after another
 * on v0.24, where each process of an agent draws its own, and the last one counts.
 */
import { ByteWriter } from "../../base/bytes.ts";
import type { Core, Instant } from "../../base/core.ts";
import { ProtocolError } from "../../base/errors.ts";
import { formatUuid, UUID_BYTES } from "../address.ts";
import { nodeFromJson, nodeToJson, parseNodeJson } from "../node_json.ts";
import type { TailnetNode } from "../node_message.ts";
import { broken, JsonValues } from "./json_values.ts";
import { MAX_PEERS } from "./peer_book.ts";
import type { CoordinatorSessionOptions, SessionEnd, SessionEvent } from "./session.ts";

export class JsonCoordinatorSession implements Core<SessionEvent> {
  /** The agent to reach; an agent has none. */
  readonly #agentId: string | undefined;
  readonly #values = new JsonValues("arrays");
  readonly #events: SessionEvent[] = [];
  /** Our node as last announced, unsent: what came before it is of no use to anybody. */
  #unsent: TailnetNode | undefined;
  #isEnded = false;

  constructor(options: CoordinatorSessionOptions) {
    const [agentId] = options.tunnels;
    this.#agentId = agentId;
    this.#unsent = options.node;
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Announces our node. Call it again on every change, never without a home relay. */
  updateSelf(node: TailnetNode): void {
    if (!this.#isEnded) this.#unsent = node;
  }

  /** The path of the websocket has said it. */
  addTunnel(): void {}

  /** There is no word for it. */
  readyForHandshake(): void {}

  /** Leaves: there is nothing to say. */
  disconnect(): void {
    this.#end({ kind: "disconnected" });
  }

  /** Takes the payload of a binary message, borrowed. Nothing is thrown: what breaks ends the session. */
  handleBytes(chunk: Uint8Array): void {
    if (this.#isEnded) return;
    try {
      for (const text of this.#values.push(chunk)) this.#handleNodes(parseNodes(text));
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#end({ kind: "failed", message: error.message });
    }
  }

  handleTimeout(): void {}

  pollTimeout(): Instant | undefined {
    return undefined;
  }

  pollEvent(): SessionEvent | undefined {
    return this.#events.shift();
  }

  /** What must leave next, as one binary message below 32 KiB; the caller owns the array. */
  pollTransmit(): Uint8Array<ArrayBuffer> | undefined {
    const node = this.#unsent;
    this.#unsent = undefined;
    return node === undefined ? undefined : new TextEncoder().encode(nodeToJson(node));
  }

  #handleNodes(nodes: readonly TailnetNode[]): void {
    for (const node of nodes) {
      const peerId = this.#agentId ?? peerIdOf(node.id);
      this.#events.push({ kind: "peerUpdate", update: { kind: "node", peerId, reason: "", node } });
    }
  }

  #end(end: SessionEnd): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#events.push({ kind: "ended", end });
  }
}

/** The nodes of a list; what is no node is left out. Throws `ProtocolError`. */
function parseNodes(text: string): TailnetNode[] {
  let json: unknown;
  try {
    json = parseNodeJson(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw broken("it is none", error);
  }
  if (!Array.isArray(json)) return [];
  if (json.length > MAX_PEERS) throw broken(`${json.length} nodes exceed ${MAX_PEERS}`);
  return json.map(nodeFromJson).filter((node) => node !== undefined);
}

/** Clients, who have no UUID here, are told apart by the ids that they drew. */
function peerIdOf(nodeId: bigint): string {
  const uuid = new Uint8Array(UUID_BYTES);
  new ByteWriter(uuid, UUID_BYTES - 8).u64be(BigInt.asUintN(64, nodeId));
  return formatUuid(uuid);
}
