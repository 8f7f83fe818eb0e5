/**
 * The sealed packet around a disco message (coder/tailscale `disco/disco.go`), and how to tell datagrams apart.
 *   magic 6 "TS💬" | sender's disco key 32 | nonce 24 | box: tag 16, message
 * A UDP socket carries STUN, disco and WireGuard; a relay carries the latter two.
 */
import { assertLength, ByteReader, ByteWriter, KEY_BYTES } from "../base/bytes.ts";
import { BOX_NONCE_BYTES, BOX_TAG_BYTES, type BoxKey, openBox, sealBox } from "../crypto/box.ts";
import { isStun } from "./stun.ts";

const MAGIC = new Uint8Array([0x54, 0x53, 0xf0, 0x9f, 0x92, 0xac]);
const HEADER_BYTES = MAGIC.length + KEY_BYTES + BOX_NONCE_BYTES;
/** How much longer a packet is than its message. */
export const DISCO_OVERHEAD_BYTES = HEADER_BYTES + BOX_TAG_BYTES;
/**
 * Our padded packets are as long as the longest WireGuard message, 1280 inside and 32 around, so that a path that
 * carries them carries all. Agents pad to 1310; nobody looks at the length.
 */
export const PADDED_PACKET_BYTES = 1_312;

const WIREGUARD_MIN_BYTES = 32;
/** The four message types of WireGuard are 1 to 4, each with three zero bytes behind (whitepaper §5.4). */
const MAX_WIREGUARD_TYPE = 4;

export type DatagramKind = "stun" | "disco" | "wireguard" | "unknown";

/** What a datagram claims to be, in the order in which Tailscale's code looks. Never throws, and makes no object: each packet of bulk comes by. */
export function classifyDatagram(datagram: Uint8Array): DatagramKind {
  if (isStun(datagram)) return "stun";
  if (isDisco(datagram)) return "disco";
  return isWireguard(datagram) ? "wireguard" : "unknown";
}

/** Whether a datagram looks like disco (`LooksLikeDiscoWrapper`). */
export function isDisco(datagram: Uint8Array): boolean {
  if (datagram.length < HEADER_BYTES) return false;
  for (let i = 0; i < MAGIC.length; i++) if (datagram[i] !== MAGIC[i]) return false;
  return true;
}

function isWireguard(datagram: Uint8Array): boolean {
  if (datagram.length < WIREGUARD_MIN_BYTES) return false;
  if (datagram[1] !== 0 || datagram[2] !== 0 || datagram[3] !== 0) return false;
  const type = datagram[0] ?? 0;
  return type >= 1 && type <= MAX_WIREGUARD_TYPE;
}

/** The sender's disco key, 32 bytes, a view into the packet; `undefined` when it is no disco. Not yet authenticated. */
export function discoSender(packet: Uint8Array): Uint8Array | undefined {
  if (!isDisco(packet)) return undefined;
  return packet.subarray(MAGIC.length, MAGIC.length + KEY_BYTES);
}

/** A packet with `message` (borrowed). `senderKey` 32 bytes, ours; `nonce` 24 fresh bytes; `key` of us and the peer. */
export function sealDisco(
  key: BoxKey,
  { senderKey, nonce, message }: {
    readonly senderKey: Uint8Array;
    readonly nonce: Uint8Array;
    readonly message: Uint8Array;
  },
): Uint8Array {
  assertLength(senderKey, KEY_BYTES, "senderKey");
  const packet = new Uint8Array(DISCO_OVERHEAD_BYTES + message.length);
  new ByteWriter(packet).bytes(MAGIC).bytes(senderKey).bytes(nonce)
    .bytes(sealBox(key, nonce, message));
  return packet;
}

/** The message of a packet; `undefined` when it is no disco or was not sealed with this key. Never throws. */
export function openDisco(key: BoxKey, packet: Uint8Array): Uint8Array | undefined {
  if (!isDisco(packet)) return undefined;
  const reader = new ByteReader(packet, MAGIC.length + KEY_BYTES);
  const nonce = reader.view(BOX_NONCE_BYTES);
  return openBox(key, nonce, reader.view(reader.remaining));
}
