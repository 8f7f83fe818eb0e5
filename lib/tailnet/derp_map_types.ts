/** What a relay map says (coder/tailscale `tailcfg/derpmap.go`), in our names. */

export interface DerpNode {
  readonly name: string;
  readonly regionId: number;
  readonly hostName: string;
  /** Expected certificate name where it differs from `hostName`. */
  readonly certName: string;
  /** Literal to dial instead of asking DNS; empty: ask; any other text: do not use this family. */
  readonly ipv4: string;
  readonly ipv6: string;
  /** 0 means 3478, -1 none. */
  readonly stunPort: number;
  readonly stunOnly: boolean;
  /** 0 means 443. */
  readonly derpPort: number;
  readonly insecureForTests: boolean;
  readonly forceHttp: boolean;
  readonly stunTestIp: string;
  readonly canPort80: boolean;
}

export interface DerpRegion {
  readonly id: number;
  readonly code: string;
  readonly name: string;
  /** The deployment's own relay: reached at whatever URL the user has for the deployment. */
  readonly embeddedRelay: boolean;
  readonly avoid: boolean;
  /** In order of priority. */
  readonly nodes: readonly DerpNode[];
}

export interface DerpMap {
  readonly regions: ReadonlyMap<number, DerpRegion>;
  /** Region id to the factor that multiplies its measured latency. */
  readonly regionScore: ReadonlyMap<number, number>;
  /** How many regions and nodes were not usable. */
  readonly leftOut: number;
  /** From where the map is looked at (`rewriteEmbeddedRelay`); without it relays are taken as they come. */
  readonly vantage?: Vantage;
}

/** What the place of the deployment says about how its relays are to be treated. */
export interface Vantage {
  /** The deployment is spoken to in the clear, so that its relays may be as well. */
  readonly isInClear: boolean;
  /** The deployment is on this machine or its link, so that its relays may be as well. */
  readonly isLocal: boolean;
}
