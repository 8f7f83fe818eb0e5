/**
 * The caller's end of one dRPC call of any shape. Unary: `send`, `closeSend`, one `message`, then `closeSend` or
 * `ended`. The Invoke leaves at once (drpcstream would hold it back until the first message).
 */
import { DrpcStream, UNIMPLEMENTED_CODE } from "./stream.ts";
import type { DrpcEnd } from "./stream.ts";

export class DrpcClientCall extends DrpcStream {
  readonly rpc: string;

  /** `rpc` is the full name, e.g. `/coder.tailnet.v2.Tailnet/Coordinate`. */
  constructor(rpc: string) {
    super("client");
    this.rpc = rpc;
    this.sendInvoke(rpc);
  }
}

/** Whether a server answered that it does not know the RPC: code 12, or only the text (drpcmux `HandleRPC`). */
export function isUnimplemented(end: DrpcEnd): boolean {
  return end.kind === "error" &&
    (end.code === UNIMPLEMENTED_CODE || end.text.includes("unknown rpc: "));
}
