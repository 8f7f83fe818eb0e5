/**
 * What npm ssh2 asks for one after the other, asked for at once: the authentication service (RFC 4253 §10), authentication `none`
 * (RFC 4252 §5.2), and whatever is opened behind it. No answer decides whether to ask for the next: a server that rejects the service
 * ends the connection, and what follows the request that it grants belongs to the connection protocol (RFC 4252 §5.1). From afar a session
 * costs one round trip here in place of three.
 */
import type { Ssh2Protocol } from "./ssh2_types.ts";

export interface AuthenticationOptions {
  readonly username: string;
  /** Called once, when authentication was asked for: more may follow. */
  readonly onAsked: () => void;
}

/** Before the handshake, which ends with ssh2 asking for the service. */
export function authenticateAtOnce(protocol: Ssh2Protocol, options: AuthenticationOptions): void {
  const { username, onAsked } = options;
  const requestService = protocol.service.bind(protocol);
  const requestNone = protocol.authNone.bind(protocol);
  protocol.service = (name) => {
    requestService(name);
    requestNone(username);
    // ssh2 asks when the service is granted, which comes before any refusal: it knows by then what was refused.
    protocol.authNone = () => {};
    onAsked();
  };
}
