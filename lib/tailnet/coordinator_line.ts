/**
 * The coordinator over its websockets: opens one whenever the client of the coordination wants it, carries bytes between
 * the two, gives up those that say nothing, and tells when the first contact fails for good. Not here: what the answers
 * mean (`coordinator/client.ts`), the bytes of one websocket (`coordinator_link.ts`), sockets.
 */
import type { Instant, Random } from "../base/core.ts";
import { Deadlines, earlier } from "../base/deadlines.ts";
import {
  type CoordinationProtocol,
  coordinationQuery,
  CoordinatorClient,
  type CoordinatorEvent,
  type DisconnectReason,
} from "./coordinator/mod.ts";
import { CoordinatorLink } from "./coordinator_link.ts";
import type { TailnetNode } from "./node_message.ts";

export interface CoordinatorLineOptions {
  /** UUID text. */
  readonly agentId: string;
  /** The deployment's URL as the user gave it. */
  readonly deploymentUrl: URL;
  /** Session token and the user's own. */
  readonly headers: readonly (readonly [string, string])[];
  readonly random: Random;
  readonly wallMsAtZero: number;
  /** Whether the server passes READY_FOR_HANDSHAKE on. */
  readonly expectsReady: boolean;
  /** What the server speaks, as far as known. */
  readonly coordination: CoordinationProtocol;
}

export type CoordinatorLineEvent =
  /** Connect to the deployment, then carry bytes to and from `link`. */
  | { readonly kind: "dialLink"; readonly link: CoordinatorLink }
  /** Send what `link` still has, then close its connection; its end need not be told. */
  | { readonly kind: "hangUpLink"; readonly link: CoordinatorLink }
  /** Three attempts and not one answer; attempts go on. */
  | { readonly kind: "unreachable"; readonly message: string }
  | Exclude<CoordinatorEvent, { readonly kind: "dial" | "hangUp" | "disconnected" }>;

type LineDeadline =
  /** When to dial again after an attempt that failed, as long as none succeeded. */
  | "firstDial"
  /** When a coordinator that was reached but says nothing is given up. */
  | "silence";

const SILENCE_MS = 15_000;
/** Where JSON is spoken nobody answers us, but servers ping every 15 s (coder/coder `coderd/httpapi/websocket.go`). */
const JSON_SILENCE_MS = 45_000;
/** Waits between the first attempts: three within five seconds, then the user is told. */
const FIRST_DIAL_DELAYS_MS: readonly number[] = [1_000, 2_000];
const LATER_DIAL_DELAY_MS = 5_000;
const MAX_FIRST_FAILURES = 3;

export class CoordinatorLine {
  readonly #options: CoordinatorLineOptions;
  readonly #client: CoordinatorClient;
  readonly #deadlines = new Deadlines<LineDeadline>();
  readonly #events: CoordinatorLineEvent[] = [];
  #link: CoordinatorLink | undefined;
  #protocol: CoordinationProtocol;
  #hasHeard = false;
  #failures = 0;
  #lastFailure: string | undefined;

