/** What other rooms use of the WireGuard core. */
export { type AddPeerOptions, WireguardDevice, type WireguardDeviceOptions } from "./device.ts";
export type { InboundData, InboundNone, InboundResult } from "./inbound.ts";
export type { DropReason, WireguardCounters } from "./counters.ts";
export { INNER_MTU_BYTES } from "./limits.ts";
export { DATA_HEADER_BYTES, MessageType, messageTypeOf } from "./messages.ts";
export type { InitiateOptions, WireguardEvent, WireguardPeer } from "./peer.ts";
