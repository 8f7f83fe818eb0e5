/** Who we are on the network: a node with keys and an address of its own for each run, and what the coordinator is told of it. */
import type { Instant, Random } from "../base/core.ts";
import { type Aead, generatePrivateKey } from "../crypto/mod.ts";
import type { Endpoint } from "../wire/endpoint.ts";
import { randomAddress, randomNodeId } from "./address.ts";
import { TunnelNode } from "./node.ts";
import type { TailnetNode } from "./node_message.ts";

export interface SelfNodeOptions {
  readonly random: Random;
  readonly aead: Aead;
  readonly wallMsAtZero: number;
  /** The user's own headers, for relays. */
  readonly relayHeaders: readonly (readonly [string, string])[];
}

export class SelfNode {
  readonly tunnel: TunnelNode;
  /** Where UDP reaches us. */
  endpoints: readonly Endpoint[] = [];
  readonly #id: bigint;
  readonly #wallMsAtZero: number;

  constructor(options: SelfNodeOptions) {
    const { random } = options;
    this.#wallMsAtZero = options.wallMsAtZero;
    this.#id = randomNodeId(random);
    this.tunnel = new TunnelNode({
      ...options,
      addresses: [randomAddress(random)],
      nodePrivateKey: generatePrivateKey(random),
      discoPrivateKey: generatePrivateKey(random),
    });
  }

  /** What to tell the coordinator while `region` is home. */
  message(region: number, now: Instant): TailnetNode {
    const { nodePublicKey, discoPublicKey, addresses } = this.tunnel;
    return {
      id: this.#id,
      asOfMs: this.#wallMsAtZero + now,
      key: nodePublicKey,
      disco: discoPublicKey,
      preferredDerp: region,
      derpLatency: new Map(),
      derpForcedWebsocket: new Map(),
      addresses,
      allowedIps: addresses,
      endpoints: this.endpoints,
    };
  }
}
