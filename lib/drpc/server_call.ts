/** The callee's end of one dRPC call of any shape: first event `invoke`, then `message`s. */
import { DrpcStream } from "./stream.ts";

export class DrpcServerCall extends DrpcStream {
  constructor() {
    super("server");
  }

  /** Ends the call with an error. @param code 0 for "no code" */
  fail(code: bigint, text: string): void {
    this.sendError(code, text);
  }

  /** Answers as a real server answers an RPC that it does not have (drpcmux/handle_rpc.go). */
  failUnknownRpc(rpc: string): void {
    this.sendError(0n, `protocol error: unknown rpc: ${JSON.stringify(rpc)}`);
  }
}
