/**
 * Structures of the C library's calls on sockets (`socket_calls.ts`), as x86_64 and aarch64 have them, the processors that the runtime
 * knows on Linux: both little-endian, pointers of 8 bytes. Where musl has a number of 32 bits and padding for the kernel's 64, the upper
 * half is zero here as well.
 *   struct sockaddr_in, 16 bytes: family u16 | port u16, big-endian | address 4 | zero 8
 *   struct sockaddr_in6, 28 bytes: family u16 | port u16, big-endian | flow u32 | address 16 | scope u32
 *   struct iovec, 16 bytes: base u64 | length u64
 *   struct msghdr, 56 bytes: name u64 | namelen u32 | pad 4 | iov u64 | iovlen u64 | control u64 | controllen u64 | flags u32 | pad 4
 */

export const IS_LITTLE_ENDIAN = true;

export const AF_INET = 2;
export const AF_INET6 = 10;
export const SOCKADDR_IN_BYTES = 16;
export const SOCKADDR_IN6_BYTES = 28;
export const PORT_OFFSET = 2;
export const IN_ADDRESS_OFFSET = 4;
export const IN_ADDRESS_BYTES = 4;
export const IN6_ADDRESS_OFFSET = 8;

export const IOVEC_BYTES = 16;
export const IOVEC_LENGTH_OFFSET = 8;

export const NAME_LENGTH_OFFSET = 8;
export const IOV_OFFSET = 16;
export const IOV_COUNT_OFFSET = 24;
export const CONTROL_OFFSET = 32;
export const CONTROL_LENGTH_OFFSET = 40;
/** Room for a name of either family. */
export const NAME_BYTES = 32;

const INT_BYTES = 4;
const WORD = 2 ** 32;

/** An `int`, or a `socklen_t`. */
export function int(value: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(INT_BYTES);
  new DataView(bytes.buffer).setInt32(0, value, IS_LITTLE_ENDIAN);
  return bytes;
}

/**
 * Where the bytes are. They do not move, for they are more than V8 keeps among its own objects (64); but whoever writes that into a
 * structure must hold them as long as it is used.
 */
export function addressOf(bytes: Uint8Array<ArrayBuffer>): number {
  // User space ends at 2^47 or 2^52.
  return Number(Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes)));
}

export function writePointer(view: DataView, offset: number, address: number): void {
  view.setUint32(offset, address % WORD, IS_LITTLE_ENDIAN);
  view.setUint32(offset + 4, Math.floor(address / WORD), IS_LITTLE_ENDIAN);
}
