/** Websocket framing (RFC 6455) and the HTTP/1.1 upgrade, both roles. Imports `base`, `crypto` and `http1` only. */
export { ByteSocket, type ByteSocketEnd } from "./byte_socket.ts";
export { CloseCode } from "./close.ts";
export {
  WebsocketConnection,
  type WebsocketConnectionOptions,
  type WebsocketMessage,
  type WebsocketState,
} from "./connection.ts";
export { WebsocketError } from "./errors.ts";
export {
  encodeFrame,
  frameInPlace,
  type FrameInPlaceOptions,
  headerBytesFor,
  MAX_HEADER_BYTES,
  Opcode,
  type Role,
} from "./frame.ts";
export {
  HttpUpgradeClient,
  type HttpUpgradeClientOptions,
  type UpgradeProtocol,
  type UpgradeResult,
} from "./upgrade_client.ts";
export { HttpUpgradeServer, type UpgradeRequest } from "./upgrade_server.ts";
