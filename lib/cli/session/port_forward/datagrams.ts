/**
 * `port-forward --udp`: datagrams of this machine to UDP ports of the workspace. Each sender here has a flow of its own inside the
 * tunnel, as each has behind a router; it ends when nothing went over it for two minutes, as agents end theirs, or when there are
 * too many: the one that rested longest goes. What cannot be carried is lost, which senders of datagrams live with.
 */
import type { Instant } from "../../../base/core.ts";
import { listenHint } from "./listen_hint.ts";
import {
  type DatagramAddress,
  type DatagramFlow,
  type LocalDatagrams,
  TUNNEL_DATAGRAM_BYTES,
} from "../../../base/datagrams.ts";
import { ExpectedError, UserError } from "../../../base/errors.ts";
import type { HostClock } from "../../../base/host.ts";
import { formatHostPort, type LocalSockets, SocketError } from "../../../base/sockets.ts";
import type { PortSpec } from "./specs.ts";

export interface DatagramHost {
  /** Opens a flow to a UDP port of 127.0.0.1 in the workspace. Rejects with an `ExpectedError`, or the signal's reason. */
  readonly openUdp: (port: number, signal: AbortSignal) => Promise<DatagramFlow>;
  readonly sockets: LocalSockets;
  readonly clock: HostClock;
  /** One line for the user. */
  readonly say: (line: string) => void;
}

/** Flows at a time, all forwards together. */
const MAX_FLOWS = 512;
/** Datagrams that wait for their flow to be opened; further ones are lost. */
const MAX_WAITING_BYTES = 64 * 1024;
/** What a datagram counts for beside its payload: empty ones need memory too. */
const DATAGRAM_COST_BYTES = 64;
const IDLE_MS = 2 * 60_000;
const LOOK_MS = 10_000;
const LOOPBACK = "127.0.0.1";
const LOOPBACK6 = "::1";

export class DatagramForwards implements AsyncDisposable {
  readonly #host: DatagramHost;
  readonly #sockets: LocalDatagrams[] = [];
  /** By sender and socket; the one that was used last is the last. */
  readonly #flows = new Map<string, SenderFlow>();
  readonly #tasks = new Set<Promise<void>>();
  /** The last word about each port of the workspace: senders go on, and so would the words. */
  readonly #said = new Map<number, string>();
  #failed = Promise.withResolvers<never>();
  #isClosed = false;

  constructor(host: DatagramHost) {
    this.#host = host;
    this.#failed.promise.catch(() => {}); // whoever runs us hears of it
  }

  /** Flows there are. */
  get flowCount(): number {
    return this.#flows.size;
  }

  /** Where this side listens, in the order of the calls. */
  get listening(): readonly DatagramAddress[] {
    return this.#sockets.map(({ address }) => address);
  }

  /** Listens as the specification says. Throws `UserError` when a port cannot be had. */
  async listen({ host, local, remote }: PortSpec): Promise<void> {
    if (host !== undefined) return await this.#listenOn(host, local, remote);
    try {
      await this.#listenOn(LOOPBACK6, local, remote);
    } catch (error) {
      // A machine without the other version of IP is none the worse.
      if (!(error instanceof UserError)) throw error;
    }
    await this.#listenOn(LOOPBACK, local, remote);
  }

