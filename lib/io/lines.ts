/**
 * The connections behind the lines of a core: dials what is asked for, carries the bytes, and hangs up. Whatever happens is
 * told to the core and ends in one turn of the driver; a mistake of ours ends the driver.
 */
import type { Clock, Instant } from "../base/core.ts";
import { messageOf } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import type { Line, LineEvent, LineOwner, LineTarget } from "../tailnet/line.ts";
import { Carrier } from "./carrier.ts";
import { closeQuietly, type Conn } from "./conn.ts";
import { dial, type DialOptions } from "./dial.ts";
import { describeDialError } from "./dial_errors.ts";

export interface LinesOptions {
  readonly owner: LineOwner;
  readonly clock: Clock;
  readonly dial: DialOptions;
  readonly log: Log;
  /** Called when something happened that the owner was told of, with the instant that it was told. */
  readonly onTurn: (now: Instant) => void;
  /** Called when something threw that is no failure of a peer or of the network. */
  readonly onFault: (error: unknown) => void;
}

/** What there is of a line's connection. */
interface Connection {
  /** Calls the dial off. */
  readonly dialling: AbortController;
  carrier: Carrier | undefined;
}

export class Lines {
  readonly #options: LinesOptions;
  readonly #connections = new Map<Line, Connection>();
  /** Dials, and connections that are coming to their end. */
  readonly #running = new Set<Promise<void>>();

  constructor(options: LinesOptions) {
    this.#options = options;
  }

  handleEvent(event: LineEvent): void {
    switch (event.kind) {
      case "dial":
        return this.#run(this.#dial(event.line));
      case "hangUp":
        return this.#hangUp(event.line);
    }
  }

  /** Writes what was gathered. */
  kick(): void {
    for (const { carrier } of this.#connections.values()) carrier?.kick();
  }

  /** Waits until everything gathered was written, as far as the other sides read. */
  async drained(): Promise<void> {
    const carriers = [...this.#connections.values()].map(({ carrier }) => carrier);
    await Promise.all(carriers.map((carrier) => carrier?.drained()));
  }

  /** Closes everything at once. */
  close(): void {
    for (const { dialling, carrier } of this.#connections.values()) {
      dialling.abort();
      carrier?.close();
      if (carrier !== undefined) this.#run(carrier.ended());
    }
    this.#connections.clear();
  }

  /** Resolves when nothing runs any more. */
  async ended(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  async #dial(line: Line): Promise<void> {
    const { owner, clock, log, onTurn } = this.#options;
    const dialling = new AbortController();
    const connection: Connection = { dialling, carrier: undefined };
    this.#connections.set(line, connection);
    let failure = "has no address";
    for (const target of line.targets) {
      let conn: Conn;
      try {
        conn = await this.#connect(line, target, dialling.signal);
      } catch (error) {
        if (dialling.signal.aborted) return;
        failure = describeDialError(error, target) ?? messageOf(error);
        log.debug("cannot dial", { line: line.name, failure });
        continue;
      }
      // Called off at the moment when it was connected.
      if (dialling.signal.aborted) return closeQuietly(conn);
      const now = clock.now();
      try {
        owner.handleLineOpened(line, target, now);
      } catch (error) {
        closeQuietly(conn);
        throw error;
      }
      connection.carrier = this.#carry(line, conn);
      return onTurn(now);
    }
    this.#connections.delete(line);
    const now = clock.now();
    owner.handleLineClosed(line, failure, now);
    onTurn(now);
  }

  async #connect(line: Line, target: LineTarget, signal: AbortSignal): Promise<Conn> {
    return await dial(target, { ...this.#options.dial, timeoutMs: line.dialLimitMs, signal });
  }

  #carry(line: Line, conn: Conn): Carrier {
    const { owner, clock, log, onTurn, onFault } = this.#options;
    return new Carrier({
      conn,
      source: line,
      readChunkBytes: line.readBytes,
      onBytes: (chunk) => {
        const now = clock.now();
        owner.handleLineBytes(line, chunk, now);
        onTurn(now);
      },
      onWritten: (count) => {
        const now = clock.now();
        if (owner.handleLineWritten(line, count, now)) onTurn(now);
      },
      onClosed: (reason) => {
        log.debug("connection ended", { line: line.name, reason });
        this.#hangUp(line);
        const now = clock.now();
        owner.handleLineClosed(line, reason, now);
        onTurn(now);
      },
      onFault,
    });
  }

  /** Calls the dial off, or writes what the line still has and closes its connection. */
  #hangUp(line: Line): void {
    const connection = this.#connections.get(line);
    if (connection === undefined) return;
    this.#connections.delete(line);
    connection.dialling.abort();
    if (connection.carrier !== undefined) this.#run(closeInOrder(connection.carrier));
  }

  /** Nothing runs without an owner: what it rejects with is a mistake of ours. */
  #run(work: Promise<void>): void {
    const running = work.catch(this.#options.onFault).finally(() => this.#running.delete(running));
    this.#running.add(running);
  }
}

async function closeInOrder(carrier: Carrier): Promise<void> {
  await carrier.drained();
  carrier.close();
  await carrier.ended();
}
