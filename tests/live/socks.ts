/** A SOCKS5 client, no more than asks a proxy for one TCP connection by name (RFC 1928 §3, §4, §6). */

const VERSION = 5;
const NO_AUTHENTICATION = 0;
const CONNECT = 1;
const DOMAIN_NAME = 3;
const SUCCEEDED = 0;
/** Version, reply, reserved, type; then an IPv4 address and a port: what OpenSSH answers. */
const REPLY_BYTES = 10;

export async function socksConnect(
  proxyPort: number,
  target: { readonly host: string; readonly port: number },
): Promise<Deno.Conn> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port: proxyPort });
  try {
    await connection.write(Uint8Array.of(VERSION, 1, NO_AUTHENTICATION));
    await readExactly(connection, 2);
    const host = new TextEncoder().encode(target.host);
    await connection.write(
      Uint8Array.of(
        VERSION,
        CONNECT,
        0,
        DOMAIN_NAME,
        host.length,
        ...host,
        target.port >> 8,
        target.port & 255,
      ),
    );
    const reply = await readExactly(connection, REPLY_BYTES);
    if (reply[1] !== SUCCEEDED) throw new Error(`Connection refused by SOCKS: ${reply[1]}`);
    return connection;
  } catch (error) {
    connection.close();
    throw error;
  }
}

async function readExactly(connection: Deno.Conn, count: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(count);
  for (let at = 0; at < count;) {
    const read = await connection.read(bytes.subarray(at));
    if (read === null) throw new Error("Connection refused by SOCKS: closed");
    at += read;
  }
  return bytes;
}
