/** TCP and UDP over IPv6, TSMP pings and ICMPv6 echoes, as one synchronous core. */
export { NetstackCounters } from "./counters.ts";
export type { DropReason } from "./counters.ts";
export type { FlowOptions } from "./datagrams.ts";
export type { Destination } from "./destination.ts";
export type { NetstackEvent, SocketNews } from "./events.ts";
export { Netstack } from "./netstack.ts";
export type { ConnectOptions, NetstackOptions } from "./options.ts";
export type { ReceiveWay } from "./receive_tuning.ts";
export type { SendWay } from "./send_way.ts";
export type { TcpSocket } from "./socket.ts";
export type { TcpState } from "./state.ts";
export type { UdpFlow } from "./udp_flow.ts";
