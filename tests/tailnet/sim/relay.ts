/** A relay of a simulated tailnet: HTTP upgrade in front of the switchboard, and the ways in which relays fail. */
import type { Instant, Random } from "../../../lib/base/core.ts";
import { earlier } from "../../../lib/base/deadlines.ts";
import { ProtocolError } from "../../../lib/base/errors.ts";
import { generatePrivateKey, publicKey } from "../../../lib/crypto/mod.ts";
import {
  type DerpServerConnection,
  DerpSwitchboard,
  type DerpSwitchboardOptions,
} from "../../../lib/derp/mod.ts";
import {
  encodeFrame,
  HttpUpgradeServer,
  type UpgradeRequest,
  WebsocketConnection,
} from "../../../lib/websocket/mod.ts";
import { cut, type SimEnd, type SimServer } from "./network.ts";

export type RelayMode =
  | "ok"
  /** Refuses `Upgrade: DERP` with 400, as proxies and some relays do. */
  | "websocket-only"
  /** Refuses `Upgrade: DERP` as a proxy does behind which nobody understands it, resets it, or never answers it. */
  | "websocket-only-502"
  | "websocket-only-reset"
  | "websocket-only-silent"
  /** Refuses it with 400, the body ended by the connection's end instead of a length. */
  | "websocket-only-old"
  /** The same, but the body never comes to its end. */
  | "websocket-only-stuck"
  /** Refuses websockets instead, in three of these ways. */
  | "upgrade-only"
  | "upgrade-only-502"
  | "upgrade-only-reset"
  /** Accepts connections and says nothing. */
  | "silent"
  /** Answers with something that is not HTTP. */
  | "nonsense"
  /** Upgrades, and then sends something that is not DERP. */
  | "derp-nonsense"
  /** Upgrades, sends half of its greeting, and nothing more. */
  | "half"
  /** Refuses everybody: with 403, with 502. */
  | "forbidden"
  | "bad-gateway"
  /** Lets everybody in and shows them out at once. */
  | "revolving";

interface Line {
  readonly end: SimEnd;
  readonly upgrade: HttpUpgradeServer;
  websocket: WebsocketConnection | undefined;
  derp: DerpServerConnection | undefined;
  /** Nothing more is read from it. */
  isDeaf: boolean;
}

export class SimRelay implements SimServer {
  isUp = true;
  mode: RelayMode = "ok";
  switchboard: DerpSwitchboard;
  /** Upgrade requests as they came. */
  readonly requests: UpgradeRequest[] = [];
  /** Everything that clients sent before they were let in. */
  readonly heads: string[] = [];
  readonly #options: Omit<DerpSwitchboardOptions, "privateKey" | "publicKey">;
  readonly #lines = new Set<Line>();
  readonly #frames = new Uint8Array(131_072);

  constructor(random: Random, fate?: DerpSwitchboardOptions["fate"]) {
    this.#options = { random, ...(fate === undefined ? {} : { fate }) };
    this.switchboard = this.#newSwitchboard();
  }

  get connectionCount(): number {
    return this.#lines.size;
  }

