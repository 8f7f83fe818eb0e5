/** Remote calls on a byte stream, one call per stream. */
export { DrpcClientCall, isUnimplemented } from "./client_call.ts";
export { DrpcError } from "./errors.ts";
export { DrpcServerCall } from "./server_call.ts";
export { DrpcStream, UNIMPLEMENTED_CODE } from "./stream.ts";
export type { DrpcEnd, DrpcEvent } from "./stream.ts";