  constructor(options: CoordinatorLineOptions, now: Instant) {
    this.#options = options;
    this.#protocol = options.coordination;
    this.#client = new CoordinatorClient({
      random: options.random,
      wallMsAtZero: options.wallMsAtZero,
      tunnels: [options.agentId],
      expectsReady: options.expectsReady,
      protocol: options.coordination,
    }, now);
    this.#drain(now);
  }

  /** Whether the coordinator ever told us anything that makes sense. */
  get hasHeard(): boolean {
    return this.#hasHeard;
  }

  /** Why the last connection ended or could not be made. */
  get lastFailure(): string | undefined {
    return this.#lastFailure;
  }

  /** Whether the life with the coordinator is over. */
  get isOver(): boolean {
    return this.#client.state === "over";
  }

  /** Announces our node, now and on every later connection. */
  updateSelf(node: TailnetNode, now: Instant): void {
    this.#client.updateSelf(node, now);
    this.#drain(now);
  }

  /** Leaves in order; it is over within a second. */
  leave(now: Instant): void {
    this.#client.disconnect(now);
    this.#drain(now);
  }

  /** The machine woke up: the connection is older than the sleep, and nothing is worth waiting for. */
  handleWake(now: Instant): void {
    const link = this.#link;
    if (link !== undefined) {
      this.#abandon(link);
      this.#client.handleDisconnected({ kind: "closed", message: "this machine slept" }, now);
    }
    this.#client.retryNow(now);
    this.#drain(now);
  }

  /** Takes what the link's connection read. Throws `ProtocolError`: then drop the connection and tell `handleClosed`. */
  handleBytes(link: CoordinatorLink, chunk: Uint8Array, now: Instant): void {
    if (link !== this.#link) return;
    const wasOpen = link.isOpen;
    link.handleBytes(chunk);
    this.#pumpLink(link, now);
    if (wasOpen && link === this.#link && this.#protocol === "v1") this.#noteLife(now);
    this.#drain(now);
  }

  /** The link's connection ended or could not be made; `message` is one line. */
  handleClosed(link: CoordinatorLink, message: string, now: Instant): void {
    if (link !== this.#link) return;
    link.handleEnd();
    this.#pumpLink(link, now); // a refusal whose body ended with the connection
    if (link === this.#link) this.#disconnected({ kind: "unreachable", message }, now);
    this.#drain(now);
  }

  handleTimeout(now: Instant): void {
    for (let due = this.#deadlines.pop(now); due !== undefined; due = this.#deadlines.pop(now)) {
      const link = this.#link;
      if (link === undefined) continue;
      if (due === "firstDial") this.#dial(link, now);
      else {
        this.#abandon(link);
        const message = "accepts connections but says nothing";
        this.#client.handleDisconnected({ kind: "unreachable", message }, now);
      }
    }
    this.#client.handleTimeout(now);
    this.#drain(now);
  }

  pollTimeout(): Instant | undefined {
    return earlier(this.#deadlines.next(), this.#client.pollTimeout());
  }

  pollEvent(): CoordinatorLineEvent | undefined {
    return this.#events.shift();
  }

  /** A coordinator of JSON did something, if only a ping. */
  #noteLife(now: Instant): void {
    this.#hasHeard = true;
    this.#deadlines.set("silence", now + JSON_SILENCE_MS);
  }

  #pumpLink(link: CoordinatorLink, now: Instant): void {
    while (link === this.#link) {
      const event = link.pollEvent();
      if (event === undefined) return;
      switch (event.kind) {
        case "open":
          // Later connections are judged by the keepalives inside; before the first word from there, silence is silence.
          if (this.#protocol === "v1") this.#deadlines.set("silence", now + JSON_SILENCE_MS);
          else if (this.#hasHeard) this.#deadlines.clear("silence");
          this.#client.handleConnected(now);
          break;
        case "data":
          this.#client.handleBytes(event.bytes, now);
          break;
        case "refused":
          this.#abandon(link);
          this.#disconnected({ kind: "refused", status: event.status, body: event.body }, now);
          break;
        case "closed":
          this.#abandon(link);
          this.#disconnected({ kind: "closed", message: event.message }, now);
          break;
      }
    }
  }

  #drain(now: Instant): void {
    for (let event = this.#client.pollEvent(); event; event = this.#client.pollEvent()) {
      this.#handleEvent(event, now);
    }
    this.#flush();
  }

  #handleEvent(event: CoordinatorEvent, now: Instant): void {
    switch (event.kind) {
      case "dial":
        this.#protocol = event.protocol;
        this.#prepareLink(event.resumeToken, now);
        return;
      case "hangUp":
        this.#flush();
        this.#link?.close();
        if (this.#link !== undefined) this.#abandon(this.#link);
        return;
      case "disconnected":
        this.#failures++;
        this.#lastFailure = event.message;
        if (!this.#hasHeard && this.#failures >= MAX_FIRST_FAILURES) {
          this.#events.push({ kind: "unreachable", message: event.message });
        }
        return;
      case "node":
      case "ready":
      case "lost":
      case "removed":
      case "derpMap":
        this.#hasHeard = true;
        if (this.#protocol === "v2") this.#deadlines.clear("silence");
        this.#events.push(event);
        return;
      case "connected":
        // A coordinator that is known to speak JSON has no more to say until there is an agent.
        if (this.#options.coordination === "v1" && this.#protocol === "v1") this.#hasHeard = true;
        this.#events.push(event);
        return;
      case "serverError":
      case "failed":
      case "closed":
        this.#events.push(event);
        return;
    }
  }

  #prepareLink(resumeToken: string | undefined, now: Instant): void {
    const { agentId, deploymentUrl, headers, random } = this.#options;
    const query = coordinationQuery(this.#protocol, resumeToken).toString();
    const path = `/api/v2/workspaceagents/${agentId}/coordinate`;
    const link = new CoordinatorLink({
      path: query === "" ? path : `${path}?${query}`,
      host: deploymentUrl.host,
      headers,
      random,
    });
    this.#link = link;
    if (this.#hasHeard || this.#failures === 0) return this.#dial(link, now);
    const delayMs = FIRST_DIAL_DELAYS_MS[this.#failures - 1] ?? LATER_DIAL_DELAY_MS;
    this.#deadlines.set("firstDial", now + delayMs);
  }

  #dial(link: CoordinatorLink, now: Instant): void {
    this.#deadlines.set("silence", now + SILENCE_MS);
    this.#events.push({ kind: "dialLink", link });
  }

  #disconnected(reason: DisconnectReason, now: Instant): void {
    this.#forgetLink();
    this.#client.handleDisconnected(reason, now);
  }

  /** Wants nothing more of the link but that it is closed. */
  #abandon(link: CoordinatorLink): void {
    this.#events.push({ kind: "hangUpLink", link });
    this.#forgetLink();
  }

  #forgetLink(): void {
    this.#link = undefined;
    this.#deadlines.clearAll();
  }

  #flush(): void {
    const link = this.#link;
    if (link === undefined || !link.isOpen) return;
    for (let m = this.#client.pollTransmit(); m; m = this.#client.pollTransmit()) link.send(m);
  }
}
