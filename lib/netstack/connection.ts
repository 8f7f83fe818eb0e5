/** A connection as the stack keeps it: the block, and in which of the stack's queues it stands. No owner sees it. */
import type { Destination } from "./destination.ts";
import type { Tcb } from "./tcb.ts";

export class Connection<Socket> {
  readonly tcb: Tcb;
  /** Whose packets it is among; set while it is not closed. */
  destination: Destination<Socket> | undefined;
  /** Whether it is in its destination's queue of those that may have something to send. */
  isScheduled = false;
  /** Whether it is in the queue of those that have something to tell. */
  isEventQueued = false;
  /** Whether it counts among the connections that peers began and have not finished. */
  isInBacklog = false;

  constructor(tcb: Tcb) {
    this.tcb = tcb;
  }
}
