/**
 * Our UDP sockets, one for each family (`Deno.listenDatagram`, which wants `--unstable-net`): a read loop over one reused
 * buffer, and one batch of sends at a time. Without the API or the permission there are none, and the relay carries all;
 * nobody is asked for a permission on the way.
 */
import { messageOf } from "../base/errors.ts";
import type { DatagramBatch, DatagramPort } from "../tailnet/datagram_port.ts";
import { formatAddress, formatEndpoint, parseAddress } from "../tailnet/endpoint_text.ts";
import { type AddressFamily, type Endpoint, familyOf } from "../wire/endpoint.ts";
import { closeQuietly } from "./conn.ts";
import { growReceiveBuffer } from "./receive_buffer.ts";

export interface UdpSocketsOptions {
  /** What must leave. */
  readonly port: DatagramPort;
  /** Addresses to listen on. @default all of this machine, of both families */
  readonly bind?: Readonly<Partial<Record<AddressFamily, string>>>;
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
}

/** Longer than any datagram that we take; what is cut off fails its authentication. */
const RECEIVE_BYTES = 2_048;
/** Datagrams that are handled before what they led to leaves. */
const MAX_BURST = 32;
/** A receive that has something is done within so many turns of the microtask queue; measured as three (Deno 2.9). */
const READY_MICROTASKS = 5;
/** Senders that are remembered by their text. */
const MAX_KNOWN_SENDERS = 256;
/** A socket that only fails is closed: it would fail for ever. */
const MAX_FAILURES_IN_A_ROW = 64;
const FAILURE_DELAY_MS = 20;
const ANY_ADDRESS: Readonly<Record<AddressFamily, string>> = { ipv4: "0.0.0.0", ipv6: "::" };
const FAMILIES: readonly AddressFamily[] = ["ipv4", "ipv6"];

interface Socket {
  readonly conn: Deno.DatagramConn;
  readonly localPort: number;
  /** As the kernel counts; `undefined`: as usual. */
  readonly bufferBytes: number | undefined;
}

/** Where the platform sends for an endpoint; nowhere when that is not permitted. */
type Target = Deno.NetAddr | "not-permitted";

export class UdpSockets {
  /** Why there is no socket of a family, one line each. */
  readonly problems: string[] = [];
  /** Datagrams that could not be sent, by the machine's own word, and those that came from addresses we cannot name. */
  readonly counters = { unsendable: 0, unnamed: 0 };
  readonly #options: UdpSocketsOptions;
  readonly #sockets = new Map<AddressFamily, Socket>();
  /** Families whose socket was lost. */
  readonly #lost = new Set<AddressFamily>();
  readonly #reading: Promise<void>[] = [];
  #sending: Promise<void> | undefined;
  readonly #senders = new Map<string, Endpoint>();
  readonly #targets = new WeakMap<Endpoint, Target>();
  readonly #isEverythingPermitted: boolean;
  #isClosed = false;

