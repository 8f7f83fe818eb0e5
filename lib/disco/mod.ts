/** What other rooms use of `disco/`. */
export { type Endpoint, equalEndpoints, mapIpv4, relayEndpoint, unmapIpv4 } from "./endpoint.ts";
export { MAX_CALL_ME_MAYBE_ENDPOINTS } from "./message.ts";
export { classifyDatagram, type DatagramKind, isDisco } from "./packet.ts";
export {
  type DiscoDropReason,
  type DiscoInbound,
  type DiscoPath,
  DiscoPinger,
  type DiscoSource,
} from "./pinger.ts";
export { RelayProbe } from "./relay_probe.ts";
export {
  decodeStunRequest,
  decodeStunResponse,
  encodeStunRequest,
  encodeStunResponse,
  isStun,
  STUN_TRANSACTION_ID_BYTES,
} from "./stun.ts";
