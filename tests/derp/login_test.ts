/** The frames that open a connection, byte for byte. */
import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { fromHex, toHex } from "../../lib/base/bytes.ts";
import { type BoxKey, precomputeBox, sealBox } from "../../lib/crypto/box.ts";
import { DerpError } from "../../lib/derp/errors.ts";
import {
  decodeClientInfo,
  decodeClientKey,
  decodeServerInfo,
  decodeServerKey,
  encodeClientInfo,
  encodeServerInfo,
  encodeServerKey,
} from "../../lib/derp/login.ts";
import { VECTOR_RANDOM } from "./support.ts";
import {
  CLIENT_INFO_FRAME,
  PRIVATE_KEY_A,
  PRIVATE_KEY_B,
  PUBLIC_KEY_A,
  PUBLIC_KEY_B,
  SERVER_INFO_FRAME,
  SERVER_KEY_FRAME,
} from "./vectors.ts";

const HEADER_BYTES = 5;

function boxOf(privateKey: Uint8Array, publicKey: Uint8Array): BoxKey {
  const key = precomputeBox(privateKey, publicKey);
  ok(key);
  return key;
}

const clientBox = boxOf(PRIVATE_KEY_A, PUBLIC_KEY_B);
const serverBox = boxOf(PRIVATE_KEY_B, PUBLIC_KEY_A);

function payloadOf(frame: string): Uint8Array {
  return fromHex(frame).subarray(HEADER_BYTES);
}

Deno.test("Login frames are written as the vectors say", () => {
  strictEqual(toHex(encodeServerKey(PUBLIC_KEY_B)), SERVER_KEY_FRAME);
  strictEqual(toHex(encodeClientInfo(clientBox, PUBLIC_KEY_A, VECTOR_RANDOM)), CLIENT_INFO_FRAME);
  strictEqual(toHex(encodeServerInfo(serverBox, { version: 2 }, VECTOR_RANDOM)), SERVER_INFO_FRAME);
});

Deno.test("Login frames are read as the vectors say", () => {
  deepStrictEqual(decodeServerKey(payloadOf(SERVER_KEY_FRAME)), PUBLIC_KEY_B.slice());
  deepStrictEqual(decodeClientKey(payloadOf(CLIENT_INFO_FRAME)), PUBLIC_KEY_A.slice());
  deepStrictEqual(decodeClientInfo(serverBox, payloadOf(CLIENT_INFO_FRAME)), {
    version: 2,
    canAckPings: true,
  });
  deepStrictEqual(decodeServerInfo(clientBox, payloadOf(SERVER_INFO_FRAME)), { version: 2 });
});

Deno.test("decodeServerKey() ignores bytes of the future", () => {
  deepStrictEqual(decodeServerKey(payloadOf(SERVER_KEY_FRAME + "ffff")), PUBLIC_KEY_B.slice());
});

Deno.test("ServerInfo carries a token bucket", () => {
  const info = { version: 2, tokenBucketBytesPerSecond: 1000, tokenBucketBytesBurst: 5000 };
  const frame = encodeServerInfo(serverBox, info, VECTOR_RANDOM);
  deepStrictEqual(decodeServerInfo(clientBox, frame.subarray(HEADER_BYTES)), info);
});

Deno.test("Login refuses what does not prove anything", async (t) => {
  const nonce = new Uint8Array(24);
  const sealed = (text: string) =>
    new Uint8Array([...nonce, ...sealBox(serverBox, nonce, new TextEncoder().encode(text))]);
  const rows: { name: string; run: () => unknown }[] = [
    { name: "magic", run: () => decodeServerKey(payloadOf(SERVER_KEY_FRAME).fill(0, 0, 1)) },
    { name: "short key", run: () => decodeServerKey(payloadOf(SERVER_KEY_FRAME).subarray(0, 39)) },
    { name: "short client info", run: () => decodeClientKey(new Uint8Array(55)) },
    { name: "changed box", run: () => decodeServerInfo(clientBox, sealed("{}").fill(1, 30, 31)) },
    { name: "no box", run: () => decodeServerInfo(clientBox, new Uint8Array(24)) },
    { name: "empty", run: () => decodeServerInfo(clientBox, new Uint8Array(0)) },
    { name: "no JSON", run: () => decodeServerInfo(clientBox, sealed("{")) },
    { name: "JSON array", run: () => decodeServerInfo(clientBox, sealed("[]")) },
    { name: "JSON null", run: () => decodeServerInfo(clientBox, sealed("null")) },
  ];
  for (const { name, run } of rows) await t.step(name, () => throws(run, DerpError));
  deepStrictEqual(
    decodeServerInfo(clientBox, sealed('{"version":"2","TokenBucketBytesPerSecond":-1,"x":1}')),
    { version: 0 },
  );
});
