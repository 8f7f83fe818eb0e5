/**
 * States of a connection and the moves between them (RFC 9293 §3.3.2), in one table.
 * LISTEN is no socket here but an entry of the stack. "syn-held" is ours: a SYN that its owner has yet to accept or
 * refuse, answered with silence meanwhile.
 */

export type TcpState =
  | "syn-sent"
  | "syn-held"
  | "syn-received"
  | "established"
  | "fin-wait-1"
  | "fin-wait-2"
  | "close-wait"
  | "closing"
  | "last-ack"
  | "time-wait"
  | "closed";

/** Every legal move; "closed" can be reached from anywhere and is left by nobody. */
const MOVES: Readonly<Record<TcpState, readonly TcpState[]>> = {
  "syn-sent": ["established", "syn-received", "fin-wait-1", "closed"],
  "syn-held": ["syn-received", "closed"],
  "syn-received": ["established", "fin-wait-1", "close-wait", "closed"],
  "established": ["fin-wait-1", "close-wait", "closed"],
  "fin-wait-1": ["fin-wait-2", "closing", "time-wait", "closed"],
  "fin-wait-2": ["time-wait", "closed"],
  "close-wait": ["last-ack", "closed"],
  "closing": ["time-wait", "closed"],
  "last-ack": ["closed"],
  "time-wait": ["closed"],
  "closed": [],
};

export function canMove(from: TcpState, to: TcpState): boolean {
  return MOVES[from].includes(to);
}

/** Whether the handshake is over and the connection is not. */
export function isSynchronized(state: TcpState): boolean {
  return state !== "syn-sent" && state !== "syn-held" && state !== "syn-received" &&
    state !== "closed";
}

/** Whether the peer may still send data (RFC 9293 §3.10.7.4, seventh). */
export function canReceiveData(state: TcpState): boolean {
  return state === "established" || state === "fin-wait-1" || state === "fin-wait-2";
}

/** Whether the user may still write. */
export function canWrite(state: TcpState): boolean {
  return state === "established" || state === "close-wait" || state === "syn-sent" ||
    state === "syn-received";
}

/** Whether what we have queued, FIN included, may be on its way. */
export function canTransmitData(state: TcpState): boolean {
  return state === "established" || state === "close-wait" || state === "fin-wait-1" ||
    state === "closing" || state === "last-ack";
}
