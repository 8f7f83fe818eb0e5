/**
 * What can be made to go wrong below HTTP: how bytes are cut and joined on every connection, and what becomes of the
 * conversation at one endpoint. Ordered by tests; the demo orders nothing.
 */

/** How bytes pass, in both directions of every connection. */
export interface WireShape {
  /** Most bytes of one write or read; asked for each. @default as they come */
  readonly pieceBytes?: () => number;
  /** Every write and read waits this long first, so that what comes meanwhile is joined to it. @default 0 */
  readonly gatherMs?: number;
}

/** What an endpoint does instead of its work. */
export type EndpointFault =
  /** Takes the request and never answers. */
  | { readonly kind: "mute" }
  /** Closes without an answer. */
  | { readonly kind: "hangUp" }
  | {
    readonly kind: "refuse";
    readonly status: number;
    readonly message?: string;
    /** Websockets are still taken: only `Upgrade: DERP` is refused. @default false */
    readonly onlyDerpUpgrade?: boolean;
  }
  /** Answers 101, lets the first `afterBytes` of the conversation out, then stops talking sense. */
  | {
    readonly kind: "stop";
    readonly afterBytes: number;
    readonly then: "silence" | "close" | "nonsense";
  };

/** Faults that stay until they are taken back. Connections made before are not touched. */
export interface SandboxFaults {
  /** Looked at on every write and read, of connections that are there too. @default undefined */
  wire: WireShape | undefined;
  /** The agents' own relay connections are exempt. @default undefined */
  relay: EndpointFault | undefined;
  /** @default undefined */
  coordinator: EndpointFault | undefined;
  /** @default undefined */
  webTerminal: EndpointFault | undefined;
}

/** Fresh faults: none. */
export function noFaults(): SandboxFaults {
  return { wire: undefined, relay: undefined, coordinator: undefined, webTerminal: undefined };
}
