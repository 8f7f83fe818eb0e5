/** A UDP socket on a loopback, which is closed with its scope. */

export interface LoopbackUdp extends Disposable {
  readonly conn: Deno.DatagramConn;
  readonly port: number;
}

export function loopbackUdp(hostname = "127.0.0.1"): LoopbackUdp {
  const conn = Deno.listenDatagram({ transport: "udp", hostname, port: 0 });
  const { addr } = conn;
  if (addr.transport !== "udp") throw new TypeError("A UDP socket must have a UDP address");
  let isClosed = false;
  const close = () => {
    if (!isClosed) conn.close();
    isClosed = true;
  };
  return { conn, port: addr.port, [Symbol.dispose]: close };
}
