/** One dRPC call on its yamux stream (coder/coder `codersdk/drpcsdk/transport.go`): moves the bytes between them. */
import type { Instant } from "../../base/core.ts";
import type { DrpcStream } from "../../drpc/mod.ts";
import type { YamuxStream } from "../../yamux/mod.ts";

export class RpcStream<Call extends DrpcStream> {
  readonly call: Call;
  readonly stream: YamuxStream;
  /** What the call wants to send and the stream has not taken. */
  #pending: Uint8Array | undefined;
  #isEnding = false;

  constructor(call: Call, stream: YamuxStream) {
    this.call = call;
    this.stream = stream;
  }

  /** Bytes that wait because the peer does not read. */
  get pendingBytes(): number {
    return (this.#pending?.length ?? 0) + this.call.unsentBytes;
  }

  /** Gives the call what has arrived. Throws `DrpcError`. */
  handleReadable(): void {
    for (let b = this.stream.read(); b.length > 0; b = this.stream.read()) this.call.handleBytes(b);
    if (this.stream.isReadEnded || this.stream.state === "reset") this.call.handleEnd();
  }

  /** Gives the stream what must leave, as far as it goes. */
  flush(now: Instant): void {
    for (;;) {
      const bytes = this.#pending ?? this.call.pollTransmit();
      if (bytes === undefined) break;
      const taken = this.stream.write(bytes);
      this.#pending = taken < bytes.length ? bytes.subarray(taken) : undefined;
      if (this.#pending !== undefined) return;
    }
    if (this.#isEnding) this.stream.closeWrite(now);
  }

  /** Ends the call, if it has not ended, and our half of the stream behind it. */
  end(now: Instant): void {
    this.call.close();
    this.#isEnding = true;
    this.flush(now);
  }
}
