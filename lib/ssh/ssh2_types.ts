/**
 * The part of npm ssh2 1.17.0 that `ssh2_client.ts` uses, as its source has it. `@types/ssh2` is not used: it describes neither
 * the private parts below nor `lib/client.js` and brings another set of Node's types. Names with an underscore are ssh2's
 * own: it has no public way to open a session without starting a program, to ask for an answer to `env`, to send a
 * keepalive of ours, to send a BREAK, or to ask for something without waiting for what it asked for before. The version is pinned for them.
 */
import type { Buffer } from "node:buffer";
import type { Duplex, Readable } from "node:stream";

export interface Ssh2Config {
  readonly sock: Duplex;
  readonly username: string;
  readonly authHandler: readonly string[];
  readonly strictVendor: boolean;
  readonly readyTimeout: number;
  readonly keepaliveInterval: number;
  readonly algorithms: { readonly cipher: readonly string[]; readonly compress: readonly string[] };
  readonly hostVerifier: (key: Buffer, verify: (isAccepted: boolean) => void) => void;
  readonly agent?: Ssh2Agent;
}

/** An instance of ssh2's `BaseAgent`. */
export interface Ssh2Agent {
  getStream(done: (error: Error | undefined, stream?: Duplex) => void): void;
}

export interface Ssh2Channel extends Duplex {
  readonly stderr: Readable;
  /** `session`, `direct-tcpip`, … */
  readonly type: string;
  readonly outgoing: { readonly id: number; readonly state: string };
  /** What the other side may still send, by ssh2's count. */
  incoming: { readonly window: number };
  subtype: string | undefined;
  close(): void;
  setWindow(rows: number, columns: number, heightPixels: number, widthPixels: number): void;
  signal(name: string): void;
  /** Answers to channel requests, in order; `false` is success. */
  readonly _callbacks: ((failure: boolean | Error) => void)[];
}

export interface Ssh2TcpConnection {
  readonly destIP: string;
  readonly destPort: number;
  readonly srcIP: string;
  readonly srcPort: number;
}

export interface Ssh2UnixConnection {
  readonly socketPath: string;
}

type Accept = () => Ssh2Channel;
type Reject = () => void;
type Answer<Value> = (error: Error | undefined, value: Value) => void;

export interface Ssh2Attributes {
  readonly size: number;
  readonly mode: number;
  isDirectory(): boolean;
  isFile(): boolean;
}

export interface Ssh2Name {
  readonly filename: string;
  readonly attrs: Ssh2Attributes;
}

type Done = (error: Error | undefined | null) => void;

/** The client's half of SFTP 3 (draft-ietf-secsh-filexfer-02). Errors have a `code` of the draft's §7. */
export interface Ssh2Sftp {
  open(path: string, flags: "r" | "w" | "r+", done: Answer<Buffer>): void;
  close(handle: Buffer, done: Done): void;
  read(
    handle: Buffer,
    into: Buffer,
    offset: number,
    length: number,
    position: number,
    done: Answer<number>,
  ): void;
  write(
    handle: Buffer,
    from: Buffer,
    offset: number,
    length: number,
    position: number,
    done: Done,
  ): void;
  stat(path: string, done: Answer<Ssh2Attributes>): void;
  readdir(path: string, done: Answer<readonly Ssh2Name[]>): void;
  mkdir(path: string, done: Done): void;
  unlink(path: string, done: Done): void;
  rename(from: string, to: string, done: Done): void;
  /** Throws when the server does not know `posix-rename@openssh.com`. */
  ext_openssh_rename(from: string, to: string, done: Done): void;
  realpath(path: string, done: Answer<string>): void;
  end(): void;
}

export interface Ssh2Client {
  sftp(done: Answer<Ssh2Sftp>): void;
  connect(config: Ssh2Config): void;
  end(): void;
  on(event: "ready" | "close", listener: () => void): this;
  on(event: "error", listener: (error: Error) => void): this;
  on(
    event: "tcp connection",
    listener: (details: Ssh2TcpConnection, accept: Accept, reject: Reject) => void,
  ): this;
  on(
    event: "unix connection",
    listener: (details: Ssh2UnixConnection, accept: Accept, reject: Reject) => void,
  ): this;
  forwardIn(address: string, port: number, done: Answer<number>): void;
  unforwardIn(address: string, port: number, done: Answer<void>): void;
  openssh_forwardInStreamLocal(path: string, done: Answer<void>): void;
  openssh_unforwardInStreamLocal(path: string, done: Answer<void>): void;
  /** Answers to global requests, in order; `false` is success. */
  readonly _callbacks: ((failure: boolean | Error) => void)[];
  readonly _chanMgr: {
    /** Reserves a channel number for whoever the answer to its opening is for; -1 when none is free. */
    add(opened: Answer<Ssh2Channel> & { type?: string }): number;
  };
  readonly _protocol: Ssh2Protocol;
  /** Whether `auth-agent@openssh.com` channels are taken. */
  _agentFwdEnabled: boolean;
}

export interface Ssh2Protocol {
  /** Called by ssh2 itself when keys are exchanged for the first time. */
  service(name: string): void;
  /** Called by ssh2 itself when the service is granted. */
  authNone(username: string): void;
  session(channel: number, windowBytes: number, packetBytes: number): void;
  directTcpip(
    channel: number,
    windowBytes: number,
    packetBytes: number,
    ends: {
      readonly srcIP: string;
      readonly srcPort: number;
      readonly dstIP: string;
      readonly dstPort: number;
    },
  ): void;
  openssh_directStreamLocal(
    channel: number,
    windowBytes: number,
    packetBytes: number,
    end: { readonly socketPath: string },
  ): void;
  channelWindowAdjust(channel: number, bytes: number): void;
  env(channel: number, name: string, value: string, wantReply: true): void;
  pty(
    channel: number,
    rows: number,
    columns: number,
    heightPixels: number,
    widthPixels: number,
    term: string,
    modes: null,
    wantReply: true,
  ): void;
  openssh_agentForward(channel: number, wantReply: true): void;
  shell(channel: number, wantReply: true): void;
  exec(channel: number, command: string, wantReply: true): void;
  ping(): void;
  readonly _packetRW: {
    readonly write: {
      readonly allocStart: number;
      alloc(payloadBytes: number): Buffer;
      finalize(packet: Buffer): Buffer;
    };
  };
}

export interface Ssh2ClientModule {
  readonly default: { new (): Ssh2Client };
}

export interface Ssh2AgentModule {
  readonly default: { readonly BaseAgent: { new (): object } };
}

export interface Ssh2UtilsModule {
  readonly default: { sendPacket(protocol: Ssh2Protocol, packet: Buffer): void };
}
