/**
 * More room for datagrams that wait to be read (socket(7), SO_RCVBUF), which the runtime has no option for. Without the C
 * library the socket keeps what the system gives it, and less may be under way to us (`DatagramPort.burstBytes`).
 */
import { type SocketCalls, socketOption } from "./socket_calls.ts";
import { int } from "./socket_layouts.ts";

/** As much as other implementations ask for; the kernel counts double, and has the memory only while datagrams wait. */
const WANTED_BYTES = 4 * 1024 * 1024;

const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
/** Beyond the system's limit, for whoever administers its network. */
const SO_RCVBUFFORCE = 33;

/** The bytes that the socket holds from now on, as the kernel counts; `undefined`: as before. */
export function growReceiveBuffer(calls: SocketCalls, fd: number): number | undefined {
  const before = socketOption(calls, fd, SOL_SOCKET, SO_RCVBUF);
  if (before === undefined || before >= 2 * WANTED_BYTES) return before;
  const wanted = int(WANTED_BYTES);
  if (calls.setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, wanted) !== 0) {
    calls.setsockopt(fd, SOL_SOCKET, SO_RCVBUF, wanted);
  }
  return socketOption(calls, fd, SOL_SOCKET, SO_RCVBUF);
}
