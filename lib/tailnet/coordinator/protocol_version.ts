/**
 * The version of the coordination protocol that we ask for (coder/coder `tailnet/proto/version.go`). Which servers speak it
 * is asked before anything is dialled (`lib/coder/version.ts`).
 */

/** What to put into `?version=`: never a newer one, servers refuse what they do not know (codersdk `dialer.go`). */
export const COORDINATE_VERSION = "2.0";