  /** Opens what can be opened; `ports` and `problems` say what came of it. */
  constructor(options: UdpSocketsOptions) {
    this.#options = options;
    this.#isEverythingPermitted = isPermitted({ name: "net" });
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
  async close(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true;
      this.#options.port.isOpen = false;
      for (const { conn } of this.#sockets.values()) closeQuietly(conn);
    }
    await Promise.all([...this.#reading, this.#sending]);
  }

  /** Whether there is a socket of the family now. */
  #open(family: AddressFamily): boolean {
    const hostname = (this.#options.bind ?? ANY_ADDRESS)[family];
    if (hostname !== undefined) this.#listen(family, hostname);
    const buffers = [...this.#sockets.values()].map(({ bufferBytes }) => bufferBytes);
    this.#options.port.setBuffers(buffers);
    this.#options.port.isOpen = this.#sockets.size > 0;
    return this.#sockets.has(family);
  }

  #listen(family: AddressFamily, hostname: string): void {
    if (Deno.listenDatagram === undefined) {
      this.#note("this runtime was started without --unstable-net");
      return;
    }
    // With port 0 the whole host must be permitted; the runtime would ask on the terminal.
    const host = hostname.includes(":") ? `[${hostname}]` : hostname;
    if (!this.#isEverythingPermitted && !isPermitted({ name: "net", host })) {
      this.#note(`listening on ${hostname} is not permitted (--allow-net)`);
      return;
    }
    try {
      const conn = Deno.listenDatagram({ transport: "udp", hostname, port: 0 });
      const { addr } = conn;
      if (addr.transport !== "udp") throw new TypeError("A UDP socket must have a UDP address");
      const bufferBytes = growReceiveBuffer(addr.port);
      this.#sockets.set(family, { conn, localPort: addr.port, bufferBytes });
      this.#reading.push(this.#readLoop(conn, family).catch(this.#options.onFault));
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

  async #readLoop(conn: Deno.DatagramConn, family: AddressFamily): Promise<void> {
    const { onDatagram, onPause } = this.#options;
    const buffer = new Uint8Array(RECEIVE_BYTES);
    let owed = 0;
    let failures = 0;
    while (!this.#isClosed) {
      const receiving = receive(conn, buffer);
      if (owed >= MAX_BURST || (owed > 0 && !await isReadySoon(receiving))) {
        owed = 0;
        onPause();
      }
      const received = await receiving;
      if (this.#isClosed) return;
      if (received === undefined) {
        // Windows tells so that an earlier datagram found nobody.
        if (++failures >= MAX_FAILURES_IN_A_ROW) break;
        await new Promise((resolve) => setTimeout(resolve, FAILURE_DELAY_MS));
        continue;
      }
      failures = 0;
      const [datagram, address] = received;
      const from = address.transport === "udp" ? this.#senderOf(address) : undefined;
      if (from === undefined) {
        this.counters.unnamed++;
        continue;
      }
      owed++;
      onDatagram(datagram, from);
    }
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
    while (batch !== undefined && !this.#isClosed) {
      let bytes = 0;
      for (let i = 0; i < batch.count && !this.#isClosed; i++) {
        const endpoint = batch.endpoints[i];
        const datagram = batch.datagram(i);
        if (endpoint === undefined) continue;
        if (await this.#send(datagram, endpoint)) bytes += datagram.length;
      }
      port.release(batch);
      if (this.#isClosed) return;
      onSent(bytes);
      batch = port.takeBatch();
    }
    this.#sending = undefined;
  }

  /** Losing a datagram is the network's right: an error is told once it says something of the way there. */
  async #send(datagram: Uint8Array, endpoint: Endpoint): Promise<boolean> {
    const socket = this.#sockets.get(familyOf(endpoint.address));
    const target = this.#targetOf(endpoint);
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

  #targetOf(endpoint: Endpoint): Target {
    const known = this.#targets.get(endpoint);
    if (known !== undefined) return known;
    const hostname = formatAddress(endpoint.address);
    const host = formatEndpoint(endpoint);
    const isOk = this.#isEverythingPermitted || isPermitted({ name: "net", host });
    const target: Target = isOk
      ? { transport: "udp", hostname, port: endpoint.port }
      : "not-permitted";
    this.#targets.set(endpoint, target);
    return target;
  }

  /** One object for each sender as long as it is remembered, so that who handles datagrams may compare identities. */
  #senderOf({ hostname, port }: Deno.NetAddr): Endpoint | undefined {
    const key = `${hostname} ${port}`;
    const known = this.#senders.get(key);
    if (known !== undefined) return known;
    const address = parseAddress(hostname);
    if (address === undefined) return undefined;
    const endpoint: Endpoint = { address, port };
    if (this.#senders.size >= MAX_KNOWN_SENDERS) this.#senders.clear();
    this.#senders.set(key, endpoint);
    return endpoint;
  }
}

/** What was received, or nothing when the socket failed. */
async function receive(
  conn: Deno.DatagramConn,
  buffer: Uint8Array,
): Promise<[Uint8Array, Deno.Addr] | undefined> {
  try {
    return await conn.receive(buffer);
  } catch (error) {
    if (isSystemError(error)) return undefined;
    throw error;
  }
}

/** Whether something was waiting already, without giving the event loop its turn. */
async function isReadySoon(receiving: Promise<unknown>): Promise<boolean> {
  let isReady = false;
  const onDone = () => void (isReady = true);
  receiving.then(onDone, onDone);
  for (let i = 0; i < READY_MICROTASKS && !isReady; i++) await null;
  return isReady;
}

function isPermitted(permission: Deno.PermissionDescriptor): boolean {
  return Deno.permissions.querySync(permission).state === "granted";
}

/** Errors of the system's calls carry its code; what the runtime refuses, and a socket that we closed, have a class. */
function isSystemError(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return "code" in error || error instanceof Deno.errors.BadResource ||
    error instanceof Deno.errors.Interrupted || error instanceof Deno.errors.NotCapable;
}
