/**
 * The handshakes with one peer, in both roles (whitepaper §5.4.2, §5.4.3, §5.1): what they need to remember, and the
 * way from Noise messages to datagrams and sessions. Who calls when is `peer.ts`.
 *
 * The initiator's pending state is apart from the responder's, unlike in wireguard-go, where consuming the peer's
 * initiation overwrites our own: here two initiations that cross both lead to a session.
 */
import type { Instant, Random } from "../base/core.ts";
import { generatePrivateKey, sharedSecret } from "../crypto/x25519.ts";
import { MacWriter } from "./cookie.ts";
import type { DropReason } from "./counters.ts";
import { InitiatorHandshake, type ResponderHandshake, type StaticKeys } from "./handshake.ts";
import { MIN_INITIATION_GAP_MS } from "./limits.ts";
import { type CookieReply, encodeInitiation, encodeResponse, type Response } from "./messages.ts";
import { Session } from "./session.ts";
import { isLaterTimestamp, TimestampSource } from "./tai64n.ts";

const EMPTY = new Uint8Array(0);

export interface PeerHandshakeOptions {
  readonly localStatic: StaticKeys;
  /** 32 bytes. */
  readonly remoteStaticPublicKey: Uint8Array;
  readonly random: Random;
  readonly wallMsAtZero: number;
  readonly rekeyAfterMessages: number;
  readonly allocateIndex: () => number;
  readonly freeIndex: (index: number) => void;
}

/**
 * The initiation of ours that may still be answered: one per peer, the newest. A responder keeps one unconfirmed session,
 * so that the answer to an older one leads to keys which the responder has replaced already.
 */
type PendingInitiation =
  | { readonly kind: "none" }
  | { readonly kind: "sent"; readonly noise: InitiatorHandshake; readonly localIndex: number };

const NO_INITIATION: PendingInitiation = { kind: "none" };

export class PeerHandshake {
  readonly #options: PeerHandshakeOptions;
  readonly #macs: MacWriter;
  readonly #timestamps: TimestampSource;
  #pending: PendingInitiation = NO_INITIATION;
  /** The exchange of both static keys, once it was needed; "invalid" for a key of small order. */
  #staticShared: Uint8Array | "invalid" | undefined;
  #greatestTimestamp: Uint8Array | undefined;
  #consumedInitiationAt: Instant = -Infinity;

  constructor(options: PeerHandshakeOptions) {
    this.#options = options;
    this.#macs = new MacWriter(options.remoteStaticPublicKey);
    this.#timestamps = new TimestampSource(options.wallMsAtZero);
  }

  /** A new initiation, in place of the pending one; `undefined` when the peer's public key is of small order. */
  createInitiation(now: Instant): Uint8Array | undefined {
    const staticShared = this.#exchangeStatic();
    if (staticShared === undefined) return undefined;
    this.abandon();
    const { localStatic, remoteStaticPublicKey, random } = this.#options;
    const noise = new InitiatorHandshake({ localStatic, remoteStaticPublicKey, staticShared });
    const timestamp = this.#timestamps.next(now);
    const noiseMessage = noise.writeMessage1(generatePrivateKey(random), timestamp);
    if (noiseMessage === undefined) {
      noise.wipe();
      return undefined;
    }
    const localIndex = this.#options.allocateIndex();
    this.#pending = { kind: "sent", noise, localIndex };
    const datagram = encodeInitiation({ senderIndex: localIndex, noiseMessage });
    this.#macs.writeMacs(datagram, now);
    return datagram;
  }

  /** The session that `response` completes; `undefined`, with nothing changed, when it is not the answer. */
  consumeResponse(response: Response, now: Instant): Session | undefined {
    const pending = this.#pending;
    if (pending.kind !== "sent" || pending.localIndex !== response.receiverIndex) return undefined;
    const keys = pending.noise.readMessage2(response.noiseMessage);
    if (keys === undefined) return undefined;
    pending.noise.wipe();
    this.#pending = NO_INITIATION; // the index lives on in the session
    return new Session({
      keys,
      localIndex: pending.localIndex,
      remoteIndex: response.senderIndex,
      isInitiator: true,
      createdAt: now,
      rekeyAfterMessages: this.#options.rekeyAfterMessages,
    });
  }

  /** Checks that an initiation of this peer is authentic, new, and not too soon; the reason if it is to be dropped. */
  consumeInitiation(responder: ResponderHandshake, now: Instant): DropReason | undefined {
    const staticShared = this.#exchangeStatic();
    const timestamp = staticShared && responder.readPayload(staticShared);
    if (timestamp === undefined) return "bad-initiation";
    const greatest = this.#greatestTimestamp;
    if (greatest !== undefined && !isLaterTimestamp(timestamp, greatest)) return "old-timestamp"; // whitepaper §5.1
    if (now - this.#consumedInitiationAt <= MIN_INITIATION_GAP_MS) return "initiation-flood";
    this.#greatestTimestamp = timestamp;
    this.#consumedInitiationAt = now;
    return undefined;
  }

  /**
   * The response to an initiation that `consumeInitiation` let through, and the session it leads to.
   * `undefined` when the initiator's ephemeral key is of small order.
   */
  createResponse(
    responder: ResponderHandshake,
    remoteIndex: number,
    now: Instant,
  ): { readonly datagram: Uint8Array; readonly session: Session } | undefined {
    const keys = responder.writeMessage2(generatePrivateKey(this.#options.random), EMPTY);
    if (keys === undefined) return undefined;
    const localIndex = this.#options.allocateIndex();
    const datagram = encodeResponse({
      senderIndex: localIndex,
      receiverIndex: remoteIndex,
      noiseMessage: keys.message,
    });
    this.#macs.writeMacs(datagram, now);
    const session = new Session({
      keys,
      localIndex,
      remoteIndex,
      isInitiator: false,
      createdAt: now,
      rekeyAfterMessages: this.#options.rekeyAfterMessages,
    });
    return { datagram, session };
  }

  /** Keeps the cookie for the next initiation; false when the reply is not for the message we sent last. */
  consumeCookieReply(reply: CookieReply, now: Instant): boolean {
    return this.#macs.consumeReply(reply, now);
  }

  /** Gives up the pending initiation: a response to it is not taken any more. */
  abandon(): void {
    if (this.#pending.kind === "none") return;
    this.#pending.noise.wipe();
    this.#options.freeIndex(this.#pending.localIndex);
    this.#pending = NO_INITIATION;
  }

  /** Erases all secrets. What makes old initiations recognisable stays. */
  wipe(): void {
    this.abandon();
    this.#macs.wipe();
    if (this.#staticShared instanceof Uint8Array) this.#staticShared.fill(0);
    this.#staticShared = undefined;
  }

  #exchangeStatic(): Uint8Array | undefined {
    const { localStatic, remoteStaticPublicKey } = this.#options;
    this.#staticShared ??= sharedSecret(localStatic.privateKey, remoteStaticPublicKey) ?? "invalid";
    return this.#staticShared === "invalid" ? undefined : this.#staticShared;
  }
}
