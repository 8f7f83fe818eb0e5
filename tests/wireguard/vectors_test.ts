import { deepStrictEqual, ok, strictEqual } from "node:assert";
import { concatBytes, fromHex, toHex } from "../../lib/base/bytes.ts";
import { aeadOpen, aeadSeal } from "../../lib/crypto/aead.ts";
import { blake2s, kdf1, kdf2, kdf3 } from "../../lib/crypto/blake2s.ts";
import { publicKey, sharedSecret } from "../../lib/crypto/x25519.ts";
import { CONSTRUCTION, IDENTIFIER } from "../../lib/wireguard/constants.ts";
import { cookieKeyOf, mac1KeyOf, MacChecker, MacWriter } from "../../lib/wireguard/cookie.ts";
import { WireguardDevice } from "../../lib/wireguard/device.ts";
import {
  type HandshakeOptions,
  InitiatorHandshake,
  ResponderHandshake,
} from "../../lib/wireguard/handshake.ts";
import { decodeCookieReply, mac2Offset } from "../../lib/wireguard/messages.ts";
import { ScriptedRandom, sharedAead } from "./support.ts";
import { KDF3, NOISE, WIREGUARD } from "./vectors.ts";

const NO_DATA = new Uint8Array(0);

function required<Type>(value: Type | undefined): Type {
  if (value === undefined) throw new Error("Value is undefined");
  return value;
}

function staticKeys(privateKey: string) {
  const bytes = fromHex(privateKey);
  return { privateKey: bytes, publicKey: publicKey(bytes) };
}

function handshakes(common: Omit<HandshakeOptions, "localStatic">, message1: Uint8Array) {
  const initiatorStatic = staticKeys(NOISE.initiatorStatic);
  const responderStatic = staticKeys(NOISE.responderStatic);
  const staticShared = required(
    sharedSecret(initiatorStatic.privateKey, responderStatic.publicKey),
  );
  const initiator = new InitiatorHandshake({
    ...common,
    localStatic: initiatorStatic,
    remoteStaticPublicKey: responderStatic.publicKey,
    staticShared,
  });
  const responder = new ResponderHandshake(message1, { ...common, localStatic: responderStatic });
  return { initiator, responder, staticShared };
}

Deno.test("kdf1, kdf2, kdf3 reproduce the vectors of wireguard-go", async (t) => {
  for (const row of KDF3) {
    await t.step(row.name, () => {
      const key = fromHex(row.key);
      const input = fromHex(row.input);
      deepStrictEqual(kdf3(key, input).map(toHex), [row.t1, row.t2, row.t3]);
      deepStrictEqual(kdf2(key, input).map(toHex), [row.t1, row.t2]);
      deepStrictEqual(kdf1(key, input).map(toHex), [row.t1]);
    });
  }
});

Deno.test("CONSTRUCTION and IDENTIFIER hash to the published constants (whitepaper §5.4)", () => {
  const text = new TextEncoder();
  const construction = blake2s(text.encode(CONSTRUCTION));
  strictEqual(toHex(construction), WIREGUARD.constructionHash);
  strictEqual(
    toHex(blake2s(construction, text.encode(IDENTIFIER))),
    WIREGUARD.identifierHash,
  );
});

Deno.test("InitiatorHandshake and ResponderHandshake reproduce cacophony's IKpsk2 vector", () => {
  const { initiator, responder, staticShared } = handshakes(
    { prologue: fromHex(NOISE.prologue), presharedKey: fromHex(NOISE.presharedKey) },
    fromHex(NOISE.message1),
  );
  const message1 = initiator.writeMessage1(
    fromHex(NOISE.initiatorEphemeral),
    fromHex(NOISE.payload1),
  );
  strictEqual(toHex(required(message1)), NOISE.message1);
  strictEqual(toHex(required(responder.readStatic())), WIREGUARD.initiatorStaticPublic);
  strictEqual(toHex(required(responder.readPayload(staticShared))), NOISE.payload1);
  const answer = required(
    responder.writeMessage2(fromHex(NOISE.responderEphemeral), fromHex(NOISE.payload2)),
  );
  strictEqual(toHex(answer.message), NOISE.message2);
  const result = required(initiator.readMessage2(answer.message));
  strictEqual(toHex(result.payload), NOISE.payload2);
  strictEqual(toHex(result.handshakeHash), NOISE.handshakeHash);
  strictEqual(toHex(answer.handshakeHash), NOISE.handshakeHash);
  NOISE.transport.forEach(({ payload, message }, i) => {
    const counter = Math.floor(i / 2);
    const [sender, receiver] = i % 2 === 0 ? [result, answer] : [answer, result];
    strictEqual(toHex(aeadSeal(sender.sendKey, counter, fromHex(payload), NO_DATA)), message);
    const opened = aeadOpen(receiver.receiveKey, counter, fromHex(message), NO_DATA);
    strictEqual(toHex(required(opened)), payload);
  });
});

