/**
 * Our UDP sockets, one for each family (`Deno.listenDatagram`, which wants `--unstable-net`): what arrives is read by
 * `datagram_reader.ts`, and one batch of sends leaves at a time. Without the API or the permission there are none, and the relay carries all;
 * nobody is asked for a permission on the way. Where the C library can be called many datagrams come and go with one call.
 */
import { messageOf } from "../base/errors.ts";
import type { DatagramBatch, DatagramPort } from "../tailnet/datagram_port.ts";
import { type AddressFamily, type Endpoint, familyOf } from "../wire/endpoint.ts";
import { closeQuietly } from "./conn.ts";
import { EndpointNames } from "./endpoint_names.ts";
import { type BurstSocket, DatagramBursts, type Refusal } from "./datagram_bursts.ts";
import { DatagramReader, RECEIVE_BYTES } from "./datagram_reader.ts";
import { eventLoopTurn, isSystemError, MAX_UNBROKEN } from "./datagram_turns.ts";
import type { Run } from "./send_burst.ts";
import { openSocketCalls, type SocketCalls } from "./socket_calls.ts";

export interface UdpSocketsOptions {
  /** What must leave. */
  readonly port: DatagramPort;
  /** Addresses to listen on. @default all of this machine, of both families */
  readonly bind?: Readonly<Partial<Record<AddressFamily, string>>>;
  /** Something has arrived: the datagrams until the next call came together. */
  readonly onArrival: () => void;
  /** Gets every datagram; borrowed. */
  readonly onDatagram: (datagram: Uint8Array, from: Endpoint) => void;
  /** Nothing more has arrived for now, or much has: what the datagrams led to may leave. */
  readonly onPause: () => void;
  /** A batch of so many bytes went out: there is room again. */
  readonly onSent: (bytes: number) => void;
  /** The machine cannot send there. */
  readonly onUnsendable: (endpoint: Endpoint) => void;
  /** A socket is gone, which fails for ever: `ports` lacks it. */
  readonly onLost: () => void;
  /** Something threw that is no failure of the network, one of the callbacks perhaps. */
  readonly onFault: (error: unknown) => void;
  /** Less leaves or comes with a call than could: nothing is lost by that but time. */
  readonly onRefused?: (refusal: Refusal) => void;
  /** Is closed with the sockets. @default the system's, where it may be called */
  readonly calls?: SocketCalls | undefined;
}

const ANY_ADDRESS: Readonly<Record<AddressFamily, string>> = { ipv4: "0.0.0.0", ipv6: "::" };
const FAMILIES: readonly AddressFamily[] = ["ipv4", "ipv6"];

interface Socket {
  readonly conn: Deno.DatagramConn;
  readonly localPort: number;
  /** `undefined`: one datagram a call. */
  readonly bursts: BurstSocket | undefined;
}

export class UdpSockets {
  /** Why there is no socket of a family, one line each. */
  readonly problems: string[] = [];
  /** Datagrams that could not be sent, by the machine's own word, and those that came from addresses we cannot name. */
  readonly counters = { unsendable: 0, unnamed: 0 };
  readonly #options: UdpSocketsOptions;
  readonly #bursts: DatagramBursts | undefined;
  readonly #sockets = new Map<AddressFamily, Socket>();
  /** Families whose socket was lost. */
  readonly #lost = new Set<AddressFamily>();
  readonly #reading: Promise<void>[] = [];
  #sending: Promise<void> | undefined;
  readonly #names = new EndpointNames();
  #closing: Promise<void> | undefined;

  /** Opens what can be opened; `ports` and `problems` say what came of it. */
  constructor(options: UdpSocketsOptions) {
    this.#options = options;
    const calls = "calls" in options ? options.calls : openSocketCalls();
    const onRefused = options.onRefused ?? (() => {});
    this.#bursts = calls === undefined
      ? undefined
      : new DatagramBursts({ calls, slotBytes: RECEIVE_BYTES, onRefused });
    for (const family of FAMILIES) this.#open(family);
  }

