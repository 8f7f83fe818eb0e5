/** What an agent of a release is in the network (coder/coder `tailnet/conn.go`, `agent/agent.go` at those tags). */
import type { Random } from "../../base/core.ts";
import { isAtLeast } from "../../base/version.ts";
import {
  addressOfUuid,
  CODER_PREFIX,
  LEGACY_AGENT_ADDRESS,
  nodeIdOfUuid,
  randomNodeId,
} from "../../tailnet/address.ts";

const UUID_ADDRESS_SINCE = "v0.26.2";
const NO_LEGACY_ADDRESS_SINCE = "v2.16.0";
const CODER_ADDRESS_SINCE = "v2.17.0";

export interface AgentIdentity {
  readonly addresses: readonly Uint8Array[];
  /** Of the UUID, or drawn by each process. */
  readonly nodeId: bigint;
  readonly ownsLegacyAddress: boolean;
}

export function identityOf(
  uuid: Uint8Array,
  options: { readonly version: string; readonly random: Random },
): AgentIdentity {
  const { version, random } = options;
  const hasUuidAddress = isAtLeast(version, UUID_ADDRESS_SINCE);
  const ownsLegacyAddress = !isAtLeast(version, NO_LEGACY_ADDRESS_SINCE);
  return {
    addresses: [
      ...(hasUuidAddress ? [addressOfUuid(uuid)] : []),
      ...(ownsLegacyAddress ? [new Uint8Array(LEGACY_AGENT_ADDRESS)] : []),
      ...(isAtLeast(version, CODER_ADDRESS_SINCE) ? [addressOfUuid(uuid, CODER_PREFIX)] : []),
    ],
    nodeId: hasUuidAddress ? nodeIdOfUuid(uuid) : randomNodeId(random),
    ownsLegacyAddress,
  };
}
