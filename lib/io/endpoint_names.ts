/** Endpoints as the platform names them: where a datagram may be sent to, and who sent one. */
import { formatAddress, parseAddress } from "../tailnet/endpoint_text.ts";
import type { Endpoint } from "../wire/endpoint.ts";
import { isAllPermitted, isHostPermitted } from "./permissions.ts";

/** Where the platform sends for an endpoint; nowhere when that is not permitted. */
type Target = Deno.NetAddr | "not-permitted";

/** Senders that are remembered by their text. */
const MAX_KNOWN_SENDERS = 256;

export class EndpointNames {
  readonly #senders = new Map<string, Endpoint>();
  readonly #targets = new WeakMap<Endpoint, Target>();
  readonly #isEverythingPermitted = isAllPermitted("net");

  /** With port 0 the whole host must be permitted; the runtime would ask on the terminal. */
  mayListen(hostname: string): boolean {
    return this.#isEverythingPermitted || isHostPermitted(hostname);
  }

  targetOf(endpoint: Endpoint): Target {
    const known = this.#targets.get(endpoint);
    if (known !== undefined) return known;
    const hostname = formatAddress(endpoint.address);
    const { port } = endpoint;
    const isOk = this.#isEverythingPermitted || isHostPermitted(hostname, port);
    const target: Target = isOk ? { transport: "udp", hostname, port } : "not-permitted";
    this.#targets.set(endpoint, target);
    return target;
  }

  /** One object for each sender as long as it is remembered, so that who handles datagrams may compare identities. */
  senderOf({ hostname, port }: Deno.NetAddr): Endpoint | undefined {
    const key = `${hostname} ${port}`;
    const known = this.#senders.get(key);
    if (known !== undefined) return known;
    const address = parseAddress(hostname);
    return address === undefined ? undefined : this.#remember(key, { address, port });
  }

  /** The object that there is for that sender. */
  remembered(sender: Endpoint): Endpoint {
    // As the platform names it.
    const key = `${formatAddress(sender.address)} ${sender.port}`;
    return this.#senders.get(key) ?? this.#remember(key, sender);
  }

  #remember(key: string, sender: Endpoint): Endpoint {
    if (this.#senders.size >= MAX_KNOWN_SENDERS) this.#senders.clear();
    this.#senders.set(key, sender);
    return sender;
  }
}
