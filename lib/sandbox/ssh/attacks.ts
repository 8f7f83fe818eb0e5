/** What a hostile SSH server does to a client that has opened a session. Ordered by tests. */
import { Buffer } from "node:buffer";
import type { ByteStreamDuplex } from "../../ssh/duplex.ts";
import type { ServerChannel, ServerConnection } from "./ssh2_server.ts";

export type SshAttack =
  /** Sends so many bytes whatever the window allows (RFC 4254 §5.2). */
  | { readonly kind: "ignoresWindow"; readonly bytes: number; readonly to: "stdout" | "stderr" }
  /** Opens so many channels of ports that nobody asked to forward. */
  | { readonly kind: "opensChannels"; readonly count: number }
  /** Asks so many questions of the whole connection (RFC 4254 §4). */
  | { readonly kind: "asks"; readonly count: number }
  /** Data for channels that there are not. */
  | { readonly kind: "writesToNowhere"; readonly count: number }
  /** Bytes that are no packet, below the encryption. */
  | { readonly kind: "nonsense"; readonly bytes: number };

/** No divisor of a window: it is not hit exactly. */
const PACKET_BYTES = 30_000;
const NO_CHANNEL = 4_000_000_000;

/** Attacks the client over the connection that `channel` is of. */
export function attack(
  how: SshAttack,
  at: {
    readonly connection: ServerConnection;
    readonly duplex: ByteStreamDuplex;
    readonly channel: ServerChannel;
  },
): void {
  const { connection, duplex, channel } = at;
  const { _protocol: protocol } = connection;
  switch (how.kind) {
    case "ignoresWindow": {
      const packet = Buffer.alloc(PACKET_BYTES, "x");
      const { id } = channel.outgoing;
      for (let sent = 0; sent < how.bytes; sent += PACKET_BYTES) {
        if (how.to === "stdout") protocol.channelData(id, packet);
        else protocol.channelExtData(id, packet, 1);
      }
      return;
    }
    case "opensChannels":
      for (let i = 0; i < how.count; i++) {
        connection.forwardOut("127.0.0.1", 1, "127.0.0.1", 0, () => {}); // refused, as it should be
      }
      return;
    case "asks":
      for (let i = 0; i < how.count; i++) protocol.ping();
      return;
    case "writesToNowhere":
      for (let i = 0; i < how.count; i++) protocol.channelData(NO_CHANNEL, Buffer.from("x"));
      return;
    case "nonsense":
      duplex.write(Buffer.alloc(how.bytes, 0xff));
      return;
  }
}
