/**
 * What both ends of a direct path count on, and the bounds of what others can make us do.
 * The first block are facts of every agent (coder/tailscale `wgengine/magicsock`): changing them helps nobody.
 */

/** For how long a pong is believed (`trustUDPAddrDuration`). */
export const TRUST_MS = 6_500;
/** The path in use is pinged this often while the session is active (`heartbeatInterval`). */
export const HEARTBEAT_MS = 3_000;
/** A session is active for this long after something was sent (`sessionActiveTimeout`). */
export const ACTIVE_MS = 45_000;
/** An address that only a ping told of is forgotten this long after the last one. */
export const HEARD_LIFETIME_MS = 45_000;
/** No better path is looked for when the path in use is this fast (`goodEnoughLatency`). */
export const GOOD_ENOUGH_MS = 5;
/** How often one is looked for otherwise (`upgradeInterval`). */
export const UPGRADE_MS = 60_000;
/** Our addresses are asked for anew before others are told of them when they are older (`endpointsFreshEnoughDuration`). */
export const FRESH_MS = 27_000;

/** Addresses of one peer that are kept, by who named them. Peers have up to about ten. */
export const MAX_ANNOUNCED = 24;
export const MAX_CALLED = 24;
export const MAX_HEARD = 8;
/** Pings to one peer: a whole round at once, then few. An address that never answers gets a tenth of it at most. */
export const PINGS_BURST = 48;
export const PINGS_PER_SECOND = 10;
/** Call-me-maybes of one peer that are heeded: each makes us ping a list of addresses. */
export const CALLS_BURST = 5;
export const CALLS_PER_SECOND = 1;
/** Disco packets over UDP that are opened, from whomever: opening costs 20 µs and more. */
export const OPENS_BURST = 400;
export const OPENS_PER_SECOND = 200;

/** Waits between pings to an address that never answered: soon at first, while firewalls open on both sides. */
export const SEARCH_DELAYS_MS: readonly number[] = [300, 700, 2_000, 5_000, 5_000, 5_000, 5_000];
export const SEARCH_REST_MS = 30_000;
/** The same for an address that did answer lately: it is the likeliest one to come back. */
export const RETURN_DELAYS_MS: readonly number[] = [250, 500];
export const RETURN_REST_MS = 1_000;
export const RETURN_LIMIT_MS = 60_000;
/** Whatever happens, one address is not pinged twice within this, but to look whether it died. */
export const MIN_PING_SPACING_MS = 200;
/** The other addresses get a second chance soon after one answered. */
export const FIRST_UPGRADE_MS = 2_000;
/** A peer that was answered sends straight within this, or it does not hear us. */
export const MET_MS = 10_000;
/** Answers to one round of pings come within this: the best of them is taken whoever was first. */
export const FRESH_CHOICE_MS = 1_000;