  /** The port of each family that there is a socket for. */
  get ports(): Partial<Record<AddressFamily, number>> {
    const ports: Partial<Record<AddressFamily, number>> = {};
    for (const [family, { localPort }] of this.#sockets) ports[family] = localPort;
    return ports;
  }

  /**
   * Opens what was lost anew, as far as that is possible: some systems take the sockets of a machine that sleeps away, or those of
   * an interface that goes. Whether anything was.
   */
  reopen(): boolean {
    const lost = this.#isClosed ? [] : [...this.#lost];
    for (const family of lost) if (this.#open(family)) this.#lost.delete(family);
    return lost.length > 0;
  }

  /** Something may have to be sent. */
  kick(): void {
    if (this.#sending !== undefined || this.#isClosed) return;
    const batch = this.#options.port.takeBatch();
    if (batch === undefined) return;
    this.#sending = this.#sendLoop(batch).catch(this.#options.onFault);
  }

  /** Resolves when what was gathered is sent. */
  async drained(): Promise<void> {
    this.kick();
    await this.#sending;
  }

  /** Closes the sockets; resolves when no loop runs any more. Idempotent. */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  get #isClosed(): boolean {
    return this.#closing !== undefined;
  }

  async #close(): Promise<void> {
    this.#options.port.isOpen = false;
    for (const { conn } of this.#sockets.values()) closeQuietly(conn);
    await Promise.all([...this.#reading, this.#sending]);
    // Behind the last call.
    this.#bursts?.close();
  }

  /** Whether there is a socket of the family now. */
  #open(family: AddressFamily): boolean {
    const hostname = (this.#options.bind ?? ANY_ADDRESS)[family];
    if (hostname !== undefined) this.#listen(family, hostname);
    const buffers = [...this.#sockets.values()].map(({ bursts }) => bursts?.bufferBytes);
    this.#options.port.setBuffers(buffers);
    this.#options.port.isOpen = this.#sockets.size > 0;
    return this.#sockets.has(family);
  }

  #listen(family: AddressFamily, hostname: string): void {
    if (Deno.listenDatagram === undefined) {
      this.#note("this runtime was started without --unstable-net");
      return;
    }
    if (!this.#names.mayListen(hostname)) {
      this.#note(`listening on ${hostname} is not permitted (--allow-net)`);
      return;
    }
    try {
      const conn = Deno.listenDatagram({ transport: "udp", hostname, port: 0 });
      const { addr } = conn;
      if (addr.transport !== "udp") throw new TypeError("A UDP socket must have a UDP address");
      const bursts = this.#bursts?.attach(addr.port, family);
      const socket: Socket = { conn, localPort: addr.port, bursts };
      this.#sockets.set(family, socket);
      this.#reading.push(this.#read(socket, family).catch(this.#options.onFault));
    } catch (error) {
      if (!isSystemError(error)) throw error;
      // A machine without IPv6, for one.
      this.#note(`cannot listen on ${hostname}: ${messageOf(error)}`);
    }
  }

  /** Once each: a socket may be lost again and again. */
  #note(problem: string): void {
    if (!this.problems.includes(problem)) this.problems.push(problem);
  }

  async #read({ conn, bursts }: Socket, family: AddressFamily): Promise<void> {
    const { onArrival, onDatagram, onPause } = this.#options;
    const reader = new DatagramReader({
      conn,
      bursts,
      names: this.#names,
      onArrival,
      onDatagram,
      onPause,
      onUnnamed: () => void this.counters.unnamed++,
      isClosed: () => this.#isClosed,
    });
    await reader.run();
    if (this.#isClosed) return;
    this.#note("the socket fails for ever");
    this.#sockets.delete(family);
    this.#lost.add(family);
    this.#options.port.isOpen = this.#sockets.size > 0;
    closeQuietly(conn);
    this.#options.onLost();
  }

  async #sendLoop(first: DatagramBatch): Promise<void> {
    const { port, onSent } = this.#options;
    let batch: DatagramBatch | undefined = first;
    let unbroken = 0;
    // Who kicked is in a turn of its own, which `onSent` may begin anew.
    await null;
    while (batch !== undefined && !this.#isClosed) {
      let bytes = 0;
      for (let i = 0; i < batch.count && !this.#isClosed;) {
        const run = this.#runAt(batch, i);
        if (this.#sendRun(batch, run)) {
          unbroken += run.end - run.first;
          bytes += batch.startOf(run.end) - batch.startOf(run.first);
        } else {
          bytes += await this.#sendEach(batch, run);
        }
        i = run.end;
      }
      if (unbroken >= MAX_UNBROKEN) {
        unbroken = 0;
        await eventLoopTurn();
      }
      port.release(batch);
      if (this.#isClosed) return;
      onSent(bytes);
      batch = port.takeBatch();
    }
    this.#sending = undefined;
  }

  #runAt(batch: DatagramBatch, first: number): Run {
    const endpoint = batch.endpoints[first];
    if (endpoint === undefined) throw new RangeError(`Cannot send datagram ${first}: none there`);
    const end = this.#burstsTo(endpoint)?.endOf(batch, first) ?? first + 1;
    return { first, end, endpoint };
  }

  /** Whether all left with one call. */
  #sendRun(batch: DatagramBatch, run: Run): boolean {
    if (this.#names.targetOf(run.endpoint) === "not-permitted") return false;
    return this.#burstsTo(run.endpoint)?.send(batch, run) ?? false;
  }

  #burstsTo({ address }: Endpoint): BurstSocket | undefined {
    return this.#sockets.get(familyOf(address))?.bursts;
  }

  /** One after the other; the bytes that left. */
  async #sendEach(batch: DatagramBatch, { first, end, endpoint }: Run): Promise<number> {
    let bytes = 0;
    for (let i = first; i < end && !this.#isClosed; i++) {
      const datagram = batch.datagram(i);
      if (await this.#send(datagram, endpoint)) bytes += datagram.length;
    }
    return bytes;
  }

  /** Losing a datagram is the network's right: an error is told once it says something of the way there. */
  async #send(datagram: Uint8Array, endpoint: Endpoint): Promise<boolean> {
    const socket = this.#sockets.get(familyOf(endpoint.address));
    const target = this.#names.targetOf(endpoint);
    if (socket === undefined || target === "not-permitted") {
      this.counters.unsendable++;
      return false;
    }
    try {
      await socket.conn.send(datagram, target);
      return true;
    } catch (error) {
      if (this.#isClosed) return false;
      if (!isSystemError(error)) throw error;
      this.counters.unsendable++;
      this.#options.onUnsendable(endpoint);
      return false;
    }
  }
}
