/** One of our stacks and a double of the agent's TCP; the links between them can be exchanged under a transfer. */
import assert from "node:assert/strict";
import { earlier } from "../../lib/base/deadlines.ts";
import type { Instant } from "../../lib/base/core.ts";
import {
  type Destination,
  Netstack,
  type NetstackOptions,
  type ReceiveWay,
  type SendWay,
} from "../../lib/netstack/mod.ts";
import { TcpSocket } from "../../lib/netstack/socket.ts";
import type { Draining } from "../../lib/tailnet/draining.ts";
import { PacketLink, type PacketLinkOptions } from "../sim/packet_link.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { type GvisorOptions, GvisorPeer } from "./gvisor_peer.ts";
import { App, type AppOptions, LEFT, patternByte, PORT, RIGHT } from "./stack_pair.ts";

const OUR_KEY = 3;
const ITS_KEY = 5;

type LinkOptions = Omit<PacketLinkOptions, "seed">;

interface Links {
  readonly there: PacketLink;
  readonly back: PacketLink;
}

export interface GvisorWorldOptions {
  readonly seed: number;
  /** What our application and the agent's send. */
  readonly ours: number;
  readonly its: number;
  readonly link?: LinkOptions;
  readonly peer?: Partial<GvisorOptions>;
  readonly app?: Partial<AppOptions>;
  readonly stack?: Partial<NetstackOptions>;
  /** Our stack is given what came meanwhile so often: a driver reads its socket in turns. @default 0: at once */
  readonly turnMs?: number;
}

export class GvisorWorld {
  now: Instant = 0;
  readonly stack: Netstack;
  readonly peer: GvisorPeer;
  readonly app: App;
  there: PacketLink;
  back: PacketLink;
  /** Those of before, on which something may still be under way. */
  readonly #left: Links[] = [];
  #draining: Draining | undefined;
  readonly #buffer = new Uint8Array(1280);
  readonly #turnMs: number;
  #seed: number;

  constructor(o: GvisorWorldOptions) {
    this.#seed = o.seed + 1;
    this.#turnMs = o.turnMs ?? 0;
    this.stack = new Netstack({ addresses: [LEFT], random: new SeededRandom(o.seed), ...o.stack });
    this.peer = new GvisorPeer({ totalBytes: o.its, key: ITS_KEY, ...o.peer }, (index, byte) => {
      if (byte !== patternByte(OUR_KEY, index)) assert.fail(`peer got a wrong byte ${index}`);
    });
    this.app = new App({ totalBytes: o.ours, key: OUR_KEY, peerKey: ITS_KEY, ...o.app });
    this.app.socket = this.stack.connect({ remote: RIGHT, port: PORT }, 0);
    this.there = this.#link(o.link);
    this.back = this.#link(o.link);
  }

  /** From now on packets take other links; what is under way on the old ones still arrives, and ours go as `draining` says. */
  moveTo(link: LinkOptions, draining?: Draining): void {
    this.#draining = draining;
    this.#left.push({ there: this.there, back: this.back });
    this.there = this.#link(link);
    this.back = this.#link(link);
  }

  /** Tells the stack the way that the agent's packets take. */
  set way(way: ReceiveWay) {
    this.#destination.way = way;
  }

  /** Tells the stack the way that its own packets take. */
  set sendWay(way: SendWay) {
    this.#destination.sendWay = way;
  }

  get #destination(): Destination<TcpSocket> {
    assert(this.app.socket !== undefined);
    const { destination } = TcpSocket.connectionOf(this.app.socket);
    assert(destination !== undefined, "a socket that sent has one");
    return destination;
  }

  run(isDone: () => boolean, limit = 600_000): void {
    for (;;) {
      this.#turn();
      if (isDone()) return;
      let next = earlier(this.stack.pollTimeout(), this.peer.nextTurn(this.now));
      for (const { there, back } of this.#ways) {
        next = earlier(next, earlier(there.nextArrival(), this.#turnOf(back.nextArrival())));
      }
      next = earlier(next, this.app.nextTurn(this.now));
      if (next === undefined) assert.fail(`nothing will ever happen again at ${this.now} ms`);
      if (next > limit) assert.fail(`not done at ${limit} ms`);
      this.now = Math.max(this.now, next);
    }
  }

  get #ways(): Links[] {
    return [...this.#left, this];
  }

  /** When our stack hears of what arrives at `at`. */
  #turnOf(at: Instant | undefined): Instant | undefined {
    if (at === undefined || this.#turnMs === 0) return at;
    return Math.ceil(at / this.#turnMs) * this.#turnMs;
  }

  #link(options: LinkOptions = {}): PacketLink {
    return new PacketLink({ ...options, seed: this.#seed++ });
  }

  #turn(): void {
    const { now } = this;
    for (const { there } of this.#ways) {
      for (let p = there.poll(now); p !== undefined; p = there.poll(now)) this.peer.handlePacket(p);
    }
    this.peer.turn(now);
    for (let p = this.peer.pollTransmit(); p !== undefined; p = this.peer.pollTransmit()) {
      this.back.send(p, now);
    }
    for (const { back } of this.#ways) {
      if ((this.#turnOf(back.nextArrival()) ?? Infinity) > now) continue;
      for (let p = back.poll(now); p !== undefined; p = back.poll(now)) {
        if (back !== this.back) this.#draining?.handleRelayed(p.length, now);
        this.stack.handlePacket(p, now);
      }
    }
    this.stack.handleTimeout(now);
    while (this.stack.pollEvent() !== undefined);
    this.app.run(now);
    for (;;) {
      const length = this.stack.pollTransmit(this.#buffer, 0, now);
      if (length === 0) return;
      const isDraining = this.#draining?.isGoingOn(now) ?? false;
      const { there } = (isDraining ? this.#left.at(-1) : undefined) ?? this;
      there.send(this.#buffer.subarray(0, length), now);
    }
  }
}
