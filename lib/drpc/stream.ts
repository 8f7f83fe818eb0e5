/**
 * What both ends of one dRPC call share: numbering, the two directions, and how it ends
 * (storj/drpc v0.0.34, drpcstream/stream.go `HandlePacket`, `SendError`, `CloseSend`, `Close`).
 *
 *   sending:   open ──closeSend──▶ ended       receiving: open ──their CloseSend──▶ ended
 *   either: Close, Error or Cancel from one side ends the call in both directions.
 *
 * One call per transport: stream id 1 (`codersdk/drpcsdk`). `DrpcClientCall` and `DrpcServerCall` add their openings.
 */
import { ByteReader, ByteWriter, concatBytes } from "../base/bytes.ts";
import { DrpcError, violation } from "./errors.ts";
import { encodePacket, PacketReader } from "./packet.ts";
import type { Packet } from "./packet.ts";
import { PacketKind } from "./frame.ts";

/** Error code 12, `drpcerr.Unimplemented`. */
export const UNIMPLEMENTED_CODE = 12n;

const STREAM_ID = 1;
const ERROR_CODE_BYTES = 8;
const SPEC = "drpcstream stream.go";

export type DrpcEvent =
  /** The client's first packet; servers only. */
  | { readonly kind: "invoke"; readonly rpc: string }
  /** One protobuf message; the array belongs to whoever polled it. */
  | { readonly kind: "message"; readonly message: Uint8Array }
  /** The peer will send no more messages. */
  | { readonly kind: "closeSend" }
  /** The call is over in both directions. The last event. */
  | { readonly kind: "ended"; readonly how: DrpcEnd };

export type DrpcEnd =
  /** Somebody sent Close. */
  | { readonly kind: "closed" }
  /** The peer sent Error. */
  | { readonly kind: "error"; readonly code: bigint; readonly text: string }
  | { readonly kind: "cancelled" }
  /** The transport ended under the call. */
  | { readonly kind: "transportEnded" };

export class DrpcStream {
  readonly #role: "client" | "server";
  readonly #reader = new PacketReader();
  readonly #events: DrpcEvent[] = [];
  #unsent: Uint8Array[] = [];
  #unsentBytes = 0;
  #nextMessageId = 1;
  #isInvoked: boolean;
  #isSendEnded = false;
  #isReceiveEnded = false;
  #isEnded = false;

  protected constructor(role: "client" | "server") {
    this.#role = role;
    this.#isInvoked = role === "client"; // nobody invokes a client
  }

  /** Whether the call is over in both directions. */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Bytes that `pollTransmit` would give. */
  get unsentBytes(): number {
    return this.#unsentBytes;
  }

  /** Sends one message. Ignored once the call, or our half of it, has ended. */
  send(message: Uint8Array): void {
    if (!this.#isSendEnded) this.#sendPacket(PacketKind.message, message);
  }

  /** Says that no more messages come from us. Idempotent. */
  closeSend(): void {
    if (this.#isSendEnded) return;
    this.#sendPacket(PacketKind.closeSend, new Uint8Array(0));
    this.#isSendEnded = true;
  }

  /** Ends the call in both directions. Idempotent. */
  close(): void {
    if (this.#isEnded) return;
    this.#sendPacket(PacketKind.close, new Uint8Array(0));
    this.#end({ kind: "closed" });
  }

  /** Takes bytes of the transport, borrowed. Throws `DrpcError`; the transport is unusable afterwards. */
  handleBytes(chunk: Uint8Array): void {
    this.#reader.handleBytes(chunk);
    for (let p = this.#reader.pollPacket(); p !== undefined; p = this.#reader.pollPacket()) {
      this.#handlePacket(p);
    }
  }

  /** The transport gives no more bytes. Idempotent. */
  handleEnd(): void {
    this.#end({ kind: "transportEnded" });
  }

  pollEvent(): DrpcEvent | undefined {
    return this.#events.shift();
  }

  /** All bytes that must leave, in order; the caller owns the array. */
  pollTransmit(): Uint8Array<ArrayBuffer> | undefined {
    if (this.#unsent.length === 0) return undefined;
    const bytes = concatBytes(...this.#unsent);
    this.#unsent = [];
    this.#unsentBytes = 0;
    return bytes;
  }

  /** Ends the call with an error. */
  protected sendError(code: bigint, text: string): void {
    if (this.#isEnded) return;
    const head = new Uint8Array(ERROR_CODE_BYTES);
    new ByteWriter(head).u64be(code);
    this.#sendPacket(PacketKind.error, concatBytes(head, new TextEncoder().encode(text)));
    this.#end({ kind: "closed" });
  }

  protected sendInvoke(rpc: string): void {
    this.#sendPacket(PacketKind.invoke, new TextEncoder().encode(rpc));
  }

  #handlePacket(packet: Packet): void {
    if (this.#isEnded) return; // what was under way when the call ended
    if (packet.streamId !== STREAM_ID) {
      throw violation("unexpected-stream", `packet of stream ${packet.streamId}`, SPEC);
    }
    switch (packet.kind) {
      case PacketKind.invokeMetadata: // nobody in scope reads metadata
        if (this.#isInvoked) throw this.#outOfOrder(packet);
        return;
      case PacketKind.invoke:
        if (this.#isInvoked) throw this.#outOfOrder(packet);
        this.#isInvoked = true;
        this.#events.push({ kind: "invoke", rpc: new TextDecoder().decode(packet.data) });
        return;
      case PacketKind.message:
        if (!this.#isInvoked || this.#isReceiveEnded) throw this.#outOfOrder(packet);
        this.#events.push({ kind: "message", message: packet.data });
        return;
      case PacketKind.closeSend:
        if (!this.#isInvoked) throw this.#outOfOrder(packet);
        if (!this.#isReceiveEnded) this.#events.push({ kind: "closeSend" });
        this.#isReceiveEnded = true;
        return;
      case PacketKind.error:
        return this.#end(decodeError(packet.data));
      case PacketKind.cancel:
        return this.#end({ kind: "cancelled" });
      case PacketKind.close:
        return this.#end({ kind: "closed" });
    }
  }

  #outOfOrder({ kind, messageId }: Packet): DrpcError {
    const what = `packet ${messageId} of kind ${kind} at a ${this.#role}, out of order`;
    return violation("unexpected-packet", what, SPEC);
  }

  #sendPacket(kind: PacketKind, data: Uint8Array): void {
    const messageId = this.#nextMessageId++;
    const bytes = encodePacket({ kind, streamId: STREAM_ID, messageId, data });
    this.#unsent.push(bytes);
    this.#unsentBytes += bytes.length;
  }

  #end(how: DrpcEnd): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#isSendEnded = true;
    this.#isReceiveEnded = true;
    this.#events.push({ kind: "ended", how });
  }
}

/** code u64be | text UTF-8 (drpcwire/error.go `UnmarshalError`). */
function decodeError(data: Uint8Array): DrpcEnd {
  if (data.length < ERROR_CODE_BYTES) {
    throw new DrpcError(`The peer broke dRPC: error packet of ${data.length} bytes`, {
      code: "bad-error-packet",
      spec: "drpcwire error.go",
    });
  }
  const code = new ByteReader(data).u64be();
  return { kind: "error", code, text: new TextDecoder().decode(data.subarray(ERROR_CODE_BYTES)) };
}
