/**
 * The WireGuard core: one static key, many peers, both roles (whitepaper §5, §6). Datagrams and packets go in and out,
 * what arrives is judged here from the cheapest question to the most expensive one, and what must leave waits to be polled.
 *
 * Four kinds of methods: `handleDatagram` and `handleTimeout` for what happened; `seal`, `initiate`, `addPeer` and the
 * like for what the owner wants; `pollTransmit`, `pollEvent`, `pollTimeout` for what follows, drained after each of the
 * others. Nothing a datagram holds makes a method throw: it is dropped, and counted.
 * Not here: where a datagram comes from or goes to, which `lib/tailnet/` knows.
 */
import { assertLength, KEY_BYTES, toHex } from "../base/bytes.ts";
import type { Core, Instant, Random } from "../base/core.ts";
import { earlier } from "../base/deadlines.ts";
import type { Aead } from "../crypto/aead.ts";
import { publicKey } from "../crypto/x25519.ts";
import { AllowedAddresses } from "./allowed_addresses.ts";
import { BoundedQueue } from "./bounded_queue.ts";
import { TAG_BYTES } from "./constants.ts";
import type { DeviceContext } from "./context.ts";
import { MacChecker } from "./cookie.ts";
import { type DropReason, WireguardCounters } from "./counters.ts";
import { DataHeaderReader } from "./data_message.ts";
import { ResponderHandshake } from "./handshake.ts";
import { HandshakeGate, type HandshakeGateOptions } from "./handshake_gate.ts";
import { type InboundResult, InboundResults } from "./inbound.ts";
import { IndexTable } from "./index_table.ts";
import { MAX_QUEUED_DATAGRAMS, MAX_QUEUED_EVENTS, REKEY_AFTER_MESSAGES } from "./limits.ts";
import {
  DATA_HEADER_BYTES,
  decodeCookieReply,
  decodeInitiation,
  decodeResponse,
  MessageType,
  messageTypeOf,
} from "./messages.ts";
import { type InitiateOptions, type WireguardEvent, WireguardPeer } from "./peer.ts";

const NO_SOURCE = new Uint8Array(0);

export interface WireguardDeviceOptions extends HandshakeGateOptions {
  /** 32 bytes, copied. */
  readonly privateKey: Uint8Array;
  readonly random: Random;
  readonly aead: Aead;
  /** Unix time in milliseconds at instant 0, for the timestamps of initiations. */
  readonly wallMsAtZero: number;
  /** Packets after which a session is renewed. @default 2^52 */
  readonly rekeyAfterMessages?: number;
}

export interface AddPeerOptions {
  /** 32 bytes, copied. */
  readonly publicKey: Uint8Array;
  /** @default none */
  readonly persistentKeepaliveMs?: number;
  /** Addresses the peer may send from, 16 bytes each, copied. @default any */
  readonly allowedAddresses?: readonly Uint8Array[];
}

