/** A connection to the process that holds a tunnel. */
import { untilAborted } from "../base/abort.ts";
import type { HostClock } from "../base/host.ts";
import type { LocalSockets, LocalTarget } from "../base/sockets.ts";
import type { ByteStream } from "../base/stream.ts";
import { FrameType } from "../sharing/frame.ts";
import { within } from "./alarm.ts";
import { FramedSocket, greetHolder, type Identity } from "./framed_socket.ts";

/** As a sentence about it begins. */
export const HOLDER = "The process that holds the shared tunnel";

/** How a holder is reached. */
export interface HolderPlace extends Identity {
  readonly sockets: LocalSockets;
  /** Where the holder listens. */
  readonly at: LocalTarget;
  readonly clock: HostClock;
}

/** Asks whoever holds the tunnel to end it. Rejects with `ExpectedError` when nobody hears within `ms`. */
export async function dismissHolder(place: HolderPlace, ms: number): Promise<void> {
  await within({ clock: place.clock, ms, who: HOLDER }, async (signal) => {
    const socket = await callHolder(place, signal);
    try {
      await untilAborted(socket.send(FrameType.leave), signal);
      // It hangs up when it has heard.
      await untilAborted(socket.next(), signal);
    } finally {
      socket.close();
    }
  });
}

/** A connection to the holder, who has proved that it is one of ours. */
export async function callHolder(place: HolderPlace, signal: AbortSignal): Promise<FramedSocket> {
  const connecting = place.sockets.connect(place.at);
  let stream: ByteStream;
  try {
    stream = await untilAborted(connecting, signal);
  } catch (error) {
    // One that comes too late is hung up on; one that fails then is of no interest.
    connecting.then((late) => late.abort(), () => {});
    throw error;
  }
  const socket = new FramedSocket(stream);
  try {
    await untilAborted(greetHolder(socket, place), signal);
    return socket;
  } catch (error) {
    socket.close();
    throw error;
  }
}
