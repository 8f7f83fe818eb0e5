/**
 * An SSH server for tests: npm ssh2's own `Server` over an in-memory pipe, as the workspace agent answers (authentication `none`).
 * Its host key is made anew for every server. What a session runs is a function of the test.
 */
import type { Duplex, Writable } from "node:stream";
import { ByteStreamDuplex } from "../../lib/ssh/duplex.ts";
import { loadSsh2 } from "../../lib/ssh/ssh2_load.ts";
import type { Ssh2Protocol, Ssh2UtilsModule } from "../../lib/ssh/ssh2_types.ts";
import { type BytePipeOptions, createBytePipe, type PipeEnd } from "./byte_pipe.ts";

/** ssh2's server side of a channel. */
export interface ServerChannel extends Duplex {
  readonly stderr: Writable;
  /** Half-close; `end()` closes the whole channel on this side of ssh2. */
  eof(): void;
  exit(code: number): void;
  exit(signal: string, dumpedCore: boolean, message: string): void;
  close(): void;
  readonly outgoing: { readonly id: number };
  readonly _client: {
    readonly _protocol: {
      exitStatus(channel: number, code: number): void;
      channelData(channel: number, data: Uint8Array): void;
      channelExtData(channel: number, data: Uint8Array, type: number): void;
    };
  };
}

export interface PtyRequest {
  readonly cols: number;
  readonly rows: number;
  readonly term: string;
}

interface Answers {
  readonly accept: (() => ServerChannel) | undefined;
  readonly reject: (() => void) | undefined;
}

/** What the client asked for on one session, and the channel to serve it. */
export interface TestSession {
  readonly command: string | undefined;
  readonly env: ReadonlyMap<string, string>;
  readonly pty: PtyRequest | undefined;
  readonly windowChanges: PtyRequest[];
  readonly signals: string[];
  readonly wantsAgent: boolean;
  readonly channel: ServerChannel;
}

export interface TestSshServerOptions {
  /** Serves a session. @default exits with 0 */
  readonly onSession?: (session: TestSession) => void | Promise<void>;
  /** @default every variable is accepted */
  readonly acceptEnv?: (name: string) => boolean;
  /** Whether a terminal is granted. @default true */
  readonly acceptPty?: boolean;
  /** @default refused */
  readonly onTcp?: (details: { destIP: string; destPort: number }, answers: Answers) => void;
  readonly onUnix?: (details: { socketPath: string }, answers: Answers) => void;
  /** Global requests: `tcpip-forward` and the like. @default refused */
  readonly onForward?: (
    name: string,
    details: ForwardDetails,
    accept: (port?: number) => void,
    reject: () => void,
  ) => void;
  readonly pipe?: BytePipeOptions;
  /** Whether nobody is let in. @default false */
  readonly refusesAuthentication?: boolean;
}

export interface ForwardDetails {
  readonly bindAddr: string;
  readonly bindPort: number;
  readonly socketPath: string;
}

/** ssh2's server side of a connection. */
export interface ServerConnection {
  on(event: string, listener: (...args: never[]) => void): this;
  end(): void;
  rekey(done?: (error?: Error) => void): void;
  forwardOut(
    boundHost: string,
    boundPort: number,
    fromHost: string,
    fromPort: number,
    done: (error: Error | undefined, channel: ServerChannel) => void,
  ): void;
  openssh_forwardOutStreamLocal(
    path: string,
    done: (error: Error | undefined, channel: ServerChannel) => void,
  ): void;
  readonly _protocol: Ssh2Protocol & {
    openssh_authAgent(channel: number, windowBytes: number, packetBytes: number): void;
  };
  readonly _chanMgr: {
    add(opened: (error: Error | undefined, channel: ServerChannel) => void): number;
  };
}

interface Ssh2Server {
  injectSocket(socket: Duplex): void;
  on(event: "connection", listener: (connection: ServerConnection) => void): this;
}

interface ServerModule {
  readonly default: {
    new (config: { hostKeys: string[]; keepaliveInterval: number }): Ssh2Server;
    KEEPALIVE_CLIENT_INTERVAL: number;
  };
}

interface KeygenModule {
  readonly default: {
    generateKeyPairSync(type: string): { readonly private: string; readonly public: string };
  };
}

interface KeyParserModule {
  readonly default: { parseKey(text: string): unknown };
}

interface SessionEvents {
  on(event: string, listener: (...args: never[]) => void): this;
}

export class TestSshServer {
  /** The client's end of the connection. */
  readonly stream: PipeEnd;
  /** The host key as in a `known_hosts` line: `ssh-ed25519 AAAA…`. */
  readonly publicKey: string;
  /** Resolves when the client's version is known. */
  readonly connected: Promise<ServerConnection>;
  readonly #options: TestSshServerOptions;

  static async start(options: TestSshServerOptions = {}): Promise<TestSshServer> {
    await loadSsh2();
    const server: ServerModule = await import("ssh2/lib/server.js");
    const keygen: KeygenModule = await import("ssh2/lib/keygen.js");
    const parser: KeyParserModule = await import("ssh2/lib/protocol/keyParser.js");
    for (;;) {
      const key = keygen.default.generateKeyPairSync("ed25519");
      // One of 200 cannot be read again, see `lib/sandbox/ssh/host_key.ts`.
      if (parser.default.parseKey(key.private) instanceof Error) continue;
      return new TestSshServer(server.default, key, options);
    }
  }

