/**
 * Which socket a segment belongs to, by the 4-tuple, and which local ports are free. Looking up allocates nothing:
 * the key is the pair of ports, addresses are compared within the few that share it.
 */
import { equalBytes } from "../base/bytes.ts";
import type { Instant, Random } from "../base/core.ts";
import { IPV6_DESTINATION_OFFSET, IPV6_SOURCE_OFFSET, isAddressAt } from "../wire/ipv6.ts";
import {
  FIRST_EPHEMERAL_PORT,
  LAST_PORT,
  MAX_RECENT_TUPLES,
  MAX_TIME_WAIT,
  TUPLE_REST_MS,
} from "./limits.ts";
import { TcpSocket } from "./socket.ts";

/** Random ports tried before the range is searched from the last of them on. */
const RANDOM_TRIES = 16;
const PORT_SPAN = 0x1_0000;

export class SocketTable {
  readonly #byPorts = new Map<number, TcpSocket[]>();
  readonly #all = new Set<TcpSocket>();
  /** In the order in which they got there. */
  readonly #timeWait = new Set<TcpSocket>();
  /** Until when a pair of ports is left alone, in the order in which they were closed. */
  readonly #resting = new Map<number, Instant>();

  get size(): number {
    return this.#all.size;
  }

  all(): Iterable<TcpSocket> {
    return this.#all;
  }

  /** Those to these addresses, 16 bytes each. */
  leadingTo(remotes: readonly Uint8Array[]): TcpSocket[] {
    const isOneOf = (address: Uint8Array) => remotes.some((remote) => equalBytes(remote, address));
    return [...this.#all].filter(({ remoteAddress }) => isOneOf(remoteAddress));
  }

  /** Whether something of ours is not acknowledged, or something of a peer's is known to be missing. */
  get isWaiting(): boolean {
    for (const socket of this.#all) {
      const { snd, receive } = TcpSocket.connectionOf(socket).tcb;
      if (snd.flightSize > 0 || receive.hasHole) return true;
    }
    return false;
  }

  add(socket: TcpSocket): void {
    const key = keyOf(socket.localPort, socket.remotePort);
    const sockets = this.#byPorts.get(key);
    if (sockets === undefined) this.#byPorts.set(key, [socket]);
    else sockets.push(socket);
    this.#all.add(socket);
  }

  /** Forgets a closed socket; its pair of ports rests from `now` on. */
  remove(socket: TcpSocket, now: Instant): void {
    if (!this.#all.delete(socket)) return;
    this.#timeWait.delete(socket);
    const key = keyOf(socket.localPort, socket.remotePort);
    const others = (this.#byPorts.get(key) ?? []).filter((other) => other !== socket);
    if (others.length === 0) this.#byPorts.delete(key);
    else this.#byPorts.set(key, others);
    if (TcpSocket.connectionOf(socket).tcb.origin === "connect") this.#rest(key, now);
  }

  /** The socket for a segment to `localPort` from `remotePort`, whose IPv6 header is at `offset`. */
  find(
    view: DataView,
    offset: number,
    localPort: number,
    remotePort: number,
  ): TcpSocket | undefined {
    const sockets = this.#byPorts.get(keyOf(localPort, remotePort));
    if (sockets === undefined) return undefined;
    for (let i = 0; i < sockets.length; i++) {
      const socket = sockets[i];
      if (
        socket !== undefined &&
        isAddressAt(view, offset + IPV6_SOURCE_OFFSET, socket.remoteAddress) &&
        isAddressAt(view, offset + IPV6_DESTINATION_OFFSET, socket.localAddress)
      ) return socket;
    }
    return undefined;
  }

  /** Should be called when a socket entered TIME-WAIT; returns the oldest one when there are too many. */
  noteTimeWait(socket: TcpSocket): TcpSocket | undefined {
    this.#timeWait.add(socket);
    if (this.#timeWait.size <= MAX_TIME_WAIT) return undefined;
    for (const oldest of this.#timeWait) return oldest;
    return undefined;
  }

  /** A local port for `remotePort`, random and not used with it lately (RFC 6056 §3.3.1); 0 when none is free. */
  freePort(remotePort: number, random: Random, now: Instant): number {
    const count = LAST_PORT - FIRST_EPHEMERAL_PORT + 1;
    const bytes = new Uint8Array(2);
    const view = new DataView(bytes.buffer);
    let port = 0;
    for (let i = 0; i < RANDOM_TRIES; i++) {
      random.fill(bytes);
      port = FIRST_EPHEMERAL_PORT + (view.getUint16(0) % count);
      if (this.#isFree(port, remotePort, now)) return port;
    }
    for (let i = 1; i < count; i++) {
      const next = FIRST_EPHEMERAL_PORT + ((port - FIRST_EPHEMERAL_PORT + i) % count);
      if (this.#isFree(next, remotePort, now)) return next;
    }
    return 0;
  }

  #isFree(localPort: number, remotePort: number, now: Instant): boolean {
    const key = keyOf(localPort, remotePort);
    return !this.#byPorts.has(key) && (this.#resting.get(key) ?? -Infinity) <= now;
  }

  #rest(key: number, now: Instant): void {
    this.#resting.delete(key);
    this.#resting.set(key, now + TUPLE_REST_MS);
    for (const [oldest, until] of this.#resting) {
      if (until > now && this.#resting.size <= MAX_RECENT_TUPLES) return;
      this.#resting.delete(oldest);
    }
  }
}

function keyOf(localPort: number, remotePort: number): number {
  return localPort * PORT_SPAN + remotePort;
}
