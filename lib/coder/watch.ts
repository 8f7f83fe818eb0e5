/**
 * Following a workspace while a session runs (docs/protocol/ssh.md#watching-the-workspace, docs/protocol/api.md#workspace-watch), as a core: when to connect again, when a
 * silent stream is dead, and what ends the session. A control plane that is away never does.
 * The loop that drives it is `watch_loop.ts`.
 */
import { assertNever, type Instant, type Random, randomFraction } from "../base/core.ts";
import { Deadlines } from "../base/deadlines.ts";
import type { Build } from "./workspace_model.ts";

/** Why the session must end. */
export type WatchEnd = "stopped" | "rebuilt" | "deleted";

export type WatchOutput =
  /** Open the event stream and report with `handleOpened` or `handleClosed`. */
  | { readonly kind: "connect" }
  /** Give the stream up; it said nothing for too long. A `handleClosed` for it is harmless. */
  | { readonly kind: "disconnect" }
  | { readonly kind: "ended"; readonly end: WatchEnd };

type Timer =
  /** When to open the stream again. */
  | "connect"
  /** When a stream that said nothing counts as dead. */
  | "silence";

type State =
  | { readonly kind: "waiting" }
  | { readonly kind: "connecting" }
  | { readonly kind: "open"; readonly openedAt: Instant }
  | { readonly kind: "ended" };

/** Three of the server's 15-second pings (docs/protocol/api.md#workspace-watch). */
const SILENCE_MS = 45_000;
const FIRST_DELAY_MS = 1_600;
const MAX_DELAY_MS = 15_000;
const GROWTH = 1.618;
/** A stream that lived this long was a good one: the next failure starts from the shortest delay. */
const GOOD_STREAM_MS = 30_000;
/** Many sessions lose one server at one time; they should not come back at one time. */
const JITTER = 0.2;

/** What the session was started on. */
export interface WatchedBuild {
  readonly buildId: string;
}

/** Whether this state of the workspace ends a session on build `watched` (docs/protocol/ssh.md#watching-the-workspace). */
export function endOfBuild(latest: Build, watched: WatchedBuild): WatchEnd | undefined {
  if (latest.id !== watched.buildId && latest.transition === "start") return "rebuilt";
  // `stopping` alone does not count: the agent is given the time to close gracefully.
  if (latest.status === "stopped") return "stopped";
  if (latest.status === "deleted") return "deleted";
  return undefined;
}

export class WorkspaceWatch {
  readonly #watched: WatchedBuild;
  readonly #random: Random;
  readonly #timers = new Deadlines<Timer>();
  readonly #outputs: WatchOutput[] = [];
  #state: State = { kind: "waiting" };
  #failures = 0;

  constructor(options: WatchedBuild & { readonly random: Random }) {
    this.#watched = { buildId: options.buildId };
    this.#random = options.random;
  }

  /** Whether a stream is open and still wanted. */
  get isOpen(): boolean {
    return this.#state.kind === "open";
  }

  /** Begins: the first connection is asked for at once. */
  start(now: Instant): void {
    if (this.#state.kind !== "waiting") return;
    this.#timers.set("connect", now);
    this.handleTimeout(now);
  }

  /** Should be called when the stream's head arrived. */
  handleOpened(now: Instant): void {
    if (this.#state.kind !== "connecting") return;
    this.#state = { kind: "open", openedAt: now };
    this.#timers.set("silence", now + SILENCE_MS);
  }

  /** Should be called for anything the stream said, pings included. */
  handleSign(now: Instant): void {
    if (this.#state.kind === "open") this.#timers.set("silence", now + SILENCE_MS);
  }

  /** Should be called with the latest build of each workspace the stream (or anything else) showed. */
  handleBuild(latest: Build, now: Instant): void {
    this.handleSign(now);
    if (this.#state.kind === "ended") return;
    const end = endOfBuild(latest, this.#watched);
    if (end === undefined) return;
    this.#state = { kind: "ended" };
    this.#timers.clearAll();
    this.#outputs.push({ kind: "ended", end });
  }

  /** Should be called when the stream ended or could not be opened, whatever the reason. */
  handleClosed(now: Instant): void {
    switch (this.#state.kind) {
      case "open":
        if (now - this.#state.openedAt >= GOOD_STREAM_MS) this.#failures = 0;
        this.#scheduleConnect(now);
        break;
      case "connecting":
        this.#scheduleConnect(now);
        break;
      case "waiting":
      case "ended":
        break;
      default:
        assertNever(this.#state);
    }
  }

  handleTimeout(now: Instant): void {
    for (let due = this.#timers.pop(now); due !== undefined; due = this.#timers.pop(now)) {
      switch (due) {
        case "connect":
          this.#state = { kind: "connecting" };
          this.#outputs.push({ kind: "connect" });
          break;
        case "silence":
          this.#outputs.push({ kind: "disconnect" });
          this.handleClosed(now);
          break;
        default:
          assertNever(due);
      }
    }
  }

  pollOutput(): WatchOutput | undefined {
    return this.#outputs.shift();
  }

  pollTimeout(): Instant | undefined {
    return this.#timers.next();
  }

  #scheduleConnect(now: Instant): void {
    const baseMs = Math.min(FIRST_DELAY_MS * GROWTH ** this.#failures, MAX_DELAY_MS);
    const delayMs = baseMs * (1 - JITTER + 2 * JITTER * randomFraction(this.#random));
    this.#failures++;
    this.#state = { kind: "waiting" };
    this.#timers.clear("silence");
    this.#timers.set("connect", now + delayMs);
  }
}
