/**
 * With `ssh2_channel.ts`, `ssh2_agent.ts`, `ssh2_authentication.ts` and `ssh2_load.ts` the only file that knows npm ssh2: all else in this room speaks of `SshTransport` and `SshChannel`.
 * ssh2 keeps the SSH transport and connection protocols (RFC 4253, RFC 4254); sessions, forwards and policy are ours.
 * Its own timers stay off: time limits and keepalives belong to `connection.ts`, which is handed a clock.
 */
import { equalBytes } from "../base/bytes.ts";
import { ExpectedError } from "../base/errors.ts";
import type { Instant } from "../base/core.ts";
import type { ByteStream, StreamEnd } from "../base/stream.ts";
import { firstWindowBytes, LARGEST_WINDOW_BYTES, type RoundTrip } from "./channel_window.ts";
import { ByteStreamDuplex } from "./duplex.ts";
import { forwardedAgent } from "./ssh2_agent.ts";
import { authenticateAtOnce } from "./ssh2_authentication.ts";
import { SshChannel } from "./ssh2_channel.ts";
import type { LoadedSsh2 } from "./ssh2_load.ts";
import type {
  Ssh2Channel,
  Ssh2Client,
  Ssh2Sftp,
  Ssh2TcpConnection,
  Ssh2UnixConnection,
} from "./ssh2_types.ts";

/** ssh2's pure JavaScript is three times faster with this one than with AES-GCM; the rest is for servers without it. */
const CIPHERS = [
  "chacha20-poly1305@openssh.com",
  "aes128-gcm@openssh.com",
  "aes256-gcm@openssh.com",
  "aes256-ctr",
  "aes192-ctr",
  "aes128-ctr",
] as const;

/** What ssh2 announces for the channels it opens itself. */
const PACKET_BYTES = 32 * 1024;
/** Bytes received on all channels together that nobody has read: beyond them the connection itself is not read. */
const MAX_UNREAD_BYTES = 32 * 1024 * 1024;
/** Connections of the workspace at a time; more are refused. */
const MAX_INCOMING = 256;
const ACCEPTED = true;

/** A connection from the workspace, for a forward we asked for. */
export interface IncomingConnection {
  readonly from: "tcp" | "unix";
  /** `host:port` or the socket's path, as it was asked for. */
  readonly boundTo: string;
  accept(): SshChannel;
  reject(): void;
}

export interface SshTransportOptions {
  readonly now: () => Instant;
  readonly username: string;
  /** Decides on the server's key, the public key blob of RFC 4253 §6.6; throws to refuse. */
  readonly verifyHostKey: (key: Uint8Array) => Promise<void>;
  /** Connects to the local agent; without it agent channels are refused. */
  readonly dialAgent?: () => Promise<ByteStream>;
  readonly onIncoming: (connection: IncomingConnection) => void;
  readonly onReceived: () => void;
  /** Called when authentication was asked for and sessions may be, without waiting for the answer: a refusal ends them with the connection. */
  readonly onAsked: () => void;
}

/** One SSH connection: handshake, authentication `none`, channels. */
export class SshTransport {
  /** Resolves when the handshake and authentication are done; rejects with the reason. */
  readonly ready: Promise<void>;
  /** Resolves when the connection is gone, with the error that ended it if there was one; never rejects. */
  readonly closed: Promise<Error | undefined>;
  /** Resolves when something broke that the connection will not outlive; `closed` waits for the other side then. Never rejects. */
  readonly broken: Promise<void>;
  readonly #client: Ssh2Client;
  readonly #duplex: ByteStreamDuplex;
  readonly #sendPacket: LoadedSsh2["sendPacket"];
  readonly #verifyHostKey: (key: Uint8Array) => Promise<void>;
  readonly #now: () => Instant;
  readonly #roundTrip: RoundTrip;
  readonly #channels = new Set<SshChannel>();
  #acceptedKey: Uint8Array | undefined;
  #error: Error | undefined;
  #isClosed = false;
  #incomingCount = 0;
  /** Wakes the connection's reader, which waits for the readers of channels. */
  #resume: (() => void) | undefined;

