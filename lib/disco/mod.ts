/** What other rooms use of `disco/`. */
export { MAX_CALL_ME_MAYBE_ENDPOINTS } from "./message.ts";
export { classifyDatagram, type DatagramKind, isDisco, PADDED_PACKET_BYTES } from "./packet.ts";
export {
  type DiscoDropReason,
  type DiscoInbound,
  type DiscoPath,
  DiscoPinger,
  type DiscoSource,
  type PingOptions,
} from "./pinger.ts";
export {
  decodeStunRequest,
  decodeStunResponse,
  encodeStunRequest,
  encodeStunResponse,
  isStun,
  STUN_TRANSACTION_ID_BYTES,
} from "./stun.ts";
