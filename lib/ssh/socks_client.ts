/** Serves one client of a dynamic forward up to the point where its connection can be joined. */
import { ExpectedError } from "../base/errors.ts";
import { type ByteStream, StreamError } from "../base/stream.ts";
import { formatHostPort } from "./host.ts";
import { SocksHandshake } from "./socks.ts";

const READ_BYTES = 1_024;

export type SocksAccepted =
  /** The client has its answer, and what it had sent ahead has been written. */
  | { readonly kind: "joined"; readonly channel: ByteStream; readonly target: string }
  /** The client was told as far as its protocol can, and is gone. */
  | { readonly kind: "failed"; readonly message: string };

/** Speaks SOCKS with `client`, which is closed unless the result is `joined`. */
export async function acceptSocks(
  client: ByteStream,
  open: (host: string, port: number) => Promise<ByteStream>,
): Promise<SocksAccepted> {
  try {
    return await speak(client, open);
  } catch (error) {
    if (!(error instanceof StreamError)) throw error;
    client.abort();
    return { kind: "failed", message: `SOCKS client broke off: ${error.message}` };
  }
}

async function speak(
  client: ByteStream,
  open: (host: string, port: number) => Promise<ByteStream>,
): Promise<SocksAccepted> {
  const handshake = new SocksHandshake();
  const buffer = new Uint8Array(READ_BYTES);
  for (;;) {
    const count = await client.read(buffer);
    if (count === null) {
      client.abort();
      return { kind: "failed", message: "SOCKS client left in mid-handshake" };
    }
    handshake.handleInput(buffer.subarray(0, count));
    for (let out = handshake.pollOutput(); out !== undefined; out = handshake.pollOutput()) {
      if (out.kind === "reply") {
        await client.write(out.bytes);
      } else if (out.kind === "failed") {
        await closeAfterReply(client);
        return { kind: "failed", message: `SOCKS client refused: ${out.reason}` };
      } else {
        return await connect(client, handshake, { ...out, open });
      }
    }
  }
}

async function connect(
  client: ByteStream,
  handshake: SocksHandshake,
  to: {
    readonly host: string;
    readonly port: number;
    readonly rest: Uint8Array;
    readonly open: (host: string, port: number) => Promise<ByteStream>;
  },
): Promise<SocksAccepted> {
  const target = formatHostPort(to.host, to.port);
  let channel: ByteStream;
  try {
    channel = await to.open(to.host, to.port);
  } catch (error) {
    if (!(error instanceof ExpectedError)) throw error;
    const isRefused = /refused/i.test(error.message);
    await client.write(handshake.refused(isRefused ? "refused" : "unreachable"));
    await closeAfterReply(client);
    return {
      kind: "failed",
      message: `Cannot connect to ${target} in the workspace: ${error.message}`,
    };
  }
  await client.write(handshake.accepted());
  if (to.rest.length > 0) await channel.write(to.rest);
  return { kind: "joined", channel, target };
}

/** Lets the reply arrive: a close with unread input would reset the connection before it. */
async function closeAfterReply(client: ByteStream): Promise<void> {
  await client.closeWrite();
  client.abort();
}
