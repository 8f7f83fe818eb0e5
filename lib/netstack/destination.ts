/**
 * One remote address that sockets of a stack lead to, and those of them that may have something to send. An owner with
 * several ways out asks for the packets of one destination, once it knows that they can leave.
 */
import { Fifo } from "./fifo.ts";
import { type ReceiveWay, UNKNOWN_WAY } from "./receive_tuning.ts";
import { type SendWay, UNKNOWN_SEND_WAY } from "./send_way.ts";

export class Destination<Socket> {
  /** 16 bytes; do not change them. */
  readonly address: Uint8Array;
  /** The way that its segments take to us, for the owner to say before it asks for packets. */
  way: ReceiveWay = UNKNOWN_WAY;
  /** The way that those to it take, likewise. */
  sendWay: SendWay = UNKNOWN_SEND_WAY;
  /** For the stack alone. */
  readonly scheduled = new Fifo<Socket>();
  /** For the stack alone: sockets in any state but closed. */
  socketCount = 0;

  constructor(address: Uint8Array) {
    this.address = address;
  }
}
