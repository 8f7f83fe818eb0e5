/**
 * Sockets of this machine as the rooms above the network see them: TCP, unix sockets, Windows named pipes, and UDP.
 * Implemented in `lib/io/local_sockets.ts`, in memory in `tests/support/memory_sockets.ts`.
 */
import type { DatagramAddress, LocalDatagrams } from "./datagrams.ts";
import { ExpectedError } from "./errors.ts";
import type { ByteStream } from "./stream.ts";

/** A socket of this machine, or what stands for one, failed. The message says which and why, in words for people. */
export class SocketError extends ExpectedError {
  override name = "SocketError";
}

/** An endpoint on this machine, or on one it can reach. */
export type LocalTarget =
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | { readonly kind: "unix"; readonly path: string }
  /** A Windows named pipe, e.g. `\\.\pipe\openssh-ssh-agent`. */
  | { readonly kind: "pipe"; readonly path: string };

export interface LocalListener {
  /** Where it listens; a port of 0 has become the real one. */
  readonly target: LocalTarget;
  /** The next connection, or `undefined` once closed. One call at a time. */
  accept(): Promise<ByteStream | undefined>;
  /** Stops listening and removes a unix socket's file. Connections live on. Idempotent. */
  close(): void;
}

export interface LocalSockets {
  /** Rejects with `SocketError`, or the reason of the signal. */
  connect(target: LocalTarget, signal?: AbortSignal): Promise<ByteStream>;
  /** Rejects likewise. A unix socket's file that nobody listens on is replaced. */
  listen(target: LocalTarget): Promise<LocalListener>;
  /** A UDP socket. Rejects with `SocketError`. */
  listenDatagrams(address: DatagramAddress): Promise<LocalDatagrams>;
}

/** The text of a target for messages: `127.0.0.1:8080`, `[::1]:22`, `/run/x.sock`. */
export function formatTarget(target: LocalTarget): string {
  if (target.kind !== "tcp") return target.path;
  return formatHostPort(target.host, target.port);
}

/** `host:port` with the brackets that an IPv6 literal needs. */
export function formatHostPort(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** `sun_path` of the system's `sockaddr_un` in bytes, without the zero at its end. */
const SOCKET_PATH_BYTES: Readonly<Record<string, number>> = { linux: 107, windows: 107 };
/** As in macOS and the BSDs. */
const DEFAULT_SOCKET_PATH_BYTES = 103;

/** Why there can be no unix socket at this path; `undefined` when there can. `os` as `Deno.build.os` names it. */
export function socketPathProblem(path: string, os: string): string | undefined {
  const limit = SOCKET_PATH_BYTES[os] ?? DEFAULT_SOCKET_PATH_BYTES;
  const length = new TextEncoder().encode(path).length;
  if (length <= limit) return undefined;
  return `the path of a socket may have ${limit} bytes at most, this one has ${length}`;
}
