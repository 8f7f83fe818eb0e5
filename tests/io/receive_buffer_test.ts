/** More room for datagrams that wait, where the C library may be asked. */
import assert from "node:assert/strict";
import { growReceiveBuffer } from "../../lib/io/receive_buffer.ts";

/** What Linux gives a socket that asks for nothing (`net.core.rmem_default`). */
const USUAL_BYTES = 212_992;
/** More full datagrams than that holds. */
const DATAGRAMS = 140;
const DATAGRAM = new Uint8Array(1_312);
const isLinux = Deno.build.os === "linux";

function listen(): { conn: Deno.DatagramConn; address: Deno.NetAddr } {
  const conn = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  const address = conn.addr;
  assert(address.transport === "udp");
  return { conn, address };
}

Deno.test({
  name: "growReceiveBuffer() lets a socket hold more than usual while nobody reads it",
  ignore: !isLinux,
  fn: async () => {
    const { conn, address } = listen();
    const other = listen();
    const bytes = growReceiveBuffer(address.port);
    assert(bytes !== undefined && bytes > USUAL_BYTES, `${bytes}`);
    for (let i = 0; i < DATAGRAMS; i++) await other.conn.send(DATAGRAM, address);
    const buffer = new Uint8Array(2_048);
    for (let i = 0; i < DATAGRAMS; i++) {
      const [datagram] = await conn.receive(buffer);
      assert.equal(datagram.length, DATAGRAM.length);
    }
    assert.equal(growReceiveBuffer(address.port), bytes);
    conn.close();
    other.conn.close();
  },
});

Deno.test("growReceiveBuffer() knows no port that no socket of ours has", () => {
  const { conn, address } = listen();
  conn.close();
  assert.equal(growReceiveBuffer(address.port), undefined);
});

Deno.test({
  name: "growReceiveBuffer() asks nobody for the permission",
  permissions: { ffi: false, net: ["127.0.0.1"] },
  fn: () => {
    const { conn, address } = listen();
    assert.equal(growReceiveBuffer(address.port), undefined);
    conn.close();
  },
});
