/**
 * Noise_IKpsk2, both roles, over bare Noise messages (Noise specification rev. 34 §7.5, §9; whitepaper §5.4.2,
 * §5.4.3, §5.4.5). Headers and macs are around it: `messages.ts`, `cookie.ts`. Randomness comes as arguments.
 *
 *   <- s
 *   -> e, es, s, ss     ephemeral 32 | static 32+16 | payload n+16
 *   <- e, ee, se, psk   ephemeral 32 | payload n+16
 *
 * `ss` never changes between two static keys, so that the caller computes it once per peer and hands it in.
 * A key exchange that comes out all zero means a key of small order and ends the handshake.
 */
import { concatBytes, KEY_BYTES } from "../base/bytes.ts";
import { publicKey, sharedSecret } from "../crypto/x25519.ts";
import { CONSTRUCTION, IDENTIFIER, TAG_BYTES } from "./constants.ts";
import { SymmetricState } from "./symmetric_state.ts";

const SEALED_STATIC_BYTES = KEY_BYTES + TAG_BYTES;

/** A static key pair, 32 bytes each; borrowed for the life of the handshake. */
export interface StaticKeys {
  readonly privateKey: Uint8Array;
  readonly publicKey: Uint8Array;
}

export interface HandshakeOptions {
  readonly localStatic: StaticKeys;
  /** @default WireGuard's IDENTIFIER */
  readonly prologue?: Uint8Array;
  /** 32 bytes. @default zeros: Tailscale's peers have none, but the step is taken (whitepaper §5.4) */
  readonly presharedKey?: Uint8Array;
}

export interface InitiatorOptions extends HandshakeOptions {
  /** 32 bytes. */
  readonly remoteStaticPublicKey: Uint8Array;
  /** The exchange of both static keys, 32 bytes, borrowed for the life of the handshake. */
  readonly staticShared: Uint8Array;
}

/** What both sides have in the end. The keys are the caller's to erase. */
export interface TransportKeys {
  /** 32 bytes. */
  readonly sendKey: Uint8Array;
  /** 32 bytes. */
  readonly receiveKey: Uint8Array;
  /** 32 bytes; the same on both sides. */
  readonly handshakeHash: Uint8Array;
}

/** The side that speaks first. One object for one handshake. */
export class InitiatorHandshake {
  readonly #symmetric: SymmetricState;
  readonly #options: InitiatorOptions;
  readonly #presharedKey: Uint8Array;
  #ephemeral: Uint8Array = new Uint8Array(KEY_BYTES);

  constructor(options: InitiatorOptions) {
    this.#options = options;
    this.#presharedKey = options.presharedKey ?? new Uint8Array(KEY_BYTES);
    this.#symmetric = initialize(options.prologue);
    this.#symmetric.mixHash(options.remoteStaticPublicKey); // <- s
  }

  /**
   * The first message. Takes over `ephemeralPrivateKey`, 32 fresh bytes, and erases it in the end.
   * `undefined` when the responder's static key is of small order.
   */
  writeMessage1(ephemeralPrivateKey: Uint8Array, payload: Uint8Array): Uint8Array | undefined {
    const { localStatic, remoteStaticPublicKey, staticShared } = this.#options;
    const s = this.#symmetric;
    this.#ephemeral = ephemeralPrivateKey;
    // e
    const ephemeralPublic = publicKey(ephemeralPrivateKey);
    mixEphemeral(s, ephemeralPublic);
    // es
    if (!mixExchange(s, ephemeralPrivateKey, remoteStaticPublicKey)) return undefined;
    // s
    const sealedStatic = s.encryptAndHash(localStatic.publicKey);
    // ss
    s.mixKey(staticShared);
    return concatBytes(ephemeralPublic, sealedStatic, s.encryptAndHash(payload));
  }

