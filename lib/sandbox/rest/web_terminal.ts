/**
 * The web terminal: an agent's reconnecting terminal over a websocket of the deployment (coder/coder `coderd/workspaceapps/proxy.go`
 * `workspaceAgentPTY`). What the real server first says to the agent, this says to the sandbox's.
 */
import { ProtocolError } from "../../base/errors.ts";
import type { Random } from "../../base/core.ts";
import { type ByteStream, type StreamEnd, StreamError } from "../../base/stream.ts";
import { encodeInit } from "../../ssh/reconnecting_frames.ts";
import { failureAnswer, type HttpAnswer, textAnswer, type UpgradedConn } from "../http/messages.ts";
import { WebsocketPeer } from "../net/websocket_peer.ts";
import { type Call, findAgent, type FoundAgent, Refusal } from "./deployment.ts";
import { serveUpgrade } from "./endpoint.ts";
import { websocketAnswer } from "./follow.ts";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const DEFAULT_SIZE = "80";
const INTERNAL_ERROR = 1011;
/** Of what a client typed that the terminal has not taken: real servers do not read on either. */
const MAX_TYPED_BYTES = 8 * 1024 * 1024;

export function webTerminal(call: Call): HttpAnswer {
  const { query } = call.request;
  const { agent } = terminalAgent(call);
  const id = query.get("reconnect") ?? "";
  if (id === "") throw invalid("reconnect", "is required and cannot be empty");
  if (!UUID.test(id)) throw invalid("reconnect", "must be a valid uuid");
  const init = {
    id,
    size: { rows: countOf(call, "height"), columns: countOf(call, "width") },
    command: query.get("command") ?? "",
    container: query.get("container") ?? "",
    containerUser: query.get("container_user") ?? "",
  };
  const { host, faults } = call.deployment;
  return serveUpgrade(
    websocketAnswer(call, async (upgraded) => {
      const stream = new SocketStream(upgraded, host.random, encodeInit(init));
      const { terminals } = agent;
      if (terminals !== undefined) return await terminals.serveWeb(stream);
      await stream.leave(INTERNAL_ERROR, "dial workspace agent: agent is unreachable");
    }),
    faults.webTerminal,
  );
}

/** Who is not there has a page for browsers. */
function terminalAgent(call: Call): FoundAgent {
  try {
    const found = findAgent(call);
    if (found.agent.status === "connected") return found;
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    throw new Refusal(page("404 - Application Not Found"));
  }
  throw new Refusal(page("404 - Application Unavailable"));
}

function page(title: string): HttpAnswer {
  const html = `<!doctype html>\n<html lang="en"><head><title>${title}</title></head></html>\n`;
  return textAnswer(404, html, "text/html; charset=utf-8");
}

function countOf(call: Call, name: string): number {
  const text = call.request.query.get(name) ?? DEFAULT_SIZE;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw invalid(name, "must be a valid positive integer");
}

function invalid(field: string, problem: string): Refusal {
  return new Refusal(failureAnswer(400, "Invalid query parameters.", {
    validations: [{ field, detail: `Query param "${field}" ${problem}` }],
  }));
}

/** A client's websocket as the agent sees it: first what the server says of the terminal, then what the client does. */
class SocketStream implements ByteStream {
  readonly closed: Promise<StreamEnd>;
  readonly #peer: WebsocketPeer;
  readonly #typed: Uint8Array[];
  #typedBytes = 0;
  #isOver = false;
  #wake: () => void = () => {};

  constructor(upgraded: UpgradedConn, random: Random, first: Uint8Array) {
    this.#typed = [first];
    const { promise, resolve } = Promise.withResolvers<StreamEnd>();
    this.closed = promise;
    this.#peer = new WebsocketPeer(upgraded, {
      random,
      stream: true,
      onMessage: (payload, kind) => this.#take(payload, kind),
      onClosed: () => {
        this.#isOver = true;
        this.#wake();
        resolve({ kind: "closed" });
      },
    });
  }

  async read(into: Uint8Array): Promise<number | null> {
    for (;;) {
      const [first] = this.#typed;
      if (first !== undefined) {
        const part = first.subarray(0, into.length);
        into.set(part);
        this.#typedBytes -= part.length;
        if (part.length < first.length) this.#typed[0] = first.subarray(part.length);
        else this.#typed.shift();
        return part.length;
      }
      if (this.#isOver) return null;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  write(bytes: Uint8Array): Promise<void> {
    if (!this.#peer.isOpen) {
      return Promise.reject(new StreamError({ kind: "lost", message: "client is gone" }));
    }
    this.#peer.send(bytes);
    return Promise.resolve();
  }

  async closeWrite(): Promise<void> {
    await this.leave(1000, "");
  }

  async leave(code: number, reason: string): Promise<void> {
    await this.#peer.close(code, reason);
  }

  abort(): void {
    this.#peer.cut();
  }

  #take(payload: Uint8Array, kind: "binary" | "text"): void {
    if (kind === "text") {
      throw new ProtocolError("Cannot read what a client types: it is text", {
        code: "unexpected-text",
      });
    }
    this.#typedBytes += payload.length;
    if (this.#typedBytes > MAX_TYPED_BYTES) return this.abort();
    this.#typed.push(payload.slice());
    this.#wake();
  }
}
