/** The agent's host key. Agents have RSA ones; Ed25519 is for tests, which want many servers and no second of CPU. */
import { prepareSsh2 } from "../../ssh/ssh2_load.ts";

export type HostKeyType = "rsa" | "ed25519";

const MODULUS_BITS = 2048;
const PUBLIC_EXPONENT = Uint8Array.of(1, 0, 1);
/** Before the PKCS #1 key in a PKCS #8 one of this size: sequence, version, algorithm, octet string (RFC 5208 §5). */
const PKCS8_HEADER_BYTES = 26;
const IS_EXTRACTABLE = true;

interface KeygenModule {
  readonly default: {
    generateKeyPairSync(type: "ed25519"): { readonly private: string };
  };
}

interface KeyParserModule {
  readonly default: {
    /** An error, not thrown, for a key that cannot be read. */
    parseKey(text: string): unknown;
  };
}

/** A fresh private key as the PEM text that ssh2 reads. RSA takes some 200 ms, off the main thread. */
export async function generateHostKey(type: HostKeyType): Promise<string> {
  if (type === "rsa") return await generateRsaKey();
  await prepareSsh2();
  const keygen: KeygenModule = await import("ssh2/lib/keygen.js");
  const parser: KeyParserModule = await import("ssh2/lib/protocol/keyParser.js");
  for (;;) {
    const key = keygen.default.generateKeyPairSync("ed25519").private;
    // It drops leading zeros of the key (`keygen.js`, `parseDERs`): one of 200 cannot be read again.
    if (!(parser.default.parseKey(key) instanceof Error)) return key;
  }
}

async function generateRsaKey(): Promise<string> {
  const algorithm = {
    name: "RSASSA-PKCS1-v1_5",
    modulusLength: MODULUS_BITS,
    publicExponent: PUBLIC_EXPONENT,
    hash: "SHA-256",
  };
  const pair = await crypto.subtle.generateKey(algorithm, IS_EXTRACTABLE, ["sign", "verify"]);
  const pkcs8 = new Uint8Array(await crypto.subtle.exportKey("pkcs8", pair.privateKey));
  const lines = pkcs8.subarray(PKCS8_HEADER_BYTES).toBase64().match(/.{1,64}/g) ?? [];
  // ssh2 reads PKCS #1 only.
  return ["-----BEGIN RSA PRIVATE KEY-----", ...lines, "-----END RSA PRIVATE KEY-----", ""].join(
    "\n",
  );
}
