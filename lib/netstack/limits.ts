/**
 * Constants of this implementation and the bound on everything a peer can make grow.
 * Constants of the specification stand beside the code that obeys them.
 */

/** MTU of the tunnel, the least IPv6 allows (RFC 8200 §5). */
export const DEFAULT_MTU_BYTES = 1280;
export const DEFAULT_RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024;
export const DEFAULT_SEND_BUFFER_BYTES = 4 * 1024 * 1024;
/** Buffers begin with this and double as they must: most sockets never see more than a few kilobytes. */
export const INITIAL_RING_BYTES = 16 * 1024;
/** An empty buffer larger than this gives its memory back. */
export const MAX_IDLE_RING_BYTES = 256 * 1024;
/** What a writer may queue even when the congestion window is small. */
export const MIN_SEND_QUEUE_BYTES = 256 * 1024;

/** Sockets of one stack in any state; further SYNs are ignored, further `connect` calls throw. */
export const MAX_SOCKETS = 4096;
/** Sockets that have not finished the handshake a peer began. */
export const MAX_BACKLOG = 256;
/** Sockets in TIME-WAIT; the oldest goes when there are more. */
export const MAX_TIME_WAIT = 512;
/** 4-tuples remembered so that they are not used again; the oldest is forgotten when there are more. */
export const MAX_RECENT_TUPLES = 16_384;
/** Islands of out-of-order data in one receive buffer; a segment that would make one more is dropped. */
export const MAX_OUT_OF_ORDER_RANGES = 512;
/** Segments sent and not acknowledged; nothing new is sent beyond it. */
export const MAX_SEGMENTS_IN_FLIGHT = 8192;
/** Packets that belong to no socket (RST, pongs, echo replies) and wait to leave; further ones are dropped. */
export const MAX_REPLIES = 128;
/** Flows of UDP datagrams of one stack; further ones are not begun, further `open` calls throw. */
export const MAX_UDP_FLOWS = 1024;
/** Datagrams of one flow, headers included, that wait to leave; further ones are lost. */
export const MAX_FLOW_QUEUE_BYTES = 64 * 1024;
/** Datagrams of all flows that the driver has not polled, headers included; further ones are lost. */
export const MAX_DATAGRAM_EVENT_BYTES = 1024 * 1024;
/** Pongs the driver has not polled. */
export const MAX_PONGS = 64;
/** Duplicate ACKs one batch of segments can make us owe. */
export const MAX_DUPLICATE_ACKS_OWED = 8;
/** An MSS option below this is raised to it: a peer must not make us send a packet for every few bytes. */
export const MIN_PEER_MSS_BYTES = 128;

/** RFC 9293 wants 2 MSL; ports are random and not used again for a minute, so less holds fewer sockets. */
export const DEFAULT_TIME_WAIT_MS = 10_000;
/** How long a closed 4-tuple is left alone: the TIME-WAIT of the peers we speak with. */
export const TUPLE_REST_MS = 60_000;
/** How long the owner may take to accept or refuse a held SYN. */
export const HELD_SYN_MS = 60_000;
/** A connection gives up after so much time of its own waiting without any progress. */
export const DEFAULT_GIVE_UP_MS = 15 * 60_000;
export const DEFAULT_CONNECT_GIVE_UP_MS = 2 * 60_000;
/** At least this between two challenge ACKs of one socket (RFC 5961 §7 leaves the limit to us). */
export const CHALLENGE_ACK_GAP_MS = 500;

/** First of the ephemeral ports; the last is 65535. More than RFC 6056 §3.2 asks, so random ones rarely collide. */
export const FIRST_EPHEMERAL_PORT = 16_384;
export const LAST_PORT = 65_535;
