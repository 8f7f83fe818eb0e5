/** Two yamux sessions back to back, and frames by hand. */
import { concatBytes } from "../../lib/base/bytes.ts";
import type { Instant } from "../../lib/base/core.ts";
import { HEADER_BYTES, writeHeader } from "../../lib/yamux/frame.ts";
import type { FrameType } from "../../lib/yamux/frame.ts";
import { YamuxSession } from "../../lib/yamux/mod.ts";
import type { YamuxEvent, YamuxSessionOptions, YamuxStream } from "../../lib/yamux/mod.ts";

export interface FrameInit {
  readonly type: FrameType;
  readonly flags?: number;
  readonly streamId?: number;
  readonly length?: number;
  readonly body?: Uint8Array;
}

export function frame({ type, flags = 0, streamId = 0, length, body }: FrameInit): Uint8Array {
  const header = new Uint8Array(HEADER_BYTES);
  writeHeader(header, 0, { type, flags, streamId, length: length ?? body?.length ?? 0 });
  return concatBytes(header, body ?? new Uint8Array(0));
}

export function drainEvents(session: YamuxSession): YamuxEvent[] {
  const events: YamuxEvent[] = [];
  for (let e = session.pollEvent(); e !== undefined; e = session.pollEvent()) events.push(e);
  return events;
}

export function drainTransmit(session: YamuxSession): Uint8Array {
  const chunks: Uint8Array[] = [];
  for (let c = session.pollTransmit(); c !== undefined; c = session.pollTransmit()) chunks.push(c);
  return concatBytes(...chunks);
}

export class YamuxPair {
  readonly client: YamuxSession;
  readonly server: YamuxSession;
  readonly clientEvents: YamuxEvent[] = [];
  readonly serverEvents: YamuxEvent[] = [];
  now: Instant = 0;

  constructor(options: Partial<YamuxSessionOptions> = {}) {
    this.client = new YamuxSession({ ...options, role: "client" }, this.now);
    this.server = new YamuxSession({ ...options, role: "server" }, this.now);
  }

  /** Carries bytes both ways until nobody has any. */
  settle(): void {
    for (;;) {
      const toServer = drainTransmit(this.client);
      const toClient = drainTransmit(this.server);
      if (toServer.length === 0 && toClient.length === 0) return;
      if (toServer.length > 0) this.server.handleBytes(toServer, this.now);
      if (toClient.length > 0) this.client.handleBytes(toClient, this.now);
      this.clientEvents.push(...drainEvents(this.client));
      this.serverEvents.push(...drainEvents(this.server));
    }
  }

  /** Opens a stream and returns both ends. */
  open(): { readonly ours: YamuxStream; readonly theirs: YamuxStream } {
    const ours = this.client.openStream(this.now);
    this.settle();
    for (const event of this.serverEvents) {
      if (event.kind === "accepted" && event.stream.id === ours.id) {
        return { ours, theirs: event.stream };
      }
    }
    throw new Error(`stream ${ours.id} was not accepted`);
  }
}
