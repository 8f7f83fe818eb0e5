/**
 * Forwards to one far side: `-L`, `-D` and, over SSH, `-R`, several each. Half-closes pass through; what cannot be made is said and,
 * if asked for, ends the command. Connections at a time are bounded: beyond that new ones are closed at once.
 */
import type { Instant } from "../base/core.ts";
import { ExpectedError, messageOf, UserError } from "../base/errors.ts";
import type { ByteStream } from "../base/stream.ts";
import type { FarSide } from "./far_side.ts";
import type { DynamicForward, LocalForward, RemoteForward } from "./forward_spec.ts";
import { formatTarget, type LocalListener, type LocalSockets, type LocalTarget } from "./host.ts";
import { joinStreams } from "./join.ts";
import { acceptSocks } from "./socks_client.ts";
import type { IncomingConnection } from "./ssh2_client.ts";

const DEFAULT_MAX_CONNECTIONS = 512;
/** Connections that break together are told as one. */
const BROKEN_EVERY_MS = 5_000;
/** As OpenSSH exits when `ExitOnForwardFailure` strikes. */
const FORWARD_FAILURE_CODE = 255;

export interface ForwardHost {
  readonly sockets: LocalSockets;
  /** One line for the user, without its end. */
  readonly print: (line: string) => void;
  readonly now: () => Instant;
}

export interface ForwardRequest {
  readonly local?: readonly LocalForward[];
  readonly dynamic?: readonly DynamicForward[];
  readonly remote?: readonly RemoteForward[];
}

export interface ForwardOptions {
  /** Whether one forward that cannot be made ends all: rejects with `UserError`. @default false */
  readonly exitOnFailure?: boolean;
  /** Connections at a time, all forwards together. @default 512 */
  readonly maxConnections?: number;
  /** What to say of a connection over there that cannot be made. @default in words of our own */
  readonly notConnected?: (to: LocalTarget, why: string) => string;
}

/** Makes all forwards; resolves when each was made or has been reported. */
export async function startForwards(
  far: FarSide,
  host: ForwardHost,
  request: ForwardRequest,
  options: ForwardOptions = {},
): Promise<ForwardSet> {
  const set = new ForwardSet(far, host, options);
  try {
    for (const forward of request.local ?? []) await set.addLocal(forward);
    for (const forward of request.dynamic ?? []) await set.addDynamic(forward);
    for (const forward of request.remote ?? []) await set.addRemote(forward);
  } catch (error) {
    await set.close();
    throw error;
  }
  return set;
}

export class ForwardSet implements AsyncDisposable {
  readonly #far: FarSide;
  readonly #host: ForwardHost;
  readonly #exitOnFailure: boolean;
  readonly #maxConnections: number;
  readonly #notConnected: (to: LocalTarget, why: string) => string;
  readonly #listeners: LocalListener[] = [];
  readonly #undo: (() => Promise<void>)[] = [];
  readonly #made: string[] = [];
  /** Open connections and what they are, for `~#`. */
  readonly #open = new Map<ByteStream, string>();
  readonly #tasks = new Set<Promise<void>>();
  /** Connections to this machine that the workspace has asked for and that are not made yet. */
  #dialling = 0;
  #isClosed = false;
  #saidFull = false;
  #saidBrokenAt: Instant = -Infinity;
  /** Connections that broke since then without a word. */
  #unsaidBroken = 0;

  /** Use `startForwards`. */
  constructor(far: FarSide, host: ForwardHost, options: ForwardOptions) {
    this.#far = far;
    this.#host = host;
    this.#exitOnFailure = options.exitOnFailure ?? false;
    this.#maxConnections = options.maxConnections ?? DEFAULT_MAX_CONNECTIONS;
    this.#notConnected = options.notConnected ??
      ((to, why) =>
        `Cannot connect to ${formatTarget(to)} in the workspace: ${why || "it gives no reason"}`);
  }