  /** The ends of all connections, e.g. to black out. */
  ends(): SimEnd[] {
    return [...this.#lines].map((line) => line.end);
  }

  accept(end: SimEnd, now: Instant): void {
    const line: Line = {
      end,
      upgrade: new HttpUpgradeServer(),
      websocket: undefined,
      derp: undefined,
      isDeaf: this.mode === "silent",
    };
    this.#lines.add(line);
    if (this.mode === "nonsense") end.write(new TextEncoder().encode("SSH-2.0-x\r\n\r\n"), now);
  }

  /** The process ends and begins anew: all connections are cut and forgotten. */
  restart(now: Instant): void {
    for (const line of this.#lines) cut(line.end, now, "relay restarted");
    this.#lines.clear();
    this.switchboard = this.#newSwitchboard();
  }

  step(now: Instant): boolean {
    let moved = false;
    for (const line of [...this.#lines]) {
      for (let arrival = line.end.read(now); arrival; arrival = line.end.read(now)) {
        moved = true;
        if (arrival.kind === "end") this.#drop(line);
        else if (!line.isDeaf) {
          this.#guard(line, now, () => this.#handleBytes(line, arrival.bytes, now));
        }
      }
    }
    if ((this.switchboard.pollTimeout() ?? Infinity) <= now) this.switchboard.handleTimeout(now);
    for (let e = this.switchboard.pollEvent(); e; e = this.switchboard.pollEvent()) {
      if (e.kind !== "expired") continue;
      for (const line of [...this.#lines]) if (line.derp === e.connection) this.#drop(line, now);
    }
    for (let c = this.switchboard.pollReady(); c; c = this.switchboard.pollReady()) {
      for (const line of this.#lines) if (line.derp === c) this.#flush(line, c, now);
      moved = true;
    }
    return moved;
  }

  nextAt(now: Instant): Instant | undefined {
    let at = this.switchboard.pollTimeout();
    for (const line of this.#lines) at = earlier(at, line.end.nextAt(now));
    return at;
  }

  #newSwitchboard(): DerpSwitchboard {
    const privateKey = generatePrivateKey(this.#options.random);
    return new DerpSwitchboard({
      ...this.#options,
      privateKey,
      publicKey: publicKey(privateKey),
    });
  }

  #guard(line: Line, now: Instant, work: () => void): void {
    try {
      work();
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#drop(line, now);
    }
  }

  #handleBytes(line: Line, bytes: Uint8Array, now: Instant): void {
    if (line.derp !== undefined) return this.#handleTunnelBytes(line, bytes, now);
    this.heads.push(new TextDecoder().decode(bytes));
    const request = line.upgrade.handleBytes(bytes);
    if (request === undefined) return;
    this.requests.push(request);
    if (this.mode === "forbidden") return this.#refuse(line, 403, now);
    if (this.mode === "bad-gateway") return this.#refuse(line, 502, now);
    const [, only, how] = /^(websocket|upgrade)-only(.*)$/.exec(this.mode) ?? [];
    if (request.upgrade === (only === "upgrade" ? "websocket" : "DERP") && only !== undefined) {
      if (how === "") return this.#refuse(line, 400, now);
      if (how === "-502") return this.#refuse(line, 502, now);
      if (how === "-reset") return this.#drop(line, now);
      if (how === "-silent") return;
      const isStuck = this.mode === "websocket-only-stuck";
      const length = isStuck ? "Content-Length: 100\r\n" : "";
      const text = `HTTP/1.1 400 Bad Request\r\n${length}Connection: close\r\n\r\nno such upgrade`;
      line.end.write(new TextEncoder().encode(text), now);
      line.isDeaf = true;
      if (!isStuck) this.#drop(line, now);
      return;
    }
    if (request.upgrade !== "DERP" && request.upgrade !== "websocket") {
      return this.#refuse(line, request.status, now);
    }
    const isWebsocket = request.upgrade === "websocket";
    line.end.write(line.upgrade.accept(isWebsocket ? { protocol: "derp" } : {}), now);
    if (this.mode === "derp-nonsense") return line.end.write(new Uint8Array(64).fill(0x41), now);
    if (isWebsocket) {
      line.websocket = new WebsocketConnection({ role: "server", random: this.#options.random });
    }
    line.derp = this.switchboard.connect(now);
    if (this.mode === "half") {
      const length = line.derp.pollTransmit(this.#frames);
      const half = this.#frames.subarray(0, length >> 1);
      const { random } = this.#options;
      line.end.write(isWebsocket ? encodeFrame({ role: "server", random }, half) : half, now);
      line.isDeaf = true;
      return;
    }
    if (request.rest.length > 0) this.#handleTunnelBytes(line, request.rest, now);
  }

  #handleTunnelBytes(line: Line, bytes: Uint8Array, now: Instant): void {
    const { websocket, derp } = line;
    if (derp === undefined) return;
    if (websocket === undefined) this.switchboard.handleBytes(derp, bytes, now);
    else {
      websocket.handleBytes(bytes);
      for (let m = websocket.pollMessage(); m; m = websocket.pollMessage()) {
        if (m.kind === "close") this.#drop(line, now);
        else this.switchboard.handleBytes(derp, m.bytes, now);
      }
      for (let f = websocket.pollTransmit(); f; f = websocket.pollTransmit()) {
        line.end.write(f, now);
      }
    }
    if (this.mode === "revolving" && derp.clientKey !== undefined) {
      this.#flush(line, derp, now);
      this.#drop(line, now);
    }
  }

  #flush(line: Line, derp: DerpServerConnection, now: Instant): void {
    for (;;) {
      const length = derp.pollTransmit(this.#frames);
      if (length === 0) return;
      const bytes = this.#frames.subarray(0, length);
      const isWebsocket = line.websocket !== undefined;
      const random = this.#options.random;
      line.end.write(isWebsocket ? encodeFrame({ role: "server", random }, bytes) : bytes, now);
    }
  }

  #refuse(line: Line, status: number, now: Instant): void {
    const body = new TextEncoder().encode("not here");
    line.end.write(line.upgrade.refuse(status, { body }), now);
    line.isDeaf = true; // and the connection stays open: closing it is the client's to do
  }

  #drop(line: Line, now?: Instant): void {
    this.#lines.delete(line);
    if (line.derp !== undefined) this.switchboard.disconnect(line.derp);
    if (now !== undefined) line.end.close(now);
  }
}
