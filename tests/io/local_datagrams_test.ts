/** UDP sockets of this machine. */
import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { SocketError } from "../../lib/base/sockets.ts";
import { SYSTEM_SOCKETS } from "../../lib/io/local_sockets.ts";

const ANY = { host: "127.0.0.1", port: 0 };

Deno.test("listenDatagrams() carries datagrams whole, empty and long ones too, and says who sent them", async () => {
  const a = await SYSTEM_SOCKETS.listenDatagrams(ANY);
  const b = await SYSTEM_SOCKETS.listenDatagrams(ANY);
  ok(a.address.port > 0 && a.address.port !== b.address.port);
  for (const length of [0, 1, 1_232, 60_000]) {
    const data = new Uint8Array(length).fill(length % 251);
    await a.send(data, b.address);
    deepStrictEqual(await b.receive(), { data, from: a.address });
  }
  a.close();
  b.close();
});

Deno.test("listenDatagrams() refuses a port that is taken, by name", async () => {
  const taken = await SYSTEM_SOCKETS.listenDatagrams(ANY);
  await rejects(SYSTEM_SOCKETS.listenDatagrams(taken.address), (error) => {
    ok(error instanceof SocketError);
    strictEqual(
      error.message,
      `listen on 127.0.0.1:${taken.address.port}: address already in use`,
    );
    return true;
  });
  taken.close();
});

Deno.test("receive() ends with the socket, and what is sent to nobody is lost without a word", async () => {
  const a = await SYSTEM_SOCKETS.listenDatagrams(ANY);
  const b = await SYSTEM_SOCKETS.listenDatagrams(ANY);
  const receiving = a.receive();
  b.close();
  for (let i = 0; i < 3; i++) await a.send(new Uint8Array(3), b.address);
  a.close();
  a.close();
  strictEqual(await receiving, undefined);
  strictEqual(await a.receive(), undefined);
  await a.send(new Uint8Array(1), b.address);
});