  /** Where this side listens, in the order of the forwards; port 0 has become the real one. */
  get listening(): readonly LocalTarget[] {
    return this.#listeners.map((listener) => listener.target);
  }

  /** Lines for `~#`: the forwards, then their open connections. */
  list(): string[] {
    return [...this.#made, ...this.#open.values()];
  }

  async addLocal(forward: LocalForward): Promise<void> {
    const { to } = forward;
    const name = formatTarget(to);
    await this.#listen(forward.listen, `-> ${name}`, async (stream) => {
      try {
        const channel = await this.#far.open(to);
        await this.#join(stream, channel, { what: "direct to", name });
      } catch (error) {
        if (!(error instanceof ExpectedError)) throw error;
        stream.abort();
        this.#say(this.#notConnected(to, error.message));
      }
    });
  }

  async addDynamic(forward: DynamicForward): Promise<void> {
    await this.#listen(forward.listen, "SOCKS proxy", async (stream) => {
      const accepted = await acceptSocks(
        stream,
        (host, port) => this.#far.open({ kind: "tcp", host, port }),
      );
      if (accepted.kind === "failed") {
        this.#say(accepted.message);
      } else {
        const { channel, target: name } = accepted;
        await this.#join(stream, channel, { what: "dynamic to", name });
      }
    });
  }

  async addRemote(forward: RemoteForward): Promise<void> {
    const { listen, to } = forward;
    const name = formatTarget(listen);
    const handler = (incoming: IncomingConnection) => this.#run(this.#serveRemote(incoming, to));
    try {
      if (this.#far.listen === undefined) {
        throw new ExpectedError("nothing can listen over there for us");
      }
      const listener = await this.#far.listen(listen, handler);
      this.#undo.push(() => listener.close());
      const { target } = listener;
      if (target.kind === "tcp" && listen.kind === "tcp" && listen.port === 0) {
        this.#say(`Allocated port ${target.port} for remote forward to ${formatTarget(to)}`);
      }
      this.#made.push(`remote ${formatTarget(target)} -> ${formatTarget(to)}`);
    } catch (error) {
      this.#fail(
        `ssh remote forward: listen on remote SSH address ${name}: ${messageOf(error)}`,
        error,
      );
    }
  }

  /** Stops listening on both sides and ends the connections; a silent network is not waited for. Idempotent. */
  async close(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true;
      for (const listener of this.#listeners) listener.close();
      for (const stream of this.#open.keys()) stream.abort("Forward was closed");
    }
    // A connection that is gone has taken its listeners with it.
    const undone = this.#undo.splice(0).map((undo) => undo());
    await this.#far.waitToClose(Promise.allSettled([...undone, ...this.#tasks]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #listen(
    target: LocalTarget,
    what: string,
    serve: (stream: ByteStream) => Promise<void>,
  ): Promise<void> {
    const [first, ...others] = addressesOf(target);
    try {
      const listener = await this.#host.sockets.listen(first);
      this.#accept(listener, serve);
      this.#made.push(`local ${formatTarget(listener.target)} ${what}`);
      for (const other of others) {
        if (other.kind !== "tcp" || listener.target.kind !== "tcp") continue;
        await this.#listenAlso({ ...other, port: listener.target.port }, serve);
      }
    } catch (error) {
      this.#fail(`Cannot forward: ${messageOf(error)}`, error);
    }
  }

  /** A second address, of the other IP version: a machine without it is none the worse. */
  async #listenAlso(
    target: LocalTarget,
    serve: (stream: ByteStream) => Promise<void>,
  ): Promise<void> {
    try {
      this.#accept(await this.#host.sockets.listen(target), serve);
    } catch (error) {
      if (!(error instanceof ExpectedError)) throw error;
    }
  }

  #accept(listener: LocalListener, serve: (stream: ByteStream) => Promise<void>): void {
    this.#listeners.push(listener);
    this.#run((async () => {
      for (
        let stream = await listener.accept();
        stream !== undefined;
        stream = await listener.accept()
      ) {
        if (this.#isFull()) stream.abort();
        else this.#run(this.#hold(stream, "connecting", serve));
      }
    })());
  }

  async #serveRemote(incoming: IncomingConnection, to: LocalTarget): Promise<void> {
    if (this.#isFull()) {
      incoming.reject();
      return;
    }
    let stream: ByteStream;
    this.#dialling++;
    try {
      stream = await this.#host.sockets.connect(to);
    } catch (error) {
      incoming.reject();
      this.#say(`Dial local address ${formatTarget(to)}: ${messageOf(error)}`);
      return;
    } finally {
      this.#dialling--;
    }
    const { boundTo } = incoming;
    await this.#hold(stream, `forwarded from ${boundTo}`, async () => {
      const channel = incoming.accept();
      const broken = await joinStreams(stream, channel);
      if (broken?.stream === channel) this.#sayBroken(`from ${boundTo}`, broken.error.message);
    });
  }

  /** Counts a connection, and closes it with the forwards, until `serve` is done with it. */
  async #hold(
    stream: ByteStream,
    what: string,
    serve: (stream: ByteStream) => Promise<void>,
  ): Promise<void> {
    if (this.#isClosed) {
      stream.abort();
      return;
    }
    this.#open.set(stream, what);
    try {
      await serve(stream);
    } finally {
      this.#open.delete(stream);
    }
  }

  /** The other side of a stream that breaks sees it broken too; why is said where it was not this machine's doing. */
  async #join(
    stream: ByteStream,
    channel: ByteStream,
    { what, name }: { readonly what: string; readonly name: string },
  ): Promise<void> {
    this.#open.set(stream, `${what} ${name}`);
    const broken = await joinStreams(stream, channel);
    if (broken?.stream === channel) this.#sayBroken(`to ${name}`, broken.error.message);
  }

  #sayBroken(which: string, why: string): void {
    const now = this.#host.now();
    if (now - this.#saidBrokenAt < BROKEN_EVERY_MS) {
      this.#unsaidBroken++;
      return;
    }
    const others = this.#unsaidBroken === 0 ? "" : `, and ${this.#unsaidBroken} before it`;
    this.#saidBrokenAt = now;
    this.#unsaidBroken = 0;
    this.#say(
      `Connection ${which} in the workspace broke off: ${why || "no reason given"}${others}`,
    );
  }

  #isFull(): boolean {
    if (this.#open.size + this.#dialling < this.#maxConnections) return false;
    if (!this.#saidFull) {
      this.#say(`More than ${this.#maxConnections} forwarded connections: closing new ones`);
    }
    this.#saidFull = true;
    return true;
  }

  /** Keeps a task until it is done; a failure of its own is said. */
  #run(task: Promise<void>): void {
    const kept = task.catch((error: unknown) => this.#say(`Forward failed: ${messageOf(error)}`))
      .finally(() => this.#tasks.delete(kept));
    this.#tasks.add(kept);
  }

  #fail(message: string, cause: unknown): void {
    if (this.#exitOnFailure) {
      throw new UserError(message, { exitCode: FORWARD_FAILURE_CODE, cause });
    }
    this.#say(message);
  }

  #say(line: string): void {
    if (!this.#isClosed) this.#host.print(line);
  }
}

/** `localhost` is both loopbacks, `*` every address of both IP versions; the first one must work. */
function addressesOf(target: LocalTarget): [LocalTarget, ...LocalTarget[]] {
  if (target.kind !== "tcp") return [target];
  if (target.host === "localhost") {
    return [{ ...target, host: "127.0.0.1" }, { ...target, host: "::1" }];
  }
  if (target.host === "*") return [{ ...target, host: "0.0.0.0" }, { ...target, host: "::" }];
  return [target];
}
