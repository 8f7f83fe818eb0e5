/** More room for datagrams that wait, where the C library may be asked. */
import assert from "node:assert/strict";
import { growReceiveBuffer } from "../../lib/io/receive_buffer.ts";
import { SystemSocket } from "../../lib/io/socket_calls.ts";
import { callsOfSystem, isLinux, listen } from "./udp_support.ts";

/** What Linux gives a socket that asks for nothing (`net.core.rmem_default`). */
const USUAL_BYTES = 212_992;
/** More full datagrams than that holds. */
const DATAGRAMS = 140;
const DATAGRAM = new Uint8Array(1_312);

Deno.test({
  name: "growReceiveBuffer() lets a socket hold more than usual while nobody reads it",
  ignore: !isLinux,
  fn: async () => {
    const calls = callsOfSystem();
    const { conn, address } = listen();
    const other = listen();
    const socket = SystemSocket.find(calls, address.port, "ipv4");
    assert(socket);
    const bytes = growReceiveBuffer(calls, socket.fd);
    assert(bytes !== undefined && bytes > USUAL_BYTES, `${bytes}`);
    for (let i = 0; i < DATAGRAMS; i++) await other.conn.send(DATAGRAM, address);
    const buffer = new Uint8Array(2_048);
    for (let i = 0; i < DATAGRAMS; i++) {
      const [datagram] = await conn.receive(buffer);
      assert.equal(datagram.length, DATAGRAM.length);
    }
    assert.equal(growReceiveBuffer(calls, socket.fd), bytes);
    conn.close();
    other.conn.close();
    calls.close();
  },
});
