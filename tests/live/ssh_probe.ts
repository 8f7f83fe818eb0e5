/**
 * The first packets of an SSH client, unencrypted, up to its half of the key exchange (RFC 4253 §4.2, §6, §7; RFC 8731),
 * and the packets of the answer. Enough to make a server answer once more after it has heard the last of us.
 */
import { ByteReader, concatBytes } from "../../lib/base/bytes.ts";

export const SshMessage = {
  KEXINIT: 20,
  NEWKEYS: 21,
  KEX_ECDH_INIT: 30,
  KEX_ECDH_REPLY: 31,
} as const;

const COOKIE_BYTES = 16;
const KEY_EXCHANGE = "curve25519-sha256";
const HOST_KEYS = "rsa-sha2-512,rsa-sha2-256,ssh-ed25519,ecdsa-sha2-nistp256";
const CIPHER = "aes128-ctr";
const MAC = "hmac-sha2-256";

const IDENTIFICATION = new TextEncoder().encode("SSH-2.0-probe\r\n");

/** Identification, KEXINIT and KEX_ECDH_INIT, back to back. */
export function clientFlight(): Uint8Array {
  return concatBytes(
    IDENTIFICATION,
    packet(kexInit()),
    // Any point but zero is a public key on Curve25519: here its base point, 9.
    packet(
      concatBytes(
        Uint8Array.of(SshMessage.KEX_ECDH_INIT),
        string(Uint8Array.of(9, ...new Uint8Array(31))),
      ),
    ),
  );
}

/** Identification and the head of a packet of 4 GB: servers hang up (RFC 4253 §6.1), having read all that was sent. */
export function impossiblePacket(): Uint8Array {
  return concatBytes(IDENTIFICATION, Uint8Array.of(0xff, 0xff, 0xff, 0xff, 4));
}

/** Message numbers of the packets behind the identification line. Throws for anything that is no packet. */
export function messagesBehindBanner(bytes: Uint8Array): number[] {
  const lineEnd = bytes.indexOf(0x0a) + 1;
  const reader = new ByteReader(bytes.subarray(lineEnd));
  const messages: number[] = [];
  while (reader.remaining > 0) {
    const length = reader.u32be();
    reader.u8();
    messages.push(reader.u8());
    reader.skip(length - 2);
  }
  return messages;
}

function kexInit(): Uint8Array {
  const lists = [KEY_EXCHANGE, HOST_KEYS, CIPHER, CIPHER, MAC, MAC, "none", "none", "", ""];
  return concatBytes(
    Uint8Array.of(SshMessage.KEXINIT),
    crypto.getRandomValues(new Uint8Array(COOKIE_BYTES)),
    ...lists.map((list) => string(new TextEncoder().encode(list))),
    // first_kex_packet_follows: no; reserved.
    new Uint8Array(5),
  );
}

function string(bytes: Uint8Array): Uint8Array {
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, bytes.length);
  return concatBytes(length, bytes);
}

/** RFC 4253 §6: length, padding length, payload, at least 4 bytes of padding, in all a multiple of 8. */
function packet(payload: Uint8Array): Uint8Array {
  const paddingBytes = 8 - ((5 + payload.length) % 8) + (((5 + payload.length) % 8) > 4 ? 8 : 0);
  return string(concatBytes(Uint8Array.of(paddingBytes), payload, new Uint8Array(paddingBytes)));
}
