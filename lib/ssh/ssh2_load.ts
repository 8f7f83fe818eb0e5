/**
 * What has to be arranged before any part of npm ssh2 is loaded.
 *
 * ssh2 makes three ciphers for each packet of `chacha20-poly1305@openssh.com`, uses each once and leaves it to the garbage collector
 * (mscdex/ssh2 `lib/protocol/crypto.js`, `ChaChaPolyCipherNative`). Deno keeps a cipher until it is finished: a session would grow by
 * a kilobyte with each packet, for as long as it lasts. So ssh2 is given ciphers that are finished after their first use.
 */
import type { Ssh2AgentModule, Ssh2ClientModule, Ssh2UtilsModule } from "./ssh2_types.ts";

interface UsableCipher {
  update(data: Uint8Array): Uint8Array;
  final(): Uint8Array;
}

type Make = (algorithm: string, key: Uint8Array, iv: Uint8Array, options?: object) => UsableCipher;

/** The part of Node's module of primitives that ssh2 makes its ciphers with. */
interface CipherMakers {
  createCipheriv: Make;
  createDecipheriv: Make;
}

export interface LoadedSsh2 {
  readonly Client: Ssh2ClientModule["default"];
  readonly BaseAgent: Ssh2AgentModule["default"]["BaseAgent"];
  readonly sendPacket: Ssh2UtilsModule["default"]["sendPacket"];
}

/** The stream cipher: nothing comes out of it at the end. */
const ONE_SHOT_ALGORITHM = "chacha20";
const replacements = new WeakSet<Make>();

/** Loads ssh2, which takes 50 ms and more: worth starting while the network is still being reached. */
export async function loadSsh2(): Promise<LoadedSsh2> {
  await prepareSsh2();
  const client: Ssh2ClientModule = await import("ssh2/lib/client.js");
  const agent: Ssh2AgentModule = await import("ssh2/lib/agent.js");
  const utils: Ssh2UtilsModule = await import("ssh2/lib/protocol/utils.js");
  return {
    Client: client.default,
    BaseAgent: agent.default.BaseAgent,
    sendPacket: utils.default.sendPacket,
  };
}

/** Idempotent. What it changes of the platform is put back before it resolves. */
export async function prepareSsh2(): Promise<void> {
  // ssh2's WASM glue reads both at load time; they do not exist in a bundle.
  const globals: { __dirname?: string; __filename?: string } = globalThis;
  globals.__dirname ??= import.meta.dirname ?? "/";
  globals.__filename ??= import.meta.filename ?? "/ssh2.js";
  const crypto: CipherMakers = (await import("node:crypto")).default;
  const { createCipheriv, createDecipheriv } = crypto;
  if (replacements.has(createCipheriv)) {
    // Another call is at it: the module that is awaited is the same.
    await import("ssh2/lib/protocol/crypto.js");
    return;
  }
  crypto.createCipheriv = finishedAfterUse(createCipheriv);
  crypto.createDecipheriv = finishedAfterUse(createDecipheriv);
  try {
    await import("ssh2/lib/protocol/crypto.js");
  } finally {
    Object.assign(crypto, { createCipheriv, createDecipheriv });
  }
}

function finishedAfterUse(make: Make): Make {
  const replacement: Make = (algorithm, key, iv, options) => {
    const cipher = make(algorithm, key, iv, options);
    if (algorithm !== ONE_SHOT_ALGORITHM) return cipher;
    const update = cipher.update.bind(cipher);
    return Object.assign(cipher, {
      update(data: Uint8Array) {
        const out = update(data);
        cipher.final();
        return out;
      },
    });
  };
  replacements.add(replacement);
  return replacement;
}
