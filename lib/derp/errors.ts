/** A relay, or a relay's client, broke the DERP protocol. Fatal for that connection. */
import { ProtocolError } from "../base/errors.ts";

export class DerpError extends ProtocolError {
  override name = "DerpError";
}
