/**
 * The relay map in an answer of `/connection` (http-api §7.1). Its JSON uses Go's field names; this room checks the
 * shape and hands it on, `lib/tailnet/` gives it meaning.
 */
import * as v from "valibot";
import { COUNT, FLAG, list, TEXT } from "./model_parts.ts";

const NODE = v.pipe(
  v.object({
    Name: TEXT,
    RegionID: COUNT,
    HostName: TEXT,
    CertName: TEXT,
    IPv4: TEXT,
    IPv6: TEXT,
    STUNPort: COUNT,
    STUNOnly: FLAG,
    DERPPort: COUNT,
    InsecureForTests: FLAG,
    ForceHTTP: FLAG,
  }),
  v.transform((wire): DerpNodeJson => ({
    name: wire.Name,
    regionId: wire.RegionID,
    hostName: wire.HostName,
    certName: wire.CertName,
    ipv4: wire.IPv4,
    ipv6: wire.IPv6,
    stunPort: wire.STUNPort,
    stunOnly: wire.STUNOnly,
    derpPort: wire.DERPPort,
    insecureForTests: wire.InsecureForTests,
    forceHttp: wire.ForceHTTP,
  })),
);

export interface DerpNodeJson {
  readonly name: string;
  readonly regionId: number;
  readonly hostName: string;
  readonly certName: string;
  /** Empty: look the name up; `none`: do not use. */
  readonly ipv4: string;
  readonly ipv6: string;
  /** 0 means 3478, -1 none. */
  readonly stunPort: number;
  readonly stunOnly: boolean;
  /** 0 means 443. */
  readonly derpPort: number;
  readonly insecureForTests: boolean;
  readonly forceHttp: boolean;
}

const REGION = v.pipe(
  v.object({
    EmbeddedRelay: FLAG,
    RegionID: v.number(),
    RegionCode: TEXT,
    RegionName: TEXT,
    Avoid: FLAG,
    Nodes: list(NODE),
  }),
  v.transform((wire): DerpRegionJson => ({
    embeddedRelay: wire.EmbeddedRelay,
    regionId: wire.RegionID,
    regionCode: wire.RegionCode,
    regionName: wire.RegionName,
    avoid: wire.Avoid,
    nodes: wire.Nodes,
  })),
);

export interface DerpRegionJson {
  readonly embeddedRelay: boolean;
  readonly regionId: number;
  readonly regionCode: string;
  readonly regionName: string;
  readonly avoid: boolean;
  readonly nodes: readonly DerpNodeJson[];
}

export interface DerpMapJson {
  readonly regions: readonly DerpRegionJson[];
}

/** A region may be `null`: it takes a default region away. */
export const DERP_MAP = v.pipe(
  v.object({ Regions: v.nullish(v.record(v.string(), v.nullable(REGION)), {}) }),
  v.transform((wire): DerpMapJson => ({
    regions: Object.values(wire.Regions).filter((region) => region !== null),
  })),
);