  /**
   * Takes the second message, at least 48 bytes, borrowed. `undefined` when it is not a valid answer to the first: the
   * handshake is as before then and can take another.
   */
  readMessage2(message: Uint8Array): TransportKeys & { payload: Uint8Array } | undefined {
    const s = this.#symmetric.clone();
    try {
      // e
      const remoteEphemeral = message.subarray(0, KEY_BYTES);
      mixEphemeral(s, remoteEphemeral);
      // ee, se
      if (!mixExchange(s, this.#ephemeral, remoteEphemeral)) return undefined;
      if (!mixExchange(s, this.#options.localStatic.privateKey, remoteEphemeral)) return undefined;
      // psk
      s.mixKeyAndHash(this.#presharedKey);
      const payload = s.decryptAndHash(message.subarray(KEY_BYTES));
      if (payload === undefined) return undefined;
      const [sendKey, receiveKey] = s.split();
      return { payload, sendKey, receiveKey, handshakeHash: s.handshakeHash };
    } finally {
      s.wipe();
    }
  }

  /** Erases the ephemeral key and all that was derived from it. */
  wipe(): void {
    this.#ephemeral.fill(0);
    this.#symmetric.wipe();
  }
}

/**
 * The side that answers, step by step, so that the caller can stop before the expensive ones: `readStatic`, is it a peer?
 * `readPayload`, is it new? `writeMessage2`. Whatever happens, `wipe` comes last.
 */
export class ResponderHandshake {
  readonly #symmetric: SymmetricState;
  readonly #localStatic: StaticKeys;
  readonly #presharedKey: Uint8Array;
  readonly #message1: Uint8Array;
  readonly #remoteEphemeral: Uint8Array;
  #remoteStatic: Uint8Array | undefined;

  /** `message1`, at least 96 bytes, is borrowed until `readPayload` returns. */
  constructor(message1: Uint8Array, options: HandshakeOptions) {
    this.#message1 = message1;
    this.#localStatic = options.localStatic;
    this.#presharedKey = options.presharedKey ?? new Uint8Array(KEY_BYTES);
    this.#remoteEphemeral = message1.slice(0, KEY_BYTES);
    this.#symmetric = initialize(options.prologue);
    this.#symmetric.mixHash(this.#localStatic.publicKey); // <- s
  }

  /** The initiator's static public key, 32 bytes; `undefined` when the message was not made for our key. */
  readStatic(): Uint8Array | undefined {
    // e
    mixEphemeral(this.#symmetric, this.#remoteEphemeral);
    // es
    if (!mixExchange(this.#symmetric, this.#localStatic.privateKey, this.#remoteEphemeral)) {
      return undefined;
    }
    // s
    const sealed = this.#message1.subarray(KEY_BYTES, KEY_BYTES + SEALED_STATIC_BYTES);
    this.#remoteStatic = this.#symmetric.decryptAndHash(sealed);
    return this.#remoteStatic;
  }

  /** The payload of the first message; `undefined` when the initiator does not hold its static key. */
  readPayload(staticShared: Uint8Array): Uint8Array | undefined {
    // ss
    this.#symmetric.mixKey(staticShared);
    return this.#symmetric.decryptAndHash(this.#message1.subarray(KEY_BYTES + SEALED_STATIC_BYTES));
  }

  /**
   * The second message, and the keys. Takes over `ephemeralPrivateKey`, 32 fresh bytes, and erases it.
   * `undefined` when the initiator's ephemeral or static key is of small order. Call after `readPayload` succeeded.
   */
  writeMessage2(
    ephemeralPrivateKey: Uint8Array,
    payload: Uint8Array,
  ): TransportKeys & { message: Uint8Array } | undefined {
    if (this.#remoteStatic === undefined) throw new TypeError("readStatic must come first");
    const s = this.#symmetric;
    try {
      // e
      const ephemeralPublic = publicKey(ephemeralPrivateKey);
      mixEphemeral(s, ephemeralPublic);
      // ee, se
      if (!mixExchange(s, ephemeralPrivateKey, this.#remoteEphemeral)) return undefined;
      if (!mixExchange(s, ephemeralPrivateKey, this.#remoteStatic)) return undefined;
      // psk
      s.mixKeyAndHash(this.#presharedKey);
      const message = concatBytes(ephemeralPublic, s.encryptAndHash(payload));
      const [receiveKey, sendKey] = s.split();
      return { message, sendKey, receiveKey, handshakeHash: s.handshakeHash };
    } finally {
      ephemeralPrivateKey.fill(0);
    }
  }

  /** Erases what was derived so far. */
  wipe(): void {
    this.#symmetric.wipe();
  }
}

function initialize(prologue: Uint8Array | undefined): SymmetricState {
  const text = new TextEncoder();
  return new SymmetricState(text.encode(CONSTRUCTION), prologue ?? text.encode(IDENTIFIER));
}

/** The token `e`, which in handshakes with a psk is mixed into the key too (Noise §9.2). */
function mixEphemeral(symmetric: SymmetricState, ephemeralPublic: Uint8Array): void {
  symmetric.mixHash(ephemeralPublic);
  symmetric.mixKey(ephemeralPublic);
}

/** The tokens `ee`, `es` and `se`. False for an all-zero result. */
function mixExchange(
  symmetric: SymmetricState,
  privateKey: Uint8Array,
  remotePublicKey: Uint8Array,
): boolean {
  const shared = sharedSecret(privateKey, remotePublicKey);
  if (shared === undefined) return false;
  symmetric.mixKey(shared);
  shared.fill(0);
  return true;
}
