/** Drives a tunnel core over simulated sockets, in the order in which `lib/io/node_driver.ts` does it over real ones. */
import type { Instant } from "../../../lib/base/core.ts";
import { earlier } from "../../../lib/base/deadlines.ts";
import { ProtocolError } from "../../../lib/base/errors.ts";
import type { NetstackEvent } from "../../../lib/netstack/mod.ts";
import type { Line } from "../../../lib/tailnet/line.ts";
import type { TunnelCore } from "../../../lib/tailnet/tunnel_core.ts";
import type { SimEnd, SimNetwork } from "./network.ts";
import type { SimUdpSocket } from "./udp_socket.ts";

export interface SimDriverParts<Event> {
  readonly core: TunnelCore<Event>;
  readonly network: SimNetwork;
  readonly onEvent: (event: Event, now: Instant) => void;
  readonly onSocketEvent: (event: NetstackEvent, now: Instant) => void;
}

/** As the real driver: no timer is longer, so that a sleep is noticed. */
const MAX_TIMER_MS = 10_000;
const SLEEP_NOTICE_MS = 15_000;
const DIAL_MS = 5;

export class SimNodeDriver<Event> {
  readonly carriers = new Map<Line, SimEnd>();
  readonly #core: TunnelCore<Event>;
  readonly #parts: SimDriverParts<Event>;
  #dials: { readonly line: Line; readonly at: Instant }[] = [];
  #lastTurnAt: Instant;
  /** Beside the lines. */
  udp: SimUdpSocket | undefined;
  isStopped = false;
  /** Connections to relays that were asked for, called off or not. */
  dialCount = 0;

  constructor(parts: SimDriverParts<Event>, now: Instant) {
    this.#core = parts.core;
    this.#parts = parts;
    this.#lastTurnAt = now;
  }

  step(now: Instant): boolean {
    if (this.isStopped) return false;
    this.#noticeSleep(now);
    let moved = this.#dialDue(now);
    moved = (this.udp?.deliver(now) ?? false) || moved;
    for (const [line, end] of [...this.carriers]) moved = this.#read(line, end, now) || moved;
    if ((this.#core.pollTimeout() ?? Infinity) <= now) this.#core.handleTimeout(now);
    return this.#turn(now) || moved;
  }

  nextAt(now: Instant): Instant | undefined {
    if (this.isStopped) return undefined;
    let at = earlier(this.#core.pollTimeout(), this.#lastTurnAt + MAX_TIMER_MS);
    for (const dial of this.#dials) at = earlier(at, dial.at);
    for (const end of this.carriers.values()) at = earlier(at, end.nextAt(now));
    return earlier(at, this.udp?.nextAt());
  }

  /** Runs a turn, as after a verb. */
  turn(now: Instant): void {
    this.#turn(now);
  }

  /** The process ends without a word. */
  stop(now: Instant): void {
    this.isStopped = true;
    for (const end of this.carriers.values()) end.close(now);
    this.carriers.clear();
  }

  #noticeSleep(now: Instant): void {
    const elapsedMs = now - this.#lastTurnAt;
    this.#lastTurnAt = now;
    if (elapsedMs >= SLEEP_NOTICE_MS) this.#core.handleWake(now);
  }

  #dialDue(now: Instant): boolean {
    const due = this.#dials.filter((dial) => dial.at <= now);
    this.#dials = this.#dials.filter((dial) => dial.at > now);
    for (const { line } of due) this.#dial(line, now);
    return due.length > 0;
  }

  #dial(line: Line, now: Instant): void {
    for (const target of line.targets) {
      const end = this.#parts.network.connect(target.host, target.port, now);
      if (end === "lost") return;
      if (end === undefined) continue;
      this.carriers.set(line, end);
      return this.#core.handleLineOpened(line, target, now);
    }
    this.#core.handleLineClosed(line, "refused the connection", now);
  }

  #read(line: Line, end: SimEnd, now: Instant): boolean {
    let moved = false;
    while (this.carriers.get(line) === end) {
      const arrival = end.read(now);
      if (arrival === undefined) break;
      moved = true;
      if (arrival.kind === "end") this.#lost(line, arrival.reason, now);
      else this.#handleBytes(line, arrival.bytes, now);
    }
    return moved;
  }

  #handleBytes(line: Line, bytes: Uint8Array, now: Instant): void {
    try {
      this.#core.handleLineBytes(line, bytes, now);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#lost(line, error.message, now);
    }
  }

  #lost(line: Line, reason: string, now: Instant): void {
    this.#hangUp(line, now);
    this.#core.handleLineClosed(line, reason, now);
  }

  /** Writes what the line still has, however slow its socket is, and closes it. */
  #hangUp(line: Line, now: Instant): void {
    this.#dials = this.#dials.filter((dial) => dial.line !== line);
    const end = this.carriers.get(line);
    if (end === undefined) return;
    for (let batch = line.takeBatch(); batch; batch = line.takeBatch()) {
      end.write(batch.bytes, now);
      batch.release();
    }
    end.close(now);
    this.carriers.delete(line);
  }

  #turn(now: Instant): boolean {
    const core = this.#core;
    const { onEvent, onSocketEvent } = this.#parts;
    let moved = false;
    let isAgain = true;
    while (isAgain) {
      isAgain = false;
      core.pump(now);
      for (let e = core.pollLineEvent(); e; e = core.pollLineEvent()) {
        moved = true;
        if (e.kind === "hangUp") this.#hangUp(e.line, now);
        else {
          if (e.line.name !== "coordinator") this.dialCount++;
          this.#dials.push({ line: e.line, at: now + DIAL_MS });
        }
      }
      for (let e = core.pollSocketEvent(); e; e = core.pollSocketEvent()) {
        isAgain = true;
        onSocketEvent(e, now);
      }
      for (let e = core.pollEvent(); e !== undefined; e = core.pollEvent()) {
        isAgain = true;
        onEvent(e, now);
      }
      moved ||= isAgain;
    }
    for (const [line, end] of this.carriers) moved = this.#write(line, end, now) || moved;
    while (this.udp?.send(now) ?? false) {
      moved = true;
      core.pump(now);
    }
    return moved;
  }

  #write(line: Line, end: SimEnd, now: Instant): boolean {
    let moved = false;
    while (!end.isBusy(now)) {
      const batch = line.takeBatch();
      if (batch === undefined) break;
      moved = true;
      const { length } = batch.bytes;
      end.write(batch.bytes, now);
      batch.release();
      if (this.#core.handleLineWritten(line, length, now)) this.#core.pump(now);
    }
    return moved;
  }
}