  constructor(ssh2: LoadedSsh2, stream: ByteStream, options: SshTransportOptions) {
    this.#sendPacket = ssh2.sendPacket;
    this.#verifyHostKey = options.verifyHostKey;
    this.#now = options.now;
    let knownMs: number | undefined;
    // On a new path nothing is known for a moment: no reason to let a megabyte go.
    this.#roundTrip = () => knownMs = stream.roundTripMs ?? knownMs;
    this.#client = new ssh2.Client();
    this.#duplex = new ByteStreamDuplex(stream, {
      onReceived: options.onReceived,
      roomToRead: () => this.#roomToRead(),
    });
    const ready = Promise.withResolvers<void>();
    const closed = Promise.withResolvers<Error | undefined>();
    const broken = Promise.withResolvers<void>();
    this.ready = ready.promise;
    this.closed = closed.promise;
    this.broken = broken.promise;
    this.#client
      .on("ready", () => ready.resolve())
      .on("error", (error) => {
        // The first error is the cause; those after it are its consequences.
        this.#error ??= error;
        ready.reject(this.#error);
        broken.resolve();
      })
      .on("close", () => {
        this.#isClosed = true;
        ready.reject(this.#error ?? new Error("Connection closed before the SSH handshake"));
        // ssh2 tells a channel's end only to who has read the channel to its end.
        for (const channel of this.#channels) channel.finish(this.#endOfChannel());
        closed.resolve(this.#error);
      })
      .on("tcp connection", (details: Ssh2TcpConnection, accept, reject) => {
        if (this.#incomingCount >= MAX_INCOMING) return reject();
        const boundTo = `${details.destIP}:${details.destPort}`;
        options.onIncoming(this.#incoming({ from: "tcp", boundTo, accept, reject }));
      })
      .on("unix connection", (details: Ssh2UnixConnection, accept, reject) => {
        if (this.#incomingCount >= MAX_INCOMING) return reject();
        const boundTo = details.socketPath;
        options.onIncoming(this.#incoming({ from: "unix", boundTo, accept, reject }));
      });
    this.#client.connect({
      sock: this.#duplex,
      username: options.username,
      authHandler: ["none"],
      strictVendor: false, // the agent calls itself "SSH-2.0-Go", and still knows OpenSSH's extensions
      readyTimeout: 0,
      keepaliveInterval: 0,
      algorithms: { cipher: CIPHERS, compress: ["none"] },
      hostVerifier: (key, verify) => this.#verify(new Uint8Array(key), verify),
      ...(options.dialAgent === undefined
        ? {}
        : { agent: forwardedAgent(new ssh2.BaseAgent(), options.dialAgent) }),
    });
    authenticateAtOnce(this.#client._protocol, options);
  }

  /** Opens a session channel on which nothing runs yet. */
  async openSession(): Promise<SshChannel> {
    return await this.#open(
      "session",
      (number, windowBytes) => this.#client._protocol.session(number, windowBytes, PACKET_BYTES),
    );
  }

  /** A TCP connection made by the workspace to `host`, which it resolves (RFC 4254 §7.2). */
  async openTcp(host: string, port: number): Promise<SshChannel> {
    const ends = { srcIP: "127.0.0.1", srcPort: 0, dstIP: host, dstPort: port };
    return await this.#open(
      "direct-tcpip",
      (number, windowBytes) =>
        this.#client._protocol.directTcpip(number, windowBytes, PACKET_BYTES, ends),
    );
  }

  /** A connection made by the workspace to a unix socket there (OpenSSH PROTOCOL §2.4). */
  async openUnix(path: string): Promise<SshChannel> {
    const end = { socketPath: path };
    return await this.#open(
      "direct-streamlocal@openssh.com",
      (number, windowBytes) =>
        this.#client._protocol.openssh_directStreamLocal(number, windowBytes, PACKET_BYTES, end),
    );
  }

  /** Starts the SFTP server of the workspace. */
  openSftp(): Promise<Ssh2Sftp> {
    return this.#call<Ssh2Sftp>((done) => this.#client.sftp(done));
  }

  /** Asks the workspace to listen; resolves to the port, which it chose if `port` was 0 (RFC 4254 §7.1). */
  listenTcp(address: string, port: number): Promise<number> {
    return this.#call<number>((done) => this.#client.forwardIn(address, port, done));
  }

  unlistenTcp(address: string, port: number): Promise<void> {
    return this.#call<void>((done) => this.#client.unforwardIn(address, port, done));
  }

  listenUnix(path: string): Promise<void> {
    return this.#call<void>((done) => this.#client.openssh_forwardInStreamLocal(path, done));
  }

  unlistenUnix(path: string): Promise<void> {
    return this.#call<void>((done) => this.#client.openssh_unforwardInStreamLocal(path, done));
  }

  /** Sends `keepalive@openssh.com` with a reply wanted; whatever comes back calls `onReceived`. */
  ping(): void {
    if (this.#isClosed || !this.#duplex.writable) return;
    this.#client._callbacks.push(() => {}); // keeps answers to global requests in order
    this.#client._protocol.ping();
  }

  /** Whether we do not read because nobody reads what was received: the other side cannot be heard then. */
  get isHeldUp(): boolean {
    return this.#resume !== undefined;
  }

  /** Says goodbye and ends writing; `closed` resolves when the other side has done so too. */
  end(): void {
    this.#client.end();
  }

  destroy(error: Error): void {
    this.#error ??= error;
    this.#duplex.destroy(error);
  }

  /**
   * Asks once. ssh2 asks again at every re-key, where a late answer makes it send data under the old keys; so from the
   * second time on the answer is given at once: the key must be the one that was accepted.
   */
  #verify(key: Uint8Array, verify: (isAccepted: boolean) => void): void {
    if (this.#acceptedKey !== undefined) {
      const isSame = equalBytes(key, this.#acceptedKey);
      if (!isSame) {
        this.#error ??= new Error("The workspace changed its host key in mid-connection");
      }
      verify(isSame);
      return;
    }
    this.#verifyHostKey(key).then(
      () => {
        this.#acceptedKey = key;
        verify(ACCEPTED);
      },
      (error: unknown) => {
        this.#error ??= error instanceof Error ? error : new Error(String(error));
        verify(!ACCEPTED);
      },
    );
  }

  #incoming(
    call: {
      readonly from: "tcp" | "unix";
      readonly boundTo: string;
      readonly accept: () => Ssh2Channel;
      readonly reject: () => void;
    },
  ): IncomingConnection {
    return {
      from: call.from,
      boundTo: call.boundTo,
      accept: () => {
        const channel = this.#wrap(call.accept(), LARGEST_WINDOW_BYTES);
        this.#incomingCount++;
        channel.closed.then(() => this.#incomingCount--);
        return channel;
      },
      reject: call.reject,
    };
  }

  /** As ssh2's own ways of opening a channel, which announce the largest window. */
  async #open(
    type: string,
    ask: (number: number, windowBytes: number) => void,
  ): Promise<SshChannel> {
    const windowBytes = firstWindowBytes(this.#roundTrip);
    const channel = await this.#call<Ssh2Channel>((done) => {
      const opened = Object.assign(
        (error: Error | undefined, channel: Ssh2Channel) => done(error, channel),
        { type },
      );
      const number = this.#client._chanMgr.add(opened);
      if (number === -1) throw new ExpectedError("No free channels available");
      ask(number, windowBytes);
    });
    return this.#wrap(channel, windowBytes);
  }

  #wrap(channel: Ssh2Channel, windowBytes: number): SshChannel {
    const wrapped = new SshChannel(channel, {
      now: this.#now,
      roundTrip: this.#roundTrip,
      windowBytes,
      protocol: this.#client._protocol,
      sendPacket: this.#sendPacket,
      takeAgentChannels: () => this.#client._agentFwdEnabled = true,
      drained: () => this.#duplex.drained(),
      endOf: () => this.#endOfChannel(),
      overrun: () =>
        this.destroy(new Error("The workspace sends more than it was allowed to (RFC 4254 §5.2)")),
      onRead: () => this.#wakeReader(),
    });
    this.#channels.add(wrapped);
    wrapped.closed.then(() => {
      this.#channels.delete(wrapped);
      this.#wakeReader();
    });
    return wrapped;
  }

  #roomToRead(): Promise<void> | undefined {
    if (this.#unreadBytes() < MAX_UNREAD_BYTES) return undefined;
    return new Promise((resolve) => this.#resume = resolve);
  }

  #wakeReader(): void {
    if (this.#resume === undefined || this.#unreadBytes() >= MAX_UNREAD_BYTES) return;
    this.#resume();
    this.#resume = undefined;
  }

  #unreadBytes(): number {
    let bytes = 0;
    for (const channel of this.#channels) bytes += channel.unreadBytes;
    return bytes;
  }

  /** How a channel ends that ends now. */
  #endOfChannel(): StreamEnd {
    if (!this.#isClosed) return { kind: "closed" };
    return { kind: "lost", message: this.#error?.message ?? "Connection to the workspace ended" };
  }

  /** A callback interface as a promise that also settles when the connection goes away first. */
  #call<Value>(start: (done: (error: Error | undefined, value: Value) => void) => void) {
    return new Promise<Value>((resolve, reject) => {
      // ssh2 answers what is pending when it closes, but not what is asked for afterwards.
      if (this.#isClosed) {
        throw new ExpectedError(this.#error?.message ?? "Connection to the workspace ended");
      }
      start((error, value) => error ? reject(inPlainWords(error)) : resolve(value));
    });
  }
}

/** ssh2 wraps what the workspace says; only that is of use. */
function inPlainWords(error: Error): ExpectedError {
  const message = error.message.replace(/^\(SSH\) Channel open failure: /, "")
    .replace(/^Unable to (un)?bind .*$/, "request denied by peer");
  return new ExpectedError(message, { cause: error });
}
