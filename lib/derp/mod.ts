/** DERP, the relay protocol (coder/tailscale `derp/`): client, and the server for the sandbox. Imports `base` and `crypto` only. */
export { DerpClient, type DerpClientOptions, type PingLimits } from "./client.ts";
export { DerpError } from "./errors.ts";
export type { DerpEvent, DerpPacketEvent } from "./events.ts";
export { MAX_PACKET_BYTES, SEND_PACKET_HEADER_BYTES, writeSendPacketHeader } from "./frame.ts";
export type { ServerInfo } from "./login.ts";
export { DerpServerConnection } from "./server_connection.ts";
export {
  DerpSwitchboard,
  type DerpSwitchboardOptions,
  type PacketFate,
  type SwitchboardEvent,
} from "./switchboard.ts";