Deno.test("InitiatorHandshake.readMessage2() leaves the handshake usable after a forged answer", () => {
  const { initiator, responder, staticShared } = handshakes(
    {},
    fromHex(WIREGUARD.initiation).slice(8, 116),
  );
  initiator.writeMessage1(fromHex(NOISE.initiatorEphemeral), fromHex(WIREGUARD.timestamp));
  responder.readStatic();
  responder.readPayload(staticShared);
  const answer = required(responder.writeMessage2(fromHex(NOISE.responderEphemeral), NO_DATA));
  const forged = answer.message.map((byte, i) => i === 40 ? byte ^ 1 : byte);
  strictEqual(initiator.readMessage2(forged), undefined);
  strictEqual(initiator.readMessage2(new Uint8Array(48)), undefined); // ephemeral of small order
  ok(initiator.readMessage2(answer.message));
});

/** A device with the initiator's keys whose first initiation is the one of the vector. */
function vectorInitiator() {
  const device = new WireguardDevice({
    privateKey: fromHex(NOISE.initiatorStatic),
    random: new ScriptedRandom(
      NOISE.initiatorEphemeral,
      "11223344", // index
      "00000000", // jitter of the retransmission
      "00000000", // jitter of the new-handshake timer
    ),
    aead: sharedAead(),
    wallMsAtZero: WIREGUARD.unixMs,
  });
  const peer = device.addPeer({ publicKey: fromHex(NOISE.responderStaticPublic) }, 0);
  return { device, peer };
}

function vectorResponder() {
  const device = new WireguardDevice({
    privateKey: fromHex(NOISE.responderStatic),
    random: new ScriptedRandom(NOISE.responderEphemeral, "55667788", "00000000"),
    aead: sharedAead(),
    wallMsAtZero: WIREGUARD.unixMs,
  });
  const peer = device.addPeer({ publicKey: fromHex(WIREGUARD.initiatorStaticPublic) }, 0);
  return { device, peer };
}

function sealHex(device: WireguardDevice, peer: Parameters<WireguardDevice["seal"]>[0]): string {
  const plaintext = fromHex(WIREGUARD.plaintext);
  const buffer = new Uint8Array(100).fill(0xff); // padding must be written, not assumed
  buffer.set(plaintext, 3 + 16);
  const length = device.seal(peer, buffer, 3, plaintext.length, 0);
  return toHex(buffer.subarray(3, 3 + length));
}

Deno.test("WireguardDevice as initiator puts the vector's bytes on the wire", () => {
  const { device, peer } = vectorInitiator();
  device.initiate(peer, 0);
  strictEqual(toHex(required(device.pollTransmit()).datagram), WIREGUARD.initiation);
  strictEqual(device.pollTransmit(), undefined);
  const inbound = device.handleDatagram(fromHex(WIREGUARD.response), 0);
  ok(inbound.kind === "none" && inbound.reason === "response" && inbound.peer === peer);
  strictEqual(toHex(required(device.pollTransmit()).datagram), WIREGUARD.keepaliveToResponder);
  strictEqual(sealHex(device, peer), WIREGUARD.dataToResponder);
  // The vector's plaintext is no IPv6 packet: it decrypts, and is dropped only then.
  const answer = device.handleDatagram(fromHex(WIREGUARD.dataToInitiator), 0);
  ok(answer.kind === "none" && answer.reason === "bad-inner-packet" && answer.peer === peer);
});

