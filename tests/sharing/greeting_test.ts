import { deepStrictEqual, notStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { toHex } from "../../lib/base/bytes.ts";
import { SharingError } from "../../lib/sharing/frame.ts";
import {
  accountKey,
  accountName,
  decodeChallenge,
  decodeHello,
  encodeChallenge,
  encodeHello,
  isProof,
  proofOf,
  tunnelName,
} from "../../lib/sharing/greeting.ts";

const DEPLOYMENT = new URL("https://coder.example.com/");
const KEY = accountKey(DEPLOYMENT, "token-1");
const NAME = tunnelName(KEY, "settings");
const CLIENT_NONCE = Uint8Array.from({ length: 32 }, (_, i) => i);
const HOLDER_NONCE = Uint8Array.from({ length: 32 }, (_, i) => 32 + i);
const GREETING = { key: KEY, name: NAME, clientNonce: CLIENT_NONCE, holderNonce: HOLDER_NONCE };

Deno.test("key, name and proofs are HMAC-BLAKE2s over what the file says (Python's hmac and hashlib)", () => {
  strictEqual(toHex(KEY), "0b810622d47fff12280940295c5f2ad5ebfae9a5fa262d277c14bc01dbaf212b");
  strictEqual(NAME, "5ccc1eff20fdfa1a-3c1458647bde8ad0c3132be5");
  strictEqual(
    toHex(proofOf("client", GREETING)),
    "d5a2b002432a77c59421e7b9e2b82b06ba6be5c6a96c5c1cfee943f3a5972b8d",
  );
  strictEqual(
    toHex(proofOf("holder", GREETING)),
    "cea93b4ca90daefa262e6c196d6d8b6a055fee8da18ae905e3e5cc5bae25f665",
  );
});

Deno.test("another deployment, token or settings is another tunnel; the account's have one beginning", () => {
  const others = [
    tunnelName(accountKey(new URL("https://coder.example.com/other"), "token-1"), "settings"),
    tunnelName(accountKey(DEPLOYMENT, "token-2"), "settings"),
    tunnelName(KEY, "settings2"),
  ];
  strictEqual(new Set([NAME, ...others]).size, 4);
  deepStrictEqual(others.map((name) => name.startsWith(accountName(KEY))), [false, false, true]);
});

Deno.test("a proof is of one side, of one conversation, under one key and name", () => {
  const proof = proofOf("client", GREETING);
  ok(isProof(proof, "client", GREETING));
  ok(!isProof(proof, "holder", GREETING));
  const others = [
    { ...GREETING, key: accountKey(DEPLOYMENT, "token-2") },
    { ...GREETING, name: `${NAME}0` },
    { ...GREETING, clientNonce: HOLDER_NONCE },
    { ...GREETING, holderNonce: CLIENT_NONCE },
  ];
  for (const other of others) ok(!isProof(proof, "client", other));
  for (const length of [0, 31, 33]) {
    ok(!isProof(new Uint8Array(length), "client", GREETING));
  }
});

Deno.test("greetings come back as they were sent, as copies", () => {
  const hello = encodeHello(CLIENT_NONCE);
  const nonce = decodeHello(hello);
  deepStrictEqual(nonce, CLIENT_NONCE);
  notStrictEqual(nonce.buffer, hello.buffer);
  const proof = proofOf("holder", GREETING);
  deepStrictEqual(decodeChallenge(encodeChallenge(HOLDER_NONCE, proof)), {
    holderNonce: HOLDER_NONCE,
    proof,
  });
});

Deno.test("a greeting of another version or length is refused", () => {
  const bad = [
    new Uint8Array(0),
    encodeHello(CLIENT_NONCE).subarray(0, 32),
    encodeHello(new Uint8Array(33)),
    Uint8Array.of(1, ...CLIENT_NONCE),
    Uint8Array.of(0, ...CLIENT_NONCE),
  ];
  for (const hello of bad) throws(() => decodeHello(hello), SharingError);
  for (const length of [0, 63, 65]) {
    throws(() => decodeChallenge(new Uint8Array(length)), SharingError);
  }
});