export class WireguardDevice implements Core<WireguardEvent> {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  readonly counters = new WireguardCounters();
  readonly #context: DeviceContext<WireguardPeer>;
  readonly #peers = new Map<string, WireguardPeer>();
  readonly #macs: MacChecker;
  readonly #gate: HandshakeGate;
  readonly #header = new DataHeaderReader();
  readonly #transmits = new BoundedQueue<{ peer: WireguardPeer; datagram: Uint8Array }>(
    MAX_QUEUED_DATAGRAMS,
  );
  readonly #events = new BoundedQueue<WireguardEvent>(MAX_QUEUED_EVENTS);
  readonly #results = new InboundResults();

  /** Throws `RangeError` when the private key has not 32 bytes or a rate is out of range. */
  constructor(options: WireguardDeviceOptions) {
    assertLength(options.privateKey, KEY_BYTES, "privateKey");
    const privateKey = new Uint8Array(options.privateKey);
    this.publicKey = publicKey(privateKey);
    this.#macs = new MacChecker(this.publicKey, options.random);
    this.#gate = new HandshakeGate(options);
    this.#context = {
      localStatic: { privateKey, publicKey: this.publicKey },
      random: options.random,
      aead: options.aead,
      wallMsAtZero: options.wallMsAtZero,
      rekeyAfterMessages: options.rekeyAfterMessages ?? REKEY_AFTER_MESSAGES,
      indices: new IndexTable(options.random),
      counters: this.counters,
      transmit: (peer, datagram) => this.#transmit(peer, datagram),
      emit: (event) => this.#emit(event),
    };
  }

  /** The peer with this key, made if there is none; options that are given replace those of a peer that is there. */
  addPeer(options: AddPeerOptions, now: Instant): WireguardPeer {
    assertLength(options.publicKey, KEY_BYTES, "publicKey");
    const name = toHex(options.publicKey);
    const peer = this.#peers.get(name) ?? new WireguardPeer(options.publicKey, this.#context);
    this.#peers.set(name, peer);
    if (options.allowedAddresses !== undefined) {
      peer.setAllowedAddresses(new AllowedAddresses(options.allowedAddresses));
    }
    if (options.persistentKeepaliveMs !== undefined) {
      peer.setPersistentKeepalive(options.persistentKeepaliveMs, now);
    }
    return peer;
  }

  /** Erases the peer's keys and drops what waits to be polled for it. */
  removePeer(peer: WireguardPeer): void {
    peer.remove();
    const name = toHex(peer.publicKey);
    // One that was removed before may have been added again under the same key.
    if (this.#peers.get(name) === peer) this.#peers.delete(name);
    this.#transmits.remove((item) => item.peer === peer);
    this.#events.remove((event) => event.peer === peer);
  }

  /** Removes all peers and erases the private key: the device is of no use afterwards. */
  close(): void {
    for (const peer of [...this.#peers.values()]) this.removePeer(peer);
    this.#macs.wipe();
    this.#context.localStatic.privateKey.fill(0);
  }

  peerOf(publicKey: Uint8Array): WireguardPeer | undefined {
    return this.#peers.get(toHex(publicKey));
  }

  get peers(): IterableIterator<WireguardPeer> {
    return this.#peers.values();
  }

  /**
   * Takes one datagram, which is borrowed and decrypted in place. The result is reused by the next call.
   * `source` says where it came from, in any form that the owner likes: cookies are bound to it.
   */
  handleDatagram(
    datagram: Uint8Array,
    now: Instant,
    source: Uint8Array = NO_SOURCE,
  ): InboundResult {
    switch (messageTypeOf(datagram)) {
      case MessageType.data:
        return this.#handleData(datagram, now);
      case MessageType.initiation:
        return this.#handleInitiation(datagram, now, source);
      case MessageType.response:
        return this.#handleResponse(datagram, now, source);
      case MessageType.cookieReply:
        return this.#handleCookieReply(datagram, now);
      case undefined:
        return this.#drop("malformed");
    }
  }

  /** Whether a packet can be sealed to this peer right now. */
  canSeal(peer: WireguardPeer, now: Instant): boolean {
    return peer.canSeal(now);
  }

  /**
   * Seals the inner packet at `buffer[offset + 16 .. offset + 16 + length)` in place: header before it, padding and tag
   * behind. Returns the datagram's length from `offset` on; 0 when no session can send: then a handshake is under way
   * or was begun. Needs 16 bytes before and 15 + 16 behind the packet; throws `RangeError` when they are not there.
   * An empty packet is a keepalive.
   */
  seal(
    peer: WireguardPeer,
    buffer: Uint8Array,
    offset: number,
    length: number,
    now: Instant,
  ): number {
    return peer.seal(buffer, offset, length, now);
  }

  /** Should be called when a packet waits: unless a session can send it, a handshake is begun if none is under way. */
  want(peer: WireguardPeer, now: Instant): void {
    peer.want(now);
  }

  /**
   * Begins a handshake now, with the quick retries of a first contact if no session can send. Does nothing when our last
   * handshake message is younger than 250 ms, or than 5 s while a session can send.
   */
  initiate(peer: WireguardPeer, now: Instant, options: InitiateOptions = {}): void {
    peer.initiate(now, options);
  }

  /** `undefined` turns it off; turning it on sends an empty packet at once. */
  setPersistentKeepalive(peer: WireguardPeer, intervalMs: number | undefined, now: Instant): void {
    peer.setPersistentKeepalive(intervalMs, now);
  }

  /** Handshake messages and keepalives that must leave. The datagram is the caller's. */
  pollTransmit(): { readonly peer: WireguardPeer; readonly datagram: Uint8Array } | undefined {
    return this.#transmits.shift();
  }

  pollEvent(): WireguardEvent | undefined {
    return this.#events.shift();
  }

  handleTimeout(now: Instant): void {
    for (const peer of this.#peers.values()) peer.handleTimeout(now);
  }

  pollTimeout(): Instant | undefined {
    let next: Instant | undefined;
    for (const peer of this.#peers.values()) next = earlier(next, peer.pollTimeout());
    return next;
  }

  #handleData(datagram: Uint8Array, now: Instant): InboundResult {
    const header = this.#header;
    if (!header.read(datagram)) return this.#drop("counter-limit");
    const entry = this.#context.indices.get(header.receiverIndex);
    const session = entry?.session;
    if (entry === undefined || session === undefined) return this.#drop("unknown-index");
    if (session.isExpired(now)) return this.#drop("expired-session"); // whitepaper §6.2
    const counter = header.counter;
    const sealedBytes = datagram.length - DATA_HEADER_BYTES;
    const { aead } = this.#context;
    if (!aead.openInPlace(session.receiveKey, counter, datagram, DATA_HEADER_BYTES, sealedBytes)) {
      return this.#drop("bad-tag");
    }
    if (!session.replay.accept(counter)) return this.#drop("replayed"); // whitepaper §5.4.6
    const peer = entry.owner;
    peer.countReceived(datagram.length);
    peer.sessionReceived(session, now);
    if (sealedBytes === TAG_BYTES) {
      this.counters.keepalivesReceived++;
      return this.#results.none("keepalive", peer);
    }
    peer.dataReceived(now);
    return this.#unwrap(datagram, sealedBytes - TAG_BYTES, peer);
  }

  #unwrap(datagram: Uint8Array, plaintextBytes: number, peer: WireguardPeer): InboundResult {
    const packetBytes = this.#header.ipv6PacketBytes(datagram, DATA_HEADER_BYTES, plaintextBytes);
    if (packetBytes === 0) return this.#drop("bad-inner-packet", peer);
    if (peer.allowedAddresses?.includeSourceOf(datagram, DATA_HEADER_BYTES) === false) {
      return this.#drop("source-not-allowed", peer); // whitepaper §2
    }
    this.counters.packetsReceived++;
    const packet = datagram.subarray(DATA_HEADER_BYTES, DATA_HEADER_BYTES + packetBytes);
    return this.#results.data(peer, packet);
  }

  #handleInitiation(datagram: Uint8Array, now: Instant, source: Uint8Array): InboundResult {
    const initiation = decodeInitiation(datagram);
    const refusal = this.#checkMacs(datagram, initiation.senderIndex, now, source);
    if (refusal !== undefined) return refusal;
    const { localStatic } = this.#context;
    const responder = new ResponderHandshake(initiation.noiseMessage, { localStatic });
    try {
      const remoteStatic = responder.readStatic();
      if (remoteStatic === undefined) return this.#drop("bad-initiation");
      const peer = this.peerOf(remoteStatic);
      if (peer === undefined) return this.#drop("unknown-peer");
      const reason = peer.handleInitiation(responder, initiation, now);
      if (reason !== undefined) return this.#drop(reason);
      peer.countReceived(datagram.length);
      this.counters.initiationsReceived++;
      return this.#results.none("initiation", peer);
    } finally {
      responder.wipe();
    }
  }

  #handleResponse(datagram: Uint8Array, now: Instant, source: Uint8Array): InboundResult {
    const response = decodeResponse(datagram);
    const refusal = this.#checkMacs(datagram, response.senderIndex, now, source);
    if (refusal !== undefined) return refusal;
    const entry = this.#context.indices.get(response.receiverIndex);
    if (entry === undefined || entry.session !== undefined) {
      return this.#drop("unexpected-response");
    }
    const reason = entry.owner.handleResponse(response, now);
    if (reason !== undefined) return this.#drop(reason);
    entry.owner.countReceived(datagram.length);
    this.counters.responsesReceived++;
    return this.#results.none("response", entry.owner);
  }

  #handleCookieReply(datagram: Uint8Array, now: Instant): InboundResult {
    const reply = decodeCookieReply(datagram);
    const peer = this.#context.indices.get(reply.receiverIndex)?.owner;
    const reason = peer === undefined ? "bad-cookie-reply" : peer.handleCookieReply(reply, now);
    if (peer === undefined || reason !== undefined) return this.#drop(reason ?? "bad-cookie-reply");
    this.counters.cookieRepliesReceived++;
    return this.#results.none("cookie-reply", peer);
  }

  /** What to answer to a handshake message that is not worth a key exchange; `undefined` when it is. */
  #checkMacs(
    message: Uint8Array,
    senderIndex: number,
    now: Instant,
    source: Uint8Array,
  ): InboundResult | undefined {
    if (!this.#macs.isMac1Valid(message)) return this.#drop("bad-mac1"); // whitepaper §5.1, silence
    if (this.#gate.isUnderLoad(now) && !this.#macs.isMac2Valid(message, source, now)) {
      if (!this.#gate.admitReply()) return this.#drop("rate-limited");
      const reply = this.#macs.createReply(message, { senderIndex, source, now });
      this.counters.cookieRepliesSent++;
      return this.#drop("cookie-required", undefined, reply);
    }
    return this.#gate.admit() ? undefined : this.#drop("rate-limited");
  }

  #drop(reason: DropReason, peer?: WireguardPeer, reply?: Uint8Array): InboundResult {
    this.counters.drops[reason]++;
    return this.#results.none(reason, peer, reply);
  }

  #transmit(peer: WireguardPeer, datagram: Uint8Array): void {
    if (!this.#transmits.push({ peer, datagram })) this.counters.queueOverflows++;
  }

  #emit(event: WireguardEvent): void {
    if (!this.#events.push(event)) this.counters.queueOverflows++;
  }
}
