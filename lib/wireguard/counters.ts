/** What a device counts: cores do not log. Every datagram that is dropped is counted under exactly one reason. */

/** Why a datagram was dropped. */
export type DropReason = keyof ReturnType<typeof noDrops>;

export class WireguardCounters {
  readonly drops: Record<DropReason, number> = noDrops();
  initiationsSent = 0;
  initiationsReceived = 0;
  responsesSent = 0;
  responsesReceived = 0;
  cookieRepliesSent = 0;
  cookieRepliesReceived = 0;
  keepalivesSent = 0;
  keepalivesReceived = 0;
  packetsSent = 0;
  packetsReceived = 0;
  /** Bytes of datagrams, handshakes included. */
  bytesSent = 0;
  /** Bytes of authenticated datagrams, handshakes included. */
  bytesReceived = 0;
  /** Sessions that we could send with, in either role. */
  sessionsEstablished = 0;
  /** Handshakes given up without an answer. */
  handshakesAbandoned = 0;
  /** Datagrams and events that were pushed out of a full queue. */
  queueOverflows = 0;

  /** All drops together. */
  get dropsTotal(): number {
    let total = 0;
    for (const count of Object.values(this.drops)) total += count;
    return total;
  }
}

function noDrops() {
  return {
    /** No WireGuard message by type, reserved bytes or length. */
    "malformed": 0,
    /** The sender does not know our public key. */
    "bad-mac1": 0,
    /** Under load, without a valid mac2; a cookie reply was made. */
    "cookie-required": 0,
    /** More handshake messages a second than are worth a key exchange. */
    "rate-limited": 0,
    /** An initiation that does not decrypt, or with a key of small order. */
    "bad-initiation": 0,
    /** An initiation of a static key that is no peer of ours. */
    "unknown-peer": 0,
    /** An initiation that is not newer than the last one of its peer. */
    "old-timestamp": 0,
    /** An initiation within 20 ms after the last one of its peer. */
    "initiation-flood": 0,
    /** A response to no handshake in flight. */
    "unexpected-response": 0,
    /** A response that does not decrypt. */
    "bad-response": 0,
    /** A cookie reply to nothing of ours, or that does not decrypt. */
    "bad-cookie-reply": 0,
    /** Data for an index that stands for no session. */
    "unknown-index": 0,
    /** Data whose counter is beyond the limit. */
    "counter-limit": 0,
    /** Data under a session older than 180 s. */
    "expired-session": 0,
    /** Data that does not decrypt. */
    "bad-tag": 0,
    /** Data that came already, or is too old to tell. */
    "replayed": 0,
    /** Decrypted data that is no IPv6 packet, or claims to be longer than it is. */
    "bad-inner-packet": 0,
    /** An inner packet whose source address is not one of its peer. */
    "source-not-allowed": 0,
  };
}
