/**
 * Constants of the specification (WireGuard whitepaper §5.4, §6, table in §6.1). What this implementation chose for
 * itself is in `limits.ts`.
 */

/** Noise protocol name, whitepaper §5.4. */
export const CONSTRUCTION = "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s";
/** Noise prologue, whitepaper §5.4. */
export const IDENTIFIER = "WireGuard v1 zx2c4 Jason@zx2c4.com";
/** Prefix of the key of mac1, whitepaper §5.4.4. */
export const LABEL_MAC1 = "mac1----";
/** Prefix of the key that seals cookies, whitepaper §5.4.7. */
export const LABEL_COOKIE = "cookie--";

export const TAG_BYTES = 16;
export const MAC_BYTES = 16;
export const COOKIE_BYTES = 16;
export const COOKIE_NONCE_BYTES = 24;
export const TIMESTAMP_BYTES = 12;

/** An initiator renews its session when it sends under keys older than this, whitepaper §6.2. */
export const REKEY_AFTER_TIME_MS = 120_000;
/** No packet is sent or accepted under keys older than this, whitepaper §6.2. */
export const REJECT_AFTER_TIME_MS = 180_000;
/** All keys are erased when no session was derived for this long, whitepaper §6.3. */
export const ZERO_KEYS_AFTER_TIME_MS = 3 * REJECT_AFTER_TIME_MS;
/** How long an unanswered handshake is retried, whitepaper §6.4. */
export const REKEY_ATTEMPT_TIME_MS = 90_000;
/** Wait for a response before the next initiation, whitepaper §6.4. */
export const REKEY_TIMEOUT_MS = 5_000;
/** Silence after received data that calls for an empty packet, whitepaper §6.5. */
export const KEEPALIVE_TIMEOUT_MS = 10_000;
/** Life of a cookie and of the secret behind it, whitepaper §5.4.7. */
export const COOKIE_REFRESH_TIME_MS = 120_000;
/** The plaintext of data is padded with zeros to a multiple of this, whitepaper §5.4.6. */
export const PADDING_MULTIPLE = 16;
