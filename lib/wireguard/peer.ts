/**
 * One peer of a device: its sessions, its handshakes and its timers, and what is to be done when one of them calls for
 * it (whitepaper §6; wireguard-go `device/peer.go`, `device/send.go`, `device/receive.go`).
 * Methods are for `device.ts`; owners read the fields.
 * Left out on purpose: queueing of packets that cannot be sent yet (the owner keeps them), endpoints and roaming.
 */
import type { Instant } from "../base/core.ts";
import type { AllowedAddresses } from "./allowed_addresses.ts";
import { REKEY_TIMEOUT_MS, TAG_BYTES } from "./constants.ts";
import type { DeviceContext, PeerEvent } from "./context.ts";
import type { DropReason } from "./counters.ts";
import { paddedLength } from "./data_message.ts";
import type { ResponderHandshake } from "./handshake.ts";
import { Keypairs } from "./keypairs.ts";
import { FIRST_PACKET_MS, MIN_INITIATE_GAP_MS } from "./limits.ts";
import {
  type CookieReply,
  DATA_HEADER_BYTES,
  type Initiation,
  MIN_DATA_BYTES,
  type Response,
} from "./messages.ts";
import { PeerHandshake } from "./peer_handshake.ts";
import type { Session } from "./session.ts";
import { PeerTimers } from "./timers.ts";

export type WireguardEvent = PeerEvent<WireguardPeer>;

export interface InitiateOptions {
  /**
   * How old the last initiation must be, in milliseconds, as long as no session can carry data: what its response needs to
   * arrive, since a new initiation makes that response worthless. A younger one is repeated when it has this age.
   * @default 250
   */
  readonly minGapMs?: number;
}

export class WireguardPeer {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** Packets under session keys: those that came, each once, and those it sent, by the counters in them. For owners to read. */
  readonly packets = { came: 0, knownSent: 0 };
  /** Free for the owner. */
  tag?: unknown;
  readonly #context: DeviceContext<WireguardPeer>;
  readonly #handshake: PeerHandshake;
  readonly #timers: PeerTimers;
  readonly #keypairs = new Keypairs();
  #allowedAddresses: AllowedAddresses | undefined;
  #lastHandshakeAt: Instant | undefined;
  #handshakeSentAt: Instant = -Infinity;
  #bytesIn = 0;
  #bytesOut = 0;
  #isRemoved = false;

