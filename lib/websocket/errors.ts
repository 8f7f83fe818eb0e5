/** What a peer can do wrong in the handshake of a websocket or on the websocket after it. Fatal for that connection. */
import { ProtocolError, type ProtocolErrorOptions } from "../base/errors.ts";

export interface WebsocketErrorOptions extends ProtocolErrorOptions {
  /** The close code that tells the peer (RFC 6455 §7.4.1); meaningless before the upgrade. @default 1002 */
  readonly closeCode?: number;
}

export class WebsocketError extends ProtocolError {
  override name = "WebsocketError";
  readonly closeCode: number;

  constructor(message: string, options: WebsocketErrorOptions) {
    super(message, options);
    this.closeCode = options.closeCode ?? 1002;
  }
}
