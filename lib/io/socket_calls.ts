/**
 * The C library's calls on sockets that the runtime opened: with the permission for foreign functions, on Linux. The runtime
 * does not tell a socket's descriptor: the library is asked which one has the port. Numbers of options and errors are the generic
 * ones, as `socket_layouts.ts` has the structures.
 */
import { isDefect } from "../base/errors.ts";
import type { AddressFamily } from "../wire/endpoint.ts";
import { isAllPermitted } from "./permissions.ts";
import {
  AF_INET,
  AF_INET6,
  int,
  IS_LITTLE_ENDIAN,
  PORT_OFFSET,
  SOCKADDR_IN6_BYTES,
} from "./socket_layouts.ts";

/** Each answers as the kernel does: what it came to, or the error's number (errno(3)), negative. */
export interface SocketCalls {
  /** `length` is that of `address`, and is written. */
  getsockname(
    fd: number,
    address: Uint8Array<ArrayBuffer>,
    length: Uint8Array<ArrayBuffer>,
  ): number;
  getsockopt(
    fd: number,
    level: number,
    name: number,
    value: Uint8Array<ArrayBuffer>,
    length: Uint8Array<ArrayBuffer>,
  ): number;
  setsockopt(fd: number, level: number, name: number, value: Uint8Array<ArrayBuffer>): number;
  /** `header` is a `struct msghdr`; the addresses in it are the caller's to keep alive. */
  sendmsg(fd: number, header: Uint8Array<ArrayBuffer>, flags: number): number;
  /** `headers` are so many `struct mmsghdr`. */
  recvmmsg(fd: number, headers: Uint8Array<ArrayBuffer>, count: number, flags: number): number;
  close(): void;
}

/** For one call (send(2)). */
export const MSG_DONTWAIT = 0x40;

const SOL_SOCKET = 1;
const SO_TYPE = 3;
/** Unlike a descriptor, never given twice. */
const SO_COOKIE = 57;
const SOCK_DGRAM = 2;
const COOKIE_BYTES = 8;
/** Descriptors that are looked at: a process has few, and a new one gets the lowest that is free. */
const MAX_DESCRIPTORS = 1_024;

const SYMBOLS = {
  __errno_location: { parameters: [], result: "pointer" },
  getsockname: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  getsockopt: { parameters: ["i32", "i32", "i32", "buffer", "buffer"], result: "i32" },
  setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" },
  // A `ssize_t`, but never more than a batch: as 64 bits each would be a `bigint`.
  sendmsg: { parameters: ["i32", "buffer", "i32"], result: "i32" },
  recvmmsg: { parameters: ["i32", "buffer", "u32", "i32", "pointer"], result: "i32" },
} as const;

/**
 * Nothing on another system, with another C library, one that lacks a call, or where the permission is missing or has exceptions:
 * with those the runtime takes the library's name for a file of the current folder. Nobody is asked for it.
 * @default libraryName glibc's
 */
export function openSocketCalls(libraryName = "libc.so.6"): SocketCalls | undefined {
  if (Deno.build.os !== "linux" || Deno.dlopen === undefined) return undefined;
  if (!isAllPermitted("ffi")) return undefined;
  const library = openLibrary(libraryName);
  if (library === undefined) return undefined;
  const { symbols } = library;
  // The thread's own, which stays the same.
  const location = symbols.__errno_location();
  if (location === null) throw new TypeError("A thread must have an errno");
  const errno = new Deno.UnsafePointerView(location);
  const told = (result: number): number => result < 0 ? -errno.getInt32() : result;
  return {
    getsockname: (fd, address, length) => told(symbols.getsockname(fd, address, length)),
    getsockopt: (fd, level, name, value, length) =>
      told(symbols.getsockopt(fd, level, name, value, length)),
    setsockopt: (fd, level, name, value) =>
      told(symbols.setsockopt(fd, level, name, value, value.length)),
    sendmsg: (fd, header, flags) => told(symbols.sendmsg(fd, header, flags)),
    recvmmsg: (fd, headers, count, flags) =>
      told(symbols.recvmmsg(fd, headers, count, flags, null)),
    close: () => library.close(),
  };
}

function openLibrary(name: string): Deno.DynamicLibrary<typeof SYMBOLS> | undefined {
  try {
    return Deno.dlopen(name, SYMBOLS);
  } catch (error) {
    if (isDefect(error)) throw error;
    return undefined;
  }
}

/** A UDP socket of ours, by its descriptor. */
export class SystemSocket {
  readonly fd: number;
  readonly #calls: SocketCalls;
  readonly #cookie: Uint8Array<ArrayBuffer> | undefined;
  readonly #seen = new Uint8Array(COOKIE_BYTES);
  readonly #length = int(COOKIE_BYTES);

  private constructor(calls: SocketCalls, fd: number) {
    this.#calls = calls;
    this.fd = fd;
    const cookie = new Uint8Array(COOKIE_BYTES);
    const result = calls.getsockopt(fd, SOL_SOCKET, SO_COOKIE, cookie, this.#length);
    this.#cookie = result === 0 ? cookie : undefined;
  }

  /** The one with that local port. */
  static find(
    calls: SocketCalls,
    localPort: number,
    family: AddressFamily,
  ): SystemSocket | undefined {
    const wanted = family === "ipv4" ? AF_INET : AF_INET6;
    const address = new Uint8Array(SOCKADDR_IN6_BYTES);
    const view = new DataView(address.buffer);
    for (let fd = 0; fd < MAX_DESCRIPTORS; fd++) {
      if (calls.getsockname(fd, address, int(SOCKADDR_IN6_BYTES)) !== 0) continue;
      if (view.getUint16(0, IS_LITTLE_ENDIAN) !== wanted) continue;
      if (view.getUint16(PORT_OFFSET) !== localPort) continue;
      if (socketOption(calls, fd, SOL_SOCKET, SO_TYPE) !== SOCK_DGRAM) continue;
      return new SystemSocket(calls, fd);
    }
    return undefined;
  }

  /**
   * Whether the descriptor is still this socket's: the system may have taken it, and given the number to a file or another
   * socket, before the runtime tells. True only until the event loop's next turn.
   */
  isThere(): boolean {
    const cookie = this.#cookie;
    if (cookie === undefined) return false;
    this.#length[0] = COOKIE_BYTES;
    const seen = this.#seen;
    if (this.#calls.getsockopt(this.fd, SOL_SOCKET, SO_COOKIE, seen, this.#length) !== 0) {
      return false;
    }
    for (let i = 0; i < COOKIE_BYTES; i++) if (seen[i] !== cookie[i]) return false;
    return true;
  }
}

/** An option whose value is an `int`. */
export function socketOption(
  calls: SocketCalls,
  fd: number,
  level: number,
  name: number,
): number | undefined {
  const value = int(0);
  if (calls.getsockopt(fd, level, name, value, int(value.length)) !== 0) return undefined;
  return new DataView(value.buffer).getInt32(0, IS_LITTLE_ENDIAN);
}
