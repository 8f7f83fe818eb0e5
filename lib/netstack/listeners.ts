/** Which ports take the connections that peers begin, and how many of those are not finished yet. */
import type { Connection } from "./connection.ts";
import { MAX_BACKLOG } from "./limits.ts";

/** A port, or "any": every port without a listener of its own. */
export type ListenPort = number | "any";

export class Listeners {
  readonly #ports = new Set<ListenPort>();
  #backlog = 0;

  add(port: ListenPort): void {
    this.#ports.add(port);
  }

  remove(port: ListenPort): void {
    this.#ports.delete(port);
  }

  /** How a connection to `port` begins; `undefined` when nobody takes it. */
  startOf(port: number): "syn-received" | "syn-held" | undefined {
    if (this.#ports.has(port)) return "syn-received";
    return this.#ports.has("any") ? "syn-held" : undefined;
  }

  get isFull(): boolean {
    return this.#backlog >= MAX_BACKLOG;
  }

  /** A peer began it. */
  begin<Socket>(connection: Connection<Socket>): void {
    connection.isInBacklog = true;
    this.#backlog++;
  }

  /** Should be called when the connection may have another state: it may be finished. */
  note<Socket>(connection: Connection<Socket>): void {
    const { state } = connection.tcb;
    if (!connection.isInBacklog || state === "syn-received" || state === "syn-held") return;
    connection.isInBacklog = false;
    this.#backlog--;
  }
}