  /** Ends flows that rest, until the signal aborts. Rejects when a socket fails for good. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#host;
    for (;;) {
      await Promise.race([clock.sleep(LOOK_MS, signal), this.#failed.promise]);
      for (const [key, flow] of this.#flows) {
        if (clock.now() - flow.usedAt >= IDLE_MS) this.#end(key, flow);
      }
    }
  }

  /** Stops listening and ends all flows. Idempotent. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    for (const socket of this.#sockets) socket.close();
    for (const [key, flow] of this.#flows) this.#end(key, flow);
    await Promise.all(this.#tasks);
  }

  async #listenOn(host: string, port: number, remote: number): Promise<void> {
    const { sockets, say } = this.#host;
    const url = `udp://${formatHostPort(host, port)}`;
    say(`Forwarding '${url}' locally to 'udp://${LOOPBACK}:${remote}' in the workspace`);
    let socket: LocalDatagrams;
    try {
      socket = await sockets.listenDatagrams({ host, port });
    } catch (error) {
      if (!(error instanceof SocketError)) throw error;
      throw new UserError(`listen '${url}': ${error.message}`, {
        hint: listenHint(error.message, "--udp 5353:53"),
        cause: error,
      });
    }
    this.#sockets.push(socket);
    this.#keep(this.#receive(socket, remote));
  }

  async #receive(socket: LocalDatagrams, port: number): Promise<void> {
    for (;;) {
      const received = await socket.receive();
      if (received === undefined) return;
      this.#flowOf(socket, received.from, port).send(received.data);
    }
  }

  #flowOf(socket: LocalDatagrams, sender: DatagramAddress, port: number): SenderFlow {
    const { address } = socket;
    const key = `${formatHostPort(address.host, address.port)} ${
      formatHostPort(sender.host, sender.port)
    }`;
    const known = this.#flows.get(key);
    if (known === undefined) this.#makeRoom();
    const flow = known ?? new SenderFlow(() => this.#sayTooLong(port));
    this.#touch(key, flow);
    if (known === undefined) this.#keep(this.#carry(key, flow, { socket, sender, port }));
    return flow;
  }

  /** Something went over it: it is the last to go. */
  #touch(key: string, flow: SenderFlow): void {
    flow.usedAt = this.#host.clock.now();
    this.#flows.delete(key);
    this.#flows.set(key, flow);
  }

  #makeRoom(): void {
    if (this.#flows.size < MAX_FLOWS) return;
    const [oldest] = this.#flows;
    if (oldest !== undefined) this.#end(...oldest);
  }

  #end(key: string, flow: SenderFlow): void {
    flow.close();
    if (this.#flows.get(key) === flow) this.#flows.delete(key);
  }

  /** Opens the flow and brings back what is answered. */
  async #carry(
    key: string,
    flow: SenderFlow,
    { socket, sender, port }: {
      readonly socket: LocalDatagrams;
      readonly sender: DatagramAddress;
      readonly port: number;
    },
  ): Promise<void> {
    try {
      const inTunnel = await this.#host.openUdp(port, flow.signal);
      this.#said.delete(port);
      flow.open(inTunnel);
      for (;;) {
        const data = await inTunnel.receive();
        if (data === undefined || flow.isClosed) return;
        this.#touch(key, flow);
        await socket.send(data, sender);
      }
    } catch (error) {
      if (flow.isClosed) return;
      if (!(error instanceof ExpectedError)) throw error;
      this.#say(
        port,
        `Failed to dial 'udp://${LOOPBACK}:${port}' in workspace: ${error.message}`,
      );
    } finally {
      this.#end(key, flow);
    }
  }

  #sayTooLong(port: number): void {
    this.#say(
      port,
      `Datagrams of more than ${TUNNEL_DATAGRAM_BYTES} bytes to 'udp://${LOOPBACK}:${port}' are lost: the tunnel's packets have no room for them`,
    );
  }

  #say(port: number, line: string): void {
    if (this.#isClosed || this.#said.get(port) === line) return;
    this.#said.set(port, line);
    this.#host.say(line);
  }

  /** Keeps a task until it is done; a failure of its own is `run`'s. */
  #keep(task: Promise<void>): void {
    const kept = task.catch((error: unknown) => this.#failed.reject(error))
      .finally(() => this.#tasks.delete(kept));
    this.#tasks.add(kept);
  }
}

/** One sender's way into the workspace: what came before it was open waits. */
class SenderFlow {
  usedAt: Instant = 0;
  readonly #over = new AbortController();
  readonly #onTooLong: () => void;
  #state:
    | { readonly kind: "opening"; readonly waiting: Uint8Array[]; waitingBytes: number }
    | { readonly kind: "open"; readonly flow: DatagramFlow }
    | { readonly kind: "closed" } = { kind: "opening", waiting: [], waitingBytes: 0 };

  constructor(onTooLong: () => void) {
    this.#onTooLong = onTooLong;
  }

  /** Aborts when it is closed. */
  get signal(): AbortSignal {
    return this.#over.signal;
  }

  get isClosed(): boolean {
    return this.#state.kind === "closed";
  }

  send(data: Uint8Array): void {
    const state = this.#state;
    switch (state.kind) {
      case "opening": {
        const bytes = DATAGRAM_COST_BYTES + data.length;
        if (state.waitingBytes + bytes > MAX_WAITING_BYTES) return;
        state.waitingBytes += bytes;
        state.waiting.push(data);
        return;
      }
      case "open":
        if (state.flow.send(data) === "too-long") this.#onTooLong();
        return;
      case "closed":
        return;
    }
  }

  /** Takes the flow over. */
  open(flow: DatagramFlow): void {
    const state = this.#state;
    if (state.kind === "closed") return flow.close();
    this.#state = { kind: "open", flow };
    if (state.kind === "opening") { for (const data of state.waiting) this.send(data); }
  }

  close(): void {
    if (this.#state.kind === "open") this.#state.flow.close();
    this.#state = { kind: "closed" };
    this.#over.abort();
  }
}
