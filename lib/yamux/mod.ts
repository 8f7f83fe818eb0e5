/** Stream multiplexing for the coordinator's websocket. */
export { YamuxError } from "./errors.ts";
export { YamuxSession } from "./session.ts";
export type { YamuxEvent, YamuxSessionOptions } from "./session.ts";
export type { YamuxStream, YamuxStreamState } from "./stream.ts";
