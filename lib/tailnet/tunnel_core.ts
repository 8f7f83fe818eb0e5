/**
 * What one driver can run: a core with lines to dial, and TCP sockets and UDP flows inside the tunnel. A node is one; what is put together
 * around a node is one again: the session with an agent, the agent of the sandbox.
 *
 * After any call of `handle…` (of `handleLineWritten` only where it says so) or of a verb, sockets' included: `pump`, then `pollLineEvent`, `pollSocketEvent` and `pollEvent`
 * until `undefined`, then `takeBatch` of each line that is connected and not writing, then a timer for `pollTimeout`. What is
 * done about an event is a call like any other.
 */
import type { Core, Instant } from "../base/core.ts";
import type {
  ConnectOptions,
  FlowOptions,
  NetstackEvent,
  TcpSocket,
  UdpFlow,
} from "../netstack/mod.ts";
import type { LineEvent, LineOwner } from "./line.ts";

export interface TunnelCore<Event> extends Core<Event>, LineOwner {
  /** Moves all that must leave into the batches of the lines, as far as there is room. */
  pump(now: Instant): void;
  /** What is to be dialled and what is to be hung up. */
  pollLineEvent(): LineEvent | undefined;
  /** What happened to the TCP sockets, and datagrams that came. */
  pollSocketEvent(): NetstackEvent | undefined;
  /** Opens a TCP connection inside the tunnel. Throws `RangeError` when every socket or port is taken. */
  connect(options: ConnectOptions, now: Instant): TcpSocket;
  /** Opens a flow of UDP datagrams inside the tunnel. Throws `RangeError` when every flow or port is taken. */
  openUdp(options: FlowOptions): UdpFlow;
  /** The machine slept, or its network changed: whatever waits for a retry need not. */
  handleWake(now: Instant): void;
  /** Erases all keys: the core is of no use afterwards. */
  close(): void;
}
