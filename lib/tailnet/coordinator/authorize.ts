/**
 * What a peer may ask of the coordinator (coder/coder `tailnet/tunnel.go` `ClientCoordinateeAuth.Authorize`,
 * `AgentCoordinateeAuth.Authorize`). The answer is the text of the refusal, which ends the peer's stream.
 */
import { equalBytes } from "../../base/bytes.ts";
import type { CoordinateRequest } from "../../proto/tailnet_pb.ts";
import {
  addressOfUuid,
  CODER_PREFIX,
  formatUuid,
  LEGACY_AGENT_ADDRESS,
  parseIpv6Text,
  parseUuid,
  UUID_BYTES,
} from "../address.ts";

export type PeerRole =
  /** May open a tunnel to this agent and no other. */
  | { readonly kind: "client"; readonly agentId: string }
  /** May have the addresses of its UUID and no others, but the one that agents before v2.16 share. */
  | { readonly kind: "agent"; readonly ownsLegacyAddress?: boolean };

const PREFIX = "authorization: ";

/** The refusal, or `undefined` when the request is allowed. `peerId` is who asks. */
export function refusalOf(
  request: CoordinateRequest,
  peerId: string,
  role: PeerRole,
): string | undefined {
  const tunnels = [request.addTunnel, request.removeTunnel].filter((t) => t !== undefined);
  for (const { id } of tunnels) {
    if (id.length !== UUID_BYTES) {
      return `${PREFIX}parse tunnel id: invalid UUID (got ${id.length} bytes)`;
    }
    if (role.kind === "agent") return `${PREFIX}agents cannot open tunnels`;
    const asked = formatUuid(id);
    if (asked !== role.agentId) {
      return `${PREFIX}invalid agent id, expected ${role.agentId}, got ${asked}`;
    }
  }
  if (role.kind === "client" && request.readyForHandshake.length > 0) {
    return `${PREFIX}clients may not send ready_for_handshake`;
  }
  const node = request.updateSelf?.node;
  if (node === undefined) return undefined;
  const texts = role.kind === "agent" ? [...node.addresses, ...node.allowedIps] : node.addresses;
  for (const text of texts) {
    const refusal = refusalOfAddress(text, peerId, role);
    if (refusal !== undefined) return PREFIX + refusal;
  }
  return undefined;
}

function refusalOfAddress(text: string, peerId: string, role: PeerRole): string | undefined {
  const [addressText = "", bits = ""] = text.split("/");
  const address = parseIpv6Text(addressText);
  if (address === undefined || bits === "") return `parse node address: invalid prefix "${text}"`;
  if (bits !== "128") return `invalid address bits, expected 128, got ${bits}`;
  const uuid = parseUuid(peerId);
  if (role.kind === "client" || uuid === undefined) return undefined;
  const own: Readonly<Uint8Array>[] = [addressOfUuid(uuid), addressOfUuid(uuid, CODER_PREFIX)];
  if (role.ownsLegacyAddress === true) own.push(LEGACY_AGENT_ADDRESS);
  return own.some((allowed) => equalBytes(allowed, address))
    ? undefined
    : `invalid node address, got ${addressText}`;
}
