/** What a peer can do wrong in an HTTP/1.1 message. Fatal for that connection. */
import { ProtocolError } from "../base/errors.ts";

export class Http1Error extends ProtocolError {
  override name = "Http1Error";
}
