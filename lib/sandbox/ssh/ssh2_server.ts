/**
 * The only file of the sandbox that loads npm ssh2's server, and the part of it that is used, as the source of 1.17.0 has
 * it. Names with an underscore are ssh2's own; the version is pinned for them.
 */
import type { Duplex, Writable } from "node:stream";
import { loadSsh2 } from "../../ssh/ssh2_load.ts";

/** The server's side of a channel. `end()` closes it in both directions; `eof()` is the half-close. */
export interface ServerChannel extends Duplex {
  readonly stderr: Writable;
  /** Whether `end()` closes the whole channel; set to false it half-closes, which forwards need. */
  server: boolean;
  readonly outgoing: { readonly id: number; readonly state: string };
  /** What waits for the client's window, of output and of errors. */
  _chunk: unknown;
  _chunkcb: unknown;
  _chunkErr: unknown;
  _chunkcbErr: unknown;
  eof(): void;
  exit(status: number): void;
  close(): void;
}

export type Accept<T> = () => T;
/** Absent when the client wants no answer. */
export type Answer = (() => void) | undefined;

export interface PtyRequest {
  readonly cols: number;
  readonly rows: number;
  readonly term: string;
}

export interface ServerSession {
  /** Once set, ssh2 refuses all requests; it sets it at the client's EOF already. */
  _ending: boolean;
  on(
    event: "env",
    listener: (accept: Answer, reject: Answer, item: { key: string; val: string }) => void,
  ): this;
  on(event: "pty", listener: (accept: Answer, reject: Answer, request: PtyRequest) => void): this;
  on(
    event: "window-change",
    listener: (accept: Answer, reject: Answer, size: Omit<PtyRequest, "term">) => void,
  ): this;
  on(
    event: "signal",
    listener: (accept: Answer, reject: Answer, signal: { name: string }) => void,
  ): this;
  on(event: "auth-agent", listener: (accept: Answer, reject: Answer) => void): this;
  on(event: "shell", listener: (accept: Accept<ServerChannel>, reject: Answer) => void): this;
  on(
    event: "exec",
    listener: (accept: Accept<ServerChannel>, reject: Answer, request: { command: string }) => void,
  ): this;
  on(event: "sftp", listener: (accept: Accept<ServerSftp>, reject: Answer) => void): this;
  on(event: "eof" | "close", listener: () => void): this;
}

export interface ForwardRequest {
  readonly bindAddr: string;
  readonly bindPort: number;
  readonly socketPath: string;
}

export interface ServerConnection {
  end(): void;
  on(event: "authentication", listener: (context: { accept(): void }) => void): this;
  on(event: "session", listener: (accept: Accept<ServerSession>) => void): this;
  on(
    event: "tcpip",
    listener: (
      accept: Accept<ServerChannel>,
      reject: () => void,
      to: { destIP: string; destPort: number },
    ) => void,
  ): this;
  on(
    event: "openssh.streamlocal",
    listener: (
      accept: Accept<ServerChannel>,
      reject: () => void,
      to: { socketPath: string },
    ) => void,
  ): this;
  on(
    event: "request",
    listener: (
      accept: ((port?: number) => void) | undefined,
      reject: Answer,
      name: string,
      request: ForwardRequest,
    ) => void,
  ): this;
  on(event: "error", listener: (error: Error) => void): this;
  on(event: "close" | "end", listener: () => void): this;
  forwardOut(
    boundHost: string,
    boundPort: number,
    fromHost: string,
    fromPort: number,
    opened: Opened,
  ): void;
  openssh_forwardOutStreamLocal(path: string, opened: Opened): void;
  readonly _protocol: ServerProtocol;
  readonly _chanMgr: { add(opened: Opened & { type?: string }): number };
}

export type Opened = (error: Error | undefined, channel: ServerChannel) => void;

export interface ServerProtocol {
  /** These two look at no window. */
  channelData(channel: number, data: Uint8Array): void;
  channelExtData(channel: number, data: Uint8Array, type: number): void;
  /** A global request that wants an answer. */
  ping(): void;
  channelOpenFail(channel: number, reason: number, description: string): void;
  exitStatus(channel: number, status: number): void;
  openssh_authAgent(channel: number, windowBytes: number, packetBytes: number): void;
}

export interface Ssh2Server {
  injectSocket(socket: Duplex): void;
  on(event: "connection", listener: (connection: ServerConnection) => void): this;
}

/** Attributes of a file as SFTP has them; times in seconds. */
export interface SftpAttributes {
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly size?: number;
  readonly atime?: number;
  readonly mtime?: number;
}

export interface SftpName {
  readonly filename: string;
  readonly longname: string;
  readonly attrs: SftpAttributes;
}

type Attributes = SftpAttributes;

/** The server's side of SFTP (draft-ietf-secsh-filexfer-02): requests as events, answers by request id. */
export interface ServerSftp {
  on(
    event: "OPEN",
    listener: (id: number, path: string, flags: number, attributes: Attributes) => void,
  ): this;
  on(
    event: "READ",
    listener: (id: number, handle: Uint8Array, offset: number, length: number) => void,
  ): this;
  on(
    event: "WRITE",
    listener: (id: number, handle: Uint8Array, offset: number, data: Uint8Array) => void,
  ): this;
  on(
    event: "FSETSTAT",
    listener: (id: number, handle: Uint8Array, attributes: Attributes) => void,
  ): this;
  on(
    event: "FSTAT" | "CLOSE" | "READDIR",
    listener: (id: number, handle: Uint8Array) => void,
  ): this;
  on(
    event: "OPENDIR" | "LSTAT" | "STAT" | "REMOVE" | "RMDIR" | "REALPATH" | "READLINK",
    listener: (id: number, path: string) => void,
  ): this;
  on(
    event: "SETSTAT" | "MKDIR",
    listener: (id: number, path: string, attributes: Attributes) => void,
  ): this;
  on(event: "RENAME" | "SYMLINK", listener: (id: number, from: string, to: string) => void): this;
  on(event: "end" | "close", listener: () => void): this;
  handle(id: number, handle: Uint8Array): void;
  status(id: number, code: number, message?: string): void;
  data(id: number, data: Uint8Array): void;
  name(id: number, names: readonly SftpName[]): void;
  attrs(id: number, attributes: Attributes): void;
  /** Closes the channel. */
  end(): void;
  readonly outgoing: { readonly id: number; readonly state: string };
  readonly _protocol: ServerProtocol;
}

export interface ServerConfig {
  /** PEM. */
  readonly hostKeys: readonly string[];
  /** What follows `SSH-2.0-`. */
  readonly ident: string;
  /** Off: 0. */
  readonly keepaliveInterval: number;
}

interface ServerModule {
  readonly default: {
    new (config: ServerConfig): Ssh2Server;
    KEEPALIVE_CLIENT_INTERVAL: number;
  };
}

/** Loads ssh2's server; takes 50 ms and more the first time. */
export async function loadSsh2Server(): Promise<(config: ServerConfig) => Ssh2Server> {
  await loadSsh2();
  const module: ServerModule = await import("ssh2/lib/server.js");
  const Server = module.default;
  // ssh2 takes an interval of 0 for "not given" and falls back to this one; agents ask once a day.
  Server.KEEPALIVE_CLIENT_INTERVAL = 0;
  return (config) => new Server(config);
}
