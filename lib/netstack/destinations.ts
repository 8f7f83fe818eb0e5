/** All destinations of a stack: which sockets may have something to send, and whose turn it is. */
import { toHex } from "../base/bytes.ts";
import { Destination } from "./destination.ts";
import { TcpSocket } from "./socket.ts";
import { transmit, type TransmitTarget } from "./transmit.ts";

export class Destinations {
  /** By address. */
  readonly #all = new Map<string, Destination<TcpSocket>>();
  /** Those with sockets that may have something to send, the next in turn first. */
  readonly #waiting = new Set<Destination<TcpSocket>>();

  /** How many may have something to send. */
  get waitingCount(): number {
    return this.#waiting.size;
  }

  /** The one whose turn it is; the next call gives the next one, and so on in a circle. */
  next(): Destination<TcpSocket> | undefined {
    for (const destination of this.#waiting) {
      if (this.#waiting.size > 1) {
        this.#waiting.delete(destination);
        this.#waiting.add(destination);
      }
      return destination;
    }
    return undefined;
  }

  /** The socket may have something to send. */
  schedule(socket: TcpSocket): void {
    const connection = TcpSocket.connectionOf(socket);
    if (connection.isScheduled) return;
    connection.isScheduled = true;
    const destination = this.#of(socket);
    destination.scheduled.push(socket);
    this.#waiting.add(destination);
  }

  /** Writes the next packet, whoever it is for; its length, or 0. */
  transmit(target: TransmitTarget): number {
    for (let left = this.#waiting.size; left > 0; left--) {
      const destination = this.next();
      const length = destination === undefined ? 0 : this.transmitTo(destination, target);
      if (length > 0) return length;
    }
    return 0;
  }

  /** Writes the next packet for `destination`; its length, or 0. Sockets take turns, a packet each. */
  transmitTo(destination: Destination<TcpSocket>, target: TransmitTarget): number {
    const { scheduled } = destination;
    target.way = destination.way;
    target.sendWay = destination.sendWay;
    for (;;) {
      const socket = scheduled.peek();
      if (socket === undefined) {
        this.#waiting.delete(destination);
        return 0;
      }
      const connection = TcpSocket.connectionOf(socket);
      const length = transmit(connection.tcb, target);
      if (length === 0) {
        scheduled.shift();
        connection.isScheduled = false;
        continue;
      }
      if (scheduled.length > 1) {
        scheduled.shift();
        scheduled.push(socket);
      }
      return length;
    }
  }

  /** The socket is closed. */
  forget(socket: TcpSocket): void {
    const connection = TcpSocket.connectionOf(socket);
    const { destination } = connection;
    if (destination === undefined) return;
    connection.destination = undefined;
    if (--destination.socketCount > 0) return;
    this.#all.delete(toHex(destination.address));
    this.#waiting.delete(destination);
  }

  #of(socket: TcpSocket): Destination<TcpSocket> {
    const connection = TcpSocket.connectionOf(socket);
    if (connection.destination !== undefined) return connection.destination;
    const name = toHex(socket.remoteAddress);
    const destination = this.#all.get(name) ?? new Destination(socket.remoteAddress);
    this.#all.set(name, destination);
    destination.socketCount++;
    connection.destination = destination;
    return destination;
  }
}
