/**
 * What this implementation chose for itself: bounds, paces and narrowings. Constants of the specification are in
 * `constants.ts`. Where wireguard-go chose first and peers feel the choice, ours is the same.
 */
import { REKEY_ATTEMPT_TIME_MS, REKEY_TIMEOUT_MS } from "./constants.ts";

/** MTU of the tunnel in bytes: padding never reaches beyond it, so that 1280 stays 1280. */
export const INNER_MTU_BYTES = 1280;

/**
 * Counters at or above this are neither sent nor accepted. The specification's limit is 2^64 - 2^13 - 1; ours is
 * the same distance below 2^53, the range in which a `number` is exact. At a million packets a second a session would
 * need 285 years to get there, and it lives three minutes.
 */
export const COUNTER_LIMIT = 2 ** 53 - 2 ** 13 - 1;
/** A session is renewed from this counter on; 2^60 in the specification, narrowed for the same reason. */
export const REKEY_AFTER_MESSAGES = 2 ** 52;
/** How far behind the greatest counter a packet may arrive; as wireguard-go `replay/replay.go`. */
export const REPLAY_WINDOW = 8128;

/** Upper bound of the random addition to REKEY_TIMEOUT, as wireguard-go `device/constants.go`. */
export const REKEY_JITTER_MS = 334;
/**
 * Waits before the first retries when no session can carry data: at first contact the relay may not know one of us
 * yet, after a sleep it may just be reconnecting. A responder only insists on more than 20 ms and a newer timestamp.
 */
export const QUICK_RETRY_DELAYS_MS: readonly number[] = [500, 1_000, 2_000];
export const QUICK_RETRY_JITTER_MS = 50;
/** Retries after which an unanswered handshake is given up: the quick ones, then REKEY_ATTEMPT_TIME. */
export const MAX_HANDSHAKE_RETRIES = QUICK_RETRY_DELAYS_MS.length +
  REKEY_ATTEMPT_TIME_MS / REKEY_TIMEOUT_MS;
/** `initiate()` does nothing when the last initiation is younger, as long as no session can carry data. */
export const MIN_INITIATE_GAP_MS = 250;

/**
 * How long an initiator is given to send the packet that proves our answer. One whose initiation lay in the socket of a
 * machine that slept has begun others since, and never does.
 */
export const FIRST_PACKET_MS = 1_000;

/** Initiations of one peer nearer to each other than this are dropped, as wireguard-go `HandshakeInitationRate`. */
export const MIN_INITIATION_GAP_MS = 20;
/** Handshake messages a second from which on the device is under load and asks for cookies. */
export const UNDER_LOAD_HANDSHAKES_PER_SECOND = 64;
/** How long the device counts as under load after the last second that was, as wireguard-go `UnderLoadAfterTime`. */
export const UNDER_LOAD_AFTER_TIME_MS = 1_000;
/** Handshake messages a second that are worth a key exchange; the rest are dropped whatever they prove. */
export const MAX_HANDSHAKES_PER_SECOND = 200;

/** Cookie replies a second; who sends initiations without end does not make us answer without end. */
export const MAX_COOKIE_REPLIES_PER_SECOND = 64;

/** Datagrams and events that wait to be polled, for the whole device; the oldest go first. */
export const MAX_QUEUED_DATAGRAMS = 1_024;
export const MAX_QUEUED_EVENTS = 1_024;
/** Addresses a peer may send from. */
export const MAX_ALLOWED_ADDRESSES = 64;