Deno.test("WireguardDevice as responder puts the vector's bytes on the wire", () => {
  const { device, peer } = vectorResponder();
  const inbound = device.handleDatagram(fromHex(WIREGUARD.initiation), 0);
  ok(inbound.kind === "none" && inbound.reason === "initiation" && inbound.peer === peer);
  strictEqual(toHex(required(device.pollTransmit()).datagram), WIREGUARD.response);
  ok(!device.canSeal(peer, 0)); // whitepaper §5.4.3: not before the first packet
  const keepalive = device.handleDatagram(fromHex(WIREGUARD.keepaliveToResponder), 0);
  ok(keepalive.kind === "none" && keepalive.reason === "keepalive");
  ok(device.canSeal(peer, 0));
  strictEqual(sealHex(device, peer), WIREGUARD.dataToInitiator);
  const data = device.handleDatagram(fromHex(WIREGUARD.dataToResponder), 0);
  ok(data.kind === "none" && data.reason === "bad-inner-packet");
});

Deno.test("mac1KeyOf() and cookieKeyOf() give the vector's keys (whitepaper §5.4.4, §5.4.7)", () => {
  const responder = fromHex(NOISE.responderStaticPublic);
  strictEqual(toHex(mac1KeyOf(responder)), WIREGUARD.mac1KeyOfResponder);
  const initiator = fromHex(WIREGUARD.initiatorStaticPublic);
  strictEqual(toHex(mac1KeyOf(initiator)), WIREGUARD.mac1KeyOfInitiator);
  strictEqual(toHex(cookieKeyOf(responder)), WIREGUARD.cookieKeyOfResponder);
});

Deno.test("MacChecker and MacWriter exchange the vector's cookie (whitepaper §5.4.7)", () => {
  const responder = fromHex(NOISE.responderStaticPublic);
  const initiation = fromHex(WIREGUARD.initiation);
  const source = fromHex(WIREGUARD.cookieSource);
  const checker = new MacChecker(
    responder,
    new ScriptedRandom(WIREGUARD.cookieSecret, WIREGUARD.cookieNonce),
  );
  ok(checker.isMac1Valid(initiation));
  ok(!checker.isMac2Valid(initiation, source, 0));
  const senderIndex = WIREGUARD.initiatorIndex;
  const reply = checker.createReply(initiation, { senderIndex, source, now: 0 });
  strictEqual(toHex(reply), WIREGUARD.cookieReply);

  const writer = new MacWriter(responder);
  const message = concatBytes(initiation.subarray(0, 116), new Uint8Array(32));
  ok(!writer.consumeReply(decodeCookieReply(reply), 0)); // nothing sent yet
  writer.writeMacs(message, 0);
  strictEqual(toHex(message), WIREGUARD.initiation);
  ok(writer.consumeReply(decodeCookieReply(reply), 0));
  ok(!writer.consumeReply(decodeCookieReply(reply), 0)); // there is but one to a message
  writer.writeMacs(message, 119_999);
  strictEqual(toHex(message.subarray(mac2Offset(message.length))), WIREGUARD.initiationMac2);
  ok(checker.isMac2Valid(message, source, 119_999));
  ok(!checker.isMac2Valid(message, fromHex("c00002026cca"), 119_999));
  ok(!checker.isMac2Valid(message, source, 120_000)); // the secret is old
  const later = concatBytes(initiation.subarray(0, 116), new Uint8Array(32));
  writer.writeMacs(later, 120_000); // the cookie is old
  strictEqual(toHex(later.subarray(mac2Offset(later.length))), "00".repeat(16));
});

Deno.test("MacWriter tries a few replies to each message, whoever sends them: opening costs", () => {
  const responder = fromHex(NOISE.responderStaticPublic);
  const writer = new MacWriter(responder);
  const message = concatBytes(fromHex(WIREGUARD.initiation).subarray(0, 116), new Uint8Array(32));
  const reply = decodeCookieReply(fromHex(WIREGUARD.cookieReply));
  const forged = { ...reply, sealedCookie: new Uint8Array(reply.sealedCookie.length) };
  const takesBehind = (forgeries: number): boolean => {
    writer.writeMacs(message, 0);
    for (let i = 0; i < forgeries; i++) ok(!writer.consumeReply(forged, 0));
    return writer.consumeReply(reply, 0);
  };
  ok(takesBehind(7));
  ok(!takesBehind(8), "none is tried any more");
  message.fill(0, 116); // without the cookie that it has now
  ok(takesBehind(0), "another message, other tries");
});
