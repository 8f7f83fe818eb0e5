/**
 * The relay map as it changes, of servers before v2.8: a websocket of its own, on which they send maps as JSON, the first at
 * once (coder/coder `coderd/workspaceagents.go` `derpMapUpdates`, `codersdk/workspaceagents.go` `DialWorkspaceAgent` at v2.5).
 * The earliest of them have no such route. Nothing depends on it: a map is here already, and what works is kept.
 *
 *   idle ──start()──▶ dialling ──opened──▶ open ──ended──▶ waiting ──delay──▶ dialling …
 *                        └──refused──▶ absent, until the next start()
 *
 * Deviation: upstream does not dial again once a map was read.
 */
import { assertNever, type Core, type Instant, type Random } from "../../base/core.ts";
import { Deadlines, earlier } from "../../base/deadlines.ts";
import type { DerpMap } from "../derp_map.ts";
import { derpMapFromJson } from "../derp_map_json.ts";
import { type Line, type LineEvent, type LineOwner, lineTargetOf } from "../line.ts";
import { Backoff } from "./backoff.ts";
import { broken, JsonValues } from "./json_values.ts";
import { type CoordinatorLink, type CoordinatorLinkEvent, WebsocketLink } from "./link.ts";

export interface MapSocketOptions {
  readonly deploymentUrl: URL;
  /** As the coordinator's: the first releases that have the route ask for no token, it is sent all the same. */
  readonly headers: readonly (readonly [string, string])[];
  readonly random: Random;
}

export type MapSocketEvent =
  | LineEvent
  /** What the server has now, changed or not. */
  | { readonly kind: "derpMap"; readonly map: DerpMap }
  /** The server has no such route. */
  | { readonly kind: "absent" };

type State =
  | { readonly kind: "idle" | "absent" }
  | { readonly kind: "waiting"; readonly until: Instant }
  | { readonly kind: "dialling"; readonly link: CoordinatorLink }
  | {
    readonly kind: "open";
    readonly link: CoordinatorLink;
    readonly since: Instant;
    readonly values: JsonValues;
  };

type MapSocketDeadline =
  /** When a server that says nothing is given up. */
  "silence";

const PATH = "/api/v2/derp-map";
const DIAL_SILENCE_MS = 15_000;
/** Servers ping every 15 s. */
const SILENCE_MS = 45_000;
/** A connection that lasted so long starts the next at once. */
const STABLE_MS = 5_000;
const TOO_MANY_REQUESTS = 429;

export class MapSocket implements Core<MapSocketEvent>, LineOwner {
  readonly #options: MapSocketOptions;
  readonly #backoff: Backoff;
  readonly #deadlines = new Deadlines<MapSocketDeadline>();
  readonly #events: MapSocketEvent[] = [];
  #state: State = { kind: "idle" };

  constructor(options: MapSocketOptions) {
    this.#options = options;
    this.#backoff = new Backoff(options.random);
    this.#backoff.noteHeard(); // nobody waits for this at a terminal
  }

  /** Whether `line` is of this socket. */
  owns(line: Line): boolean {
    return this.#link === line;
  }

  /** Should be called when the server is known to be there: what was given up or waits is tried now. */
  start(now: Instant): void {
    if (this.#link === undefined) this.#dial(now);
  }

  /** Hangs up; `start` begins anew. */
  stop(): void {
    const link = this.#link;
    if (link !== undefined) this.#hangUp(link);
    this.#state = { kind: "idle" };
    this.#deadlines.clearAll();
    this.#backoff.reset();
  }

  handleLineOpened(line: Line): void {
    if (this.owns(line)) this.#link?.handleOpened();
  }

  handleLineBytes(line: Line, chunk: Uint8Array, now: Instant): void {
    const link = this.#link;
    if (link === undefined || link !== line) return;
    if (this.#state.kind === "open") this.#deadlines.set("silence", now + SILENCE_MS);
    link.handleBytes(chunk);
    this.#pump(link, now);
  }

  handleLineWritten(): boolean {
    return false;
  }

  handleLineClosed(line: Line, _reason: string, now: Instant): void {
    const link = this.#link;
    if (link === undefined || link !== line) return;
    link.handleEnd();
    this.#pump(link, now);
    if (this.#link === link) this.#retry(now);
  }

  handleTimeout(now: Instant): void {
    for (let due = this.#deadlines.pop(now); due !== undefined; due = this.#deadlines.pop(now)) {
      if (this.#link === undefined) continue;
      this.#hangUp(this.#link);
      this.#retry(now);
    }
    if (this.#state.kind === "waiting" && this.#state.until <= now) this.#dial(now);
  }

  pollTimeout(): Instant | undefined {
    const until = this.#state.kind === "waiting" ? this.#state.until : undefined;
    return earlier(until, this.#deadlines.next());
  }

  pollEvent(): MapSocketEvent | undefined {
    return this.#events.shift();
  }

  get #link(): CoordinatorLink | undefined {
    const state = this.#state;
    return state.kind === "dialling" || state.kind === "open" ? state.link : undefined;
  }

  #dial(now: Instant): void {
    const { deploymentUrl, headers, random } = this.#options;
    const target = lineTargetOf(deploymentUrl);
    const link = new WebsocketLink({ name: "relay map", target, path: PATH, headers, random });
    this.#state = { kind: "dialling", link };
    this.#deadlines.set("silence", now + DIAL_SILENCE_MS);
    this.#events.push({ kind: "dial", line: link });
  }

  #pump(link: CoordinatorLink, now: Instant): void {
    while (this.#link === link) {
      const event = link.pollEvent();
      if (event === undefined) return;
      this.#handleLinkEvent(link, event, now);
    }
  }

  #handleLinkEvent(link: CoordinatorLink, event: CoordinatorLinkEvent, now: Instant): void {
    switch (event.kind) {
      case "open":
        this.#state = { kind: "open", link, since: now, values: new JsonValues("objects") };
        this.#deadlines.set("silence", now + SILENCE_MS);
        return;
      case "data":
        if (this.#state.kind === "open") this.#read(this.#state.values, event.bytes);
        return;
      case "refused":
        this.#hangUp(link);
        if (event.status >= 500 || event.status === TOO_MANY_REQUESTS) return this.#retry(now);
        this.#state = { kind: "absent" };
        this.#deadlines.clearAll();
        this.#events.push({ kind: "absent" });
        return;
      case "closed":
        this.#hangUp(link);
        return this.#retry(now);
      default:
        return assertNever(event);
    }
  }

  /** Throws `ProtocolError`. */
  #read(values: JsonValues, bytes: Uint8Array): void {
    for (const text of values.push(bytes)) {
      this.#events.push({ kind: "derpMap", map: derpMapFromJson(parse(text)) });
    }
  }

  #hangUp(link: CoordinatorLink): void {
    link.close();
    this.#events.push({ kind: "hangUp", line: link });
  }

  #retry(now: Instant): void {
    const state = this.#state;
    if (state.kind === "open" && now - state.since >= STABLE_MS) this.#backoff.reset();
    this.#state = { kind: "waiting", until: now + this.#backoff.nextDelayMs() };
    this.#deadlines.clearAll();
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw broken("a relay map is none", error);
  }
}