  private constructor(
    Server: ServerModule["default"],
    key: { readonly private: string; readonly public: string },
    options: TestSshServerOptions,
  ) {
    this.#options = options;
    this.publicKey = key.public.trim();
    Server.KEEPALIVE_CLIENT_INTERVAL = 0;
    const server = new Server({ hostKeys: [key.private], keepaliveInterval: 0 });
    const { promise, resolve } = Promise.withResolvers<ServerConnection>();
    this.connected = promise;
    server.on("connection", (connection) => {
      this.#serve(connection);
      resolve(connection);
    });
    const [client, remote] = createBytePipe(options.pipe);
    this.stream = client;
    server.injectSocket(new ByteStreamDuplex(remote));
  }

  #serve(connection: ServerConnection): void {
    connection
      .on("error", () => {})
      .on("authentication", (context: { accept(): void; reject(): void }) => {
        if (this.#options.refusesAuthentication === true) context.reject();
        else context.accept();
      })
      .on("session", (accept: () => SessionEvents) => this.#serveSession(accept()))
      .on("request", (
        accept: ((port?: number) => void) | undefined,
        reject: (() => void) | undefined,
        name: string,
        details: ForwardDetails,
      ) => {
        const answer = accept ?? (() => {});
        const refuse = reject ?? (() => {});
        if (this.#options.onForward === undefined) refuse();
        else this.#options.onForward(name, details, answer, refuse);
      });
    const { onTcp, onUnix } = this.#options;
    if (onTcp !== undefined) {
      connection.on("tcpip", (
        accept: Answers["accept"],
        reject: Answers["reject"],
        details: { destIP: string; destPort: number },
      ) => onTcp(details, { accept, reject }));
    }
    if (onUnix !== undefined) {
      connection.on("openssh.streamlocal", (
        accept: Answers["accept"],
        reject: Answers["reject"],
        details: { socketPath: string },
      ) => onUnix(details, { accept, reject }));
    }
  }

  #serveSession(session: SessionEvents): void {
    const env = new Map<string, string>();
    const windowChanges: PtyRequest[] = [];
    const signals: string[] = [];
    let pty: PtyRequest | undefined;
    let wantsAgent = false;
    const begin = (accept: () => ServerChannel, command: string | undefined) => {
      const channel = accept();
      channel.on("error", () => {});
      const served = { command, env, pty, windowChanges, signals, wantsAgent, channel };
      if (this.#options.onSession === undefined) {
        channel.exit(0);
        channel.close();
      } else {
        this.#options.onSession(served);
      }
    };
    type Reply = (() => void) | undefined;
    session
      .on("env", (accept: Reply, reject: Reply, item: { key: string; val: string }) => {
        if (this.#options.acceptEnv?.(item.key) === false) return reject?.();
        env.set(item.key, item.val);
        accept?.();
      })
      .on("pty", (accept: Reply, reject: Reply, request: PtyRequest) => {
        if (this.#options.acceptPty === false) return reject?.();
        pty = request;
        accept?.();
      })
      .on("window-change", (accept: Reply, _reject: Reply, request: PtyRequest) => {
        windowChanges.push(request);
        accept?.();
      })
      .on("signal", (accept: Reply, _reject: Reply, request: { name: string }) => {
        signals.push(request.name);
        accept?.();
      })
      .on("auth-agent", (accept: Reply) => {
        wantsAgent = true;
        accept?.();
      })
      .on("shell", (accept: () => ServerChannel) => begin(accept, undefined))
      .on(
        "exec",
        (accept: () => ServerChannel, _reject: Reply, request: { command: string }) =>
          begin(accept, request.command),
      );
  }
}

/** Opens an agent channel to the client, as the workspace does when a program there uses the forwarded agent. */
export function openAgentChannel(connection: ServerConnection): Promise<ServerChannel> {
  return new Promise((resolve, reject) => {
    const opened = Object.assign(
      (error: Error | undefined, channel: ServerChannel) =>
        error ? reject(error) : resolve(channel),
      { type: "auth-agent@openssh.com" },
    );
    const number = connection._chanMgr.add(opened);
    connection._protocol.openssh_authAgent(number, 2 * 1024 * 1024, 32 * 1024);
  });
}

/** How to send any payload (RFC 4253 §6) as it is, right or wrong, as a hostile server would. */
export async function payloadSender(
  { _protocol: protocol }: ServerConnection,
): Promise<(payload: Uint8Array) => void> {
  const utils: Ssh2UtilsModule = await import("ssh2/lib/protocol/utils.js");
  const { write } = protocol._packetRW;
  return (payload) => {
    const packet = write.alloc(payload.length);
    packet.set(payload, write.allocStart);
    utils.default.sendPacket(protocol, write.finalize(packet));
  };
}

/** Tells an exit status after the end of output, which ssh2's own `exit` cannot. */
export function exitAfterEof(channel: ServerChannel, code: number): void {
  channel._client._protocol.exitStatus(channel.outgoing.id, code);
}

/** Everything a readable gives until its end. */
export async function readAll(
  read: (into: Uint8Array) => Promise<number | null>,
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  const buffer = new Uint8Array(64 * 1024);
  for (let count = await read(buffer); count !== null; count = await read(buffer)) {
    parts.push(buffer.slice(0, count));
  }
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
