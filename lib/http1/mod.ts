/** HTTP/1.1 messages (RFC 9112) on a byte stream, both roles: heads, fields, bodies. No I/O. */
export { type BodyLength, bodyLengthOf, HttpBodyReader } from "./body.ts";
export { Http1Error } from "./errors.ts";
export { HttpExchange, type HttpExchangeOptions } from "./exchange.ts";
export {
  HttpHeadReader,
  type HttpRequestHead,
  type HttpResponseHead,
  parseRequestHead,
  parseResponseHead,
} from "./head.ts";
export {
  encodeLatin1,
  formatRequestHead,
  formatResponseHead,
  HeaderFields,
  isFieldValue,
  isHostField,
  isToken,
} from "./headers.ts";
