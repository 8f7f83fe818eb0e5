/**
 * More room for datagrams that wait to be read (socket(7), SO_RCVBUF). The runtime has no option for it and does not tell a
 * socket's descriptor: with the permission for foreign functions, on Linux, the C library is asked which descriptor has the
 * port. Without, the socket keeps what the system gives it, and less may be under way to us (`DatagramPort.burstBytes`).
 */

/** As much as other implementations ask for; the kernel counts double, and has the memory only while datagrams wait. */
const WANTED_BYTES = 4 * 1024 * 1024;
/** Descriptors that are looked at: a process has few, and a new one gets the lowest that is free. */
const MAX_DESCRIPTORS = 1_024;

const SOL_SOCKET = 1;
const SO_TYPE = 3;
const SO_RCVBUF = 8;
/** Beyond the system's limit, for whoever administers its network. */
const SO_RCVBUFFORCE = 33;
const SOCK_DGRAM = 2;
const AF_INET = 2;
const AF_INET6 = 10;
/** `struct sockaddr_in6`, the longest that we ask for; in `sockaddr_in` the port is at the same place, big-endian. */
const SOCKADDR_BYTES = 28;
const PORT_OFFSET = 2;
const INT_BYTES = 4;
const IS_LITTLE_ENDIAN = true;

const SYMBOLS = {
  getsockname: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  getsockopt: { parameters: ["i32", "i32", "i32", "buffer", "buffer"], result: "i32" },
  setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" },
} as const;

type Libc = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

/** The bytes that the UDP socket of that local port holds from now on, as the kernel counts; `undefined`: as before. */
export function growReceiveBuffer(localPort: number): number | undefined {
  if (Deno.build.os !== "linux" || Deno.dlopen === undefined) return undefined;
  if (Deno.permissions.querySync({ name: "ffi" }).state !== "granted") return undefined;
  // It is there: the runtime itself stands on it.
  const library = Deno.dlopen("libc.so.6", SYMBOLS);
  try {
    return grow(library.symbols, localPort);
  } finally {
    library.close();
  }
}

function grow(libc: Libc, localPort: number): number | undefined {
  for (let fd = 0; fd < MAX_DESCRIPTORS; fd++) {
    if (portOf(libc, fd) !== localPort || option(libc, fd, SO_TYPE) !== SOCK_DGRAM) continue;
    const before = option(libc, fd, SO_RCVBUF);
    if (before === undefined) return undefined;
    if (before >= 2 * WANTED_BYTES) return before;
    if (!setOption(libc, fd, SO_RCVBUFFORCE)) setOption(libc, fd, SO_RCVBUF);
    return option(libc, fd, SO_RCVBUF);
  }
  return undefined;
}

function portOf(libc: Libc, fd: number): number | undefined {
  const address = new Uint8Array(SOCKADDR_BYTES);
  const length = int(SOCKADDR_BYTES);
  if (libc.getsockname(fd, address, length) !== 0) return undefined;
  const view = new DataView(address.buffer);
  const family = view.getUint16(0, IS_LITTLE_ENDIAN);
  return family === AF_INET || family === AF_INET6 ? view.getUint16(PORT_OFFSET) : undefined;
}

function option(libc: Libc, fd: number, name: number): number | undefined {
  const value = int(0);
  const length = int(INT_BYTES);
  if (libc.getsockopt(fd, SOL_SOCKET, name, value, length) !== 0) return undefined;
  return new DataView(value.buffer).getInt32(0, IS_LITTLE_ENDIAN);
}

function setOption(libc: Libc, fd: number, name: number): boolean {
  return libc.setsockopt(fd, SOL_SOCKET, name, int(WANTED_BYTES), INT_BYTES) === 0;
}

/** Both processors that the runtime knows on Linux are little-endian. */
function int(value: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(INT_BYTES);
  new DataView(bytes.buffer).setInt32(0, value, IS_LITTLE_ENDIAN);
  return bytes;
}