  constructor(publicKey: Uint8Array, context: DeviceContext<WireguardPeer>) {
    this.publicKey = new Uint8Array(publicKey);
    this.#context = context;
    this.#timers = new PeerTimers(context.random);
    this.#handshake = new PeerHandshake({
      localStatic: context.localStatic,
      remoteStaticPublicKey: this.publicKey,
      random: context.random,
      wallMsAtZero: context.wallMsAtZero,
      rekeyAfterMessages: context.rekeyAfterMessages,
      allocateIndex: () => context.indices.allocate(this),
      freeIndex: (index) => context.indices.free(index),
    });
  }

  /** When the current session was agreed on; stays when it expires. */
  get lastHandshakeAt(): Instant | undefined {
    return this.#lastHandshakeAt;
  }

  /** When the peer was heard last: data, keepalive or handshake; `-Infinity` for never. */
  get heardAt(): Instant {
    return this.#timers.heardAt;
  }

  /** When data was sent to it last, not a mere keepalive; `-Infinity` for never. */
  get dataSentAt(): Instant {
    return this.#timers.dataSentAt;
  }

  /** Bytes of authenticated datagrams from this peer. */
  get bytesIn(): number {
    return this.#bytesIn;
  }

  /** Bytes of datagrams to this peer. */
  get bytesOut(): number {
    return this.#bytesOut;
  }

  /** Addresses the peer may send from; `undefined` for any. */
  get allowedAddresses(): AllowedAddresses | undefined {
    return this.#allowedAddresses;
  }

  setAllowedAddresses(addresses: AllowedAddresses | undefined): void {
    this.#allowedAddresses = addresses;
  }

  canSeal(now: Instant): boolean {
    return this.#keypairs.current?.canSend(now) ?? false;
  }

  /** As `WireguardDevice.seal`. */
  seal(buffer: Uint8Array, offset: number, length: number, now: Instant): number {
    const session = this.#keypairs.current;
    if (session === undefined || !session.canSend(now)) {
      this.#wantSession(now);
      return 0;
    }
    const plaintextAt = offset + DATA_HEADER_BYTES;
    const padded = paddedLength(length);
    const datagramBytes = DATA_HEADER_BYTES + padded + TAG_BYTES;
    if (!(offset >= 0 && length >= 0) || offset + datagramBytes > buffer.length) {
      throw new RangeError(
        `Cannot seal ${length} bytes at ${offset}: need ${datagramBytes} of ${buffer.length}`,
      );
    }
    const counter = session.takeCounter();
    session.header.write(buffer, offset, counter);
    for (let i = length; i < padded; i++) buffer[plaintextAt + i] = 0; // whitepaper §5.4.6
    this.#context.aead.sealInPlace(session.sendKey, counter, buffer, plaintextAt, padded);
    if (length > 0) {
      this.#timers.dataSent(now);
      this.#context.counters.packetsSent++;
    } else {
      this.#context.counters.keepalivesSent++;
    }
    this.#sent(datagramBytes, now);
    if (session.needsRekeyOnSend(now)) this.#renew(now); // whitepaper §6.2
    return datagramBytes;
  }

  /** As `WireguardDevice.initiate`. */
  initiate(now: Instant, options: InitiateOptions = {}): void {
    if (this.#isRemoved) return;
    this.#timers.handshakeWanted();
    const hasSession = this.canSeal(now);
    const gapMs = hasSession ? REKEY_TIMEOUT_MS : options.minGapMs ?? MIN_INITIATE_GAP_MS;
    const earliestAt = this.#handshakeSentAt + gapMs;
    if (now >= earliestAt) this.#begin(now);
    else if (!hasSession) this.#timers.initiateBy(earliestAt);
  }

  /** `undefined` for none. */
  setPersistentKeepalive(intervalMs: number | undefined, now: Instant): void {
    this.#timers.persistentKeepaliveChanged(intervalMs, now);
    // As wireguard-go: turning it on says something at once, and so begins the first handshake.
    if (intervalMs !== undefined) this.#sendKeepalive(now);
  }

  /** Takes an initiation that was made with this peer's static key; the reason if it is dropped. */
  handleInitiation(
    responder: ResponderHandshake,
    initiation: Initiation,
    now: Instant,
  ): DropReason | undefined {
    const reason = this.#handshake.consumeInitiation(responder, now);
    if (reason !== undefined) return reason;
    const answer = this.#handshake.createResponse(responder, initiation.senderIndex, now);
    if (answer === undefined) return "bad-initiation";
    this.#context.indices.assign(this, answer.session);
    this.#release(this.#keypairs.installResponded(answer.session));
    this.#timers.sessionDerived(now);
    this.#timers.authenticatedReceived(now);
    this.#handshakeSentAt = now;
    this.#transmit(answer.datagram, now);
    this.#context.counters.responsesSent++;
    return undefined;
  }

  /** Takes a response to a handshake of this peer; the reason if it is dropped. */
  handleResponse(response: Response, now: Instant): DropReason | undefined {
    const session = this.#handshake.consumeResponse(response, now);
    if (session === undefined) return "bad-response";
    const isFirst = !this.canSeal(now);
    this.#context.indices.assign(this, session);
    this.#release(this.#keypairs.installInitiated(session));
    this.#timers.authenticatedReceived(now);
    this.#timers.sessionDerived(now);
    this.#established(now, isFirst);
    // The responder sends nothing under the new keys before it got something (whitepaper §5.4.3).
    this.#sendKeepalive(now);
    return undefined;
  }

  /** Takes a cookie reply to a handshake of this peer; the reason if it is dropped. */
  handleCookieReply(reply: CookieReply, now: Instant): DropReason | undefined {
    return this.#handshake.consumeCookieReply(reply, now) ? undefined : "bad-cookie-reply";
  }

  /** Should be called after a datagram of `session` was decrypted and found new. */
  sessionReceived(session: Session, now: Instant): void {
    this.#timers.authenticatedReceived(now);
    this.packets.came++;
    this.packets.knownSent += session.takeKnownSent();
    const isFirst = this.#keypairs.hasUnconfirmed && !this.canSeal(now);
    const left = this.#keypairs.confirm(session);
    if (left !== undefined) {
      this.#release(left);
      this.#established(now, isFirst);
    }
    if (this.#keypairs.current?.takeRekeyOnReceive(now)) this.#renew(now); // whitepaper §6.2
  }

  /** Should be called after `sessionReceived` when the datagram was no keepalive. */
  dataReceived(now: Instant): void {
    this.#timers.dataReceived(now);
  }

  /** Should be called with the size of every authenticated datagram. */
  countReceived(datagramBytes: number): void {
    this.#bytesIn += datagramBytes;
    this.#context.counters.bytesReceived += datagramBytes;
  }

  handleTimeout(now: Instant): void {
    for (let due = this.#timers.pop(now); due !== undefined; due = this.#timers.pop(now)) {
      switch (due) {
        case "retransmit":
          this.#retry(now);
          break;
        case "passive-keepalive":
          this.#sendKeepalive(now);
          this.#timers.passiveKeepaliveSent(now);
          break;
        case "new-handshake":
          this.#renew(now);
          break;
        case "persistent-keepalive":
          this.#sendKeepalive(now);
          break;
        case "zero-keys":
          this.#zeroKeys();
          break;
      }
    }
  }

  pollTimeout(): Instant | undefined {
    return this.#timers.next();
  }

  /** Erases everything; the peer does nothing from now on. */
  remove(): void {
    this.#isRemoved = true;
    this.#timers.stop();
    this.#release(this.#keypairs.clear());
    this.#handshake.wipe();
  }

  /** As `WireguardDevice.want`. */
  want(now: Instant): void {
    if (!this.canSeal(now)) this.#wantSession(now);
  }

  /** A packet is there and no session to send it with. */
  #wantSession(now: Instant): void {
    if (this.#isRemoved) return;
    this.#timers.handshakeWanted();
    if (this.#timers.isRetransmitArmed) return;
    // We have just responded: the initiator's first packet will give us a session, if it still waits for our answer.
    const at = this.#handshakeSentAt + FIRST_PACKET_MS;
    if (this.#keypairs.hasUnconfirmed && now < at) this.#timers.initiateBy(at);
    else this.#begin(now);
  }

  /** A new session is wanted while the old one still sends. */
  #renew(now: Instant): void {
    this.#timers.handshakeWanted();
    if (this.#timers.isRetransmitArmed) return;
    if (now - this.#handshakeSentAt >= REKEY_TIMEOUT_MS) this.#begin(now); // whitepaper §6.1
  }

  #begin(now: Instant): void {
    this.#timers.handshakeBegun();
    this.#sendInitiation(now);
  }

  #retry(now: Instant): void {
    if (this.#timers.takeRetry()) {
      this.#sendInitiation(now);
      return;
    }
    this.#handshake.abandon();
    this.#timers.handshakeAbandoned(now);
    this.#context.counters.handshakesAbandoned++;
    this.#context.emit({ kind: "unanswered", peer: this });
  }

  #sendInitiation(now: Instant): void {
    const datagram = this.#handshake.createInitiation(now);
    if (datagram === undefined) return;
    this.#handshakeSentAt = now;
    this.#transmit(datagram, now);
    this.#timers.initiationSent(now, { isUrgent: !this.canSeal(now) });
    this.#context.counters.initiationsSent++;
  }

  #sendKeepalive(now: Instant): void {
    const datagram = new Uint8Array(MIN_DATA_BYTES);
    if (this.seal(datagram, 0, 0, now) > 0) this.#context.transmit(this, datagram);
  }

  #transmit(datagram: Uint8Array, now: Instant): void {
    this.#context.transmit(this, datagram);
    this.#sent(datagram.length, now);
  }

  #sent(datagramBytes: number, now: Instant): void {
    this.#timers.authenticatedSent(now);
    this.#bytesOut += datagramBytes;
    this.#context.counters.bytesSent += datagramBytes;
  }

  #established(now: Instant, isFirst: boolean): void {
    this.#lastHandshakeAt = now;
    this.#timers.handshakeCompleted();
    this.#context.counters.sessionsEstablished++;
    this.#context.emit({ kind: "established", peer: this, isFirst });
  }

  #zeroKeys(): void {
    const sessions = this.#keypairs.clear();
    this.#release(sessions);
    if (!this.#timers.isRetransmitArmed) this.#handshake.wipe();
    if (sessions.length > 0) this.#context.emit({ kind: "expired", peer: this });
  }

  #release(sessions: readonly Session[]): void {
    for (const session of sessions) {
      this.#context.indices.free(session.localIndex);
      session.wipe();
    }
  }
}
