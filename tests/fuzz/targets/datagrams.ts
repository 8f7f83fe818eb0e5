/** Decoders of datagrams and the live cores behind them: garbage is normal there, so nothing is thrown at all. */
import { decodeDiscoMessage } from "../../../lib/disco/message.ts";
import {
  classifyDatagram,
  decodeStunRequest,
  decodeStunResponse,
  DiscoPinger,
  encodeStunRequest,
} from "../../../lib/disco/mod.ts";
import { generatePrivateKey, publicKey } from "../../../lib/crypto/x25519.ts";
import { checksumOf, sumBytes, sumOfPseudoHeader } from "../../../lib/wire/checksum.ts";
import { IPV6_HEADER_BYTES } from "../../../lib/wire/ipv6.ts";
import { SeededRandom } from "../../support/seeded_random.ts";
import { LEFT, RIGHT } from "../../netstack/stack_pair.ts";
import { TcpScript } from "../../netstack/tcp_script.ts";
import { ipv6Packet, Pair, sealCopy } from "../../wireguard/support.ts";
import type { FuzzTarget } from "../target.ts";

const TRANSACTION = new Uint8Array(12).fill(9);

const stun: FuzzTarget = {
  room: "disco",
  name: "STUN, both ways",
  corpus: [
    encodeStunRequest(TRANSACTION),
    // Binding success with an XOR-MAPPED-ADDRESS (RFC 8489 §14.2).
    Uint8Array.of(
      1,
      1,
      0,
      12,
      33,
      18,
      164,
      66,
      ...TRANSACTION,
      0,
      32,
      0,
      8,
      0,
      1,
      161,
      71,
      94,
      18,
      164,
      67,
    ),
  ],
  run(input) {
    classifyDatagram(input);
    decodeStunRequest(input);
    decodeStunResponse(input);
  },
};

const discoMessage: FuzzTarget = {
  room: "disco",
  name: "opened message",
  corpus: [
    Uint8Array.of(1, 0, ...TRANSACTION, ...new Uint8Array(32).fill(3)),
    Uint8Array.of(2, 0, ...TRANSACTION, ...new Uint8Array(18).fill(1)),
    Uint8Array.of(3, 0, ...new Uint8Array(36).fill(5)),
  ],
  run(input) {
    decodeDiscoMessage(input);
  },
};

/** A pinger with one peer, and a ping of that peer. */
function discoPair() {
  const random = new SeededRandom(5);
  const [own, theirs] = [generatePrivateKey(random), generatePrivateKey(random)];
  const nodeKey = publicKey(theirs);
  const pinger = new DiscoPinger({ privateKey: own, nodePublicKey: publicKey(own), random });
  const peer = new DiscoPinger({ privateKey: theirs, nodePublicKey: nodeKey, random });
  pinger.addPeer("peer", { discoKey: publicKey(theirs), nodeKey });
  peer.addPeer("us", { discoKey: publicKey(own), nodeKey: publicKey(own) });
  const ping = peer.ping("us", { kind: "relay", regionId: 1 }, 0) ?? new Uint8Array(0);
  return { pinger, nodeKey, ping };
}

const DISCO = discoPair();

const discoPacket: FuzzTarget = {
  room: "disco",
  name: "live pinger",
  corpus: [DISCO.ping],
  run(input, random) {
    const from = { kind: "relay", regionId: 1, nodeKey: DISCO.nodeKey } as const;
    DISCO.pinger.handlePacket(input, from, random.below(1_000_000));
  },
};

/** A device with a session, and one datagram of each kind that it would take. */
function wireguardSession() {
  const pair = new Pair(new SeededRandom(42));
  if (!pair.connect() || pair.a.peer === undefined) throw new Error("No session");
  const now = pair.now;
  const seal = (bytes: number) =>
    sealCopy(pair.a.device, pair.a.peer ?? never(), ipv6Packet({ payloadBytes: bytes }), now)
      ?.slice();
  const data = [seal(0), seal(100), seal(1_200)].filter((one) => one !== undefined);
  pair.a.device.initiate(pair.a.peer, now + 10_000);
  const initiation = pair.a.device.pollTransmit()?.datagram.slice();
  return {
    device: pair.b.device,
    now,
    corpus: [...data, ...(initiation === undefined ? [] : [initiation])],
  };
}

function never(): never {
  throw new Error("No peer");
}

const WIREGUARD = wireguardSession();

const wireguard: FuzzTarget = {
  room: "wireguard",
  name: "live session",
  corpus: WIREGUARD.corpus,
  run(input, random) {
    const { device, now } = WIREGUARD;
    device.handleDatagram(input, now + 20_000, Uint8Array.of(random.below(256)));
    while (device.pollTransmit() !== undefined);
    while (device.pollEvent() !== undefined);
  },
};

/** Makes an input an IPv6 packet for the stack whose sums are right: what lies behind checks is reached that way. */
function dressed(input: Uint8Array, random: SeededRandom): Uint8Array {
  const packet = new Uint8Array(Math.min(1_280, Math.max(IPV6_HEADER_BYTES, input.length)));
  packet.set(input.subarray(0, packet.length));
  const view = new DataView(packet.buffer);
  const payloadBytes = packet.length - IPV6_HEADER_BYTES;
  view.setUint8(0, 0x60);
  view.setUint16(4, payloadBytes);
  if (random.chance(0.9)) {
    packet.set(RIGHT, 8);
    packet.set(LEFT, 24);
  }
  const nextHeader = random.chance(0.8) ? 6 : view.getUint8(6);
  view.setUint8(6, nextHeader);
  const sumAt = IPV6_HEADER_BYTES + (nextHeader === 58 ? 2 : 16);
  if (sumAt + 2 > packet.length) return packet;
  view.setUint16(sumAt, 0);
  const sum = sumBytes(view, 8, packet.length - 8) + sumOfPseudoHeader(payloadBytes, nextHeader);
  view.setUint16(sumAt, checksumOf(sum));
  return packet;
}

/** Segments of a connection that stands, from both directions. */
const TCP_CORPUS = [
  [0x50, 0x10, 0xff, 0xff], // ACK
  [0x50, 0x18, 0xff, 0xff], // PSH, ACK
  [0x50, 0x11, 0x10, 0x00], // FIN, ACK
  [0x50, 0x04, 0x00, 0x00], // RST
  [0x50, 0x02, 0x00, 0x00], // SYN
  [0x80, 0x10, 0xff, 0xff], // with options
].map((tail) => {
  const packet = new Uint8Array(IPV6_HEADER_BYTES + 20 + 24 + 60);
  packet[6] = 6;
  packet.set(tail, IPV6_HEADER_BYTES + 12);
  packet.set([1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2], IPV6_HEADER_BYTES + 20);
  return packet;
});

let script: TcpScript | undefined;

const tcp: FuzzTarget = {
  room: "netstack",
  name: "live connection, right checksums",
  corpus: TCP_CORPUS,
  run(input, random) {
    if (script === undefined || script.socket.state === "closed" || random.chance(0.002)) {
      script = new TcpScript().establish();
      script.stack.listen("any");
    }
    const { stack, socket } = script;
    const now = script.now + random.below(200);
    const packet = dressed(input, random);
    // Ports and numbers near those of the connection, most of the time.
    if (random.chance(0.8) && packet.length >= IPV6_HEADER_BYTES + 20) {
      const view = new DataView(packet.buffer);
      const { tcb } = script;
      const spread = random.chance(0.7) ? random.below(3_000) : random.uint32();
      view.setUint16(IPV6_HEADER_BYTES, socket.remotePort);
      view.setUint16(IPV6_HEADER_BYTES + 2, socket.localPort);
      view.setUint32(IPV6_HEADER_BYTES + 4, tcb.receive.rcvNxt + spread);
      view.setUint32(IPV6_HEADER_BYTES + 8, tcb.snd.una + random.below(4));
      view.setUint16(IPV6_HEADER_BYTES + 16, 0);
      const payloadBytes = packet.length - IPV6_HEADER_BYTES;
      const sum = sumBytes(view, 8, packet.length - 8) + sumOfPseudoHeader(payloadBytes, 6);
      view.setUint16(IPV6_HEADER_BYTES + 16, checksumOf(sum));
    }
    stack.handlePacket(packet, now);
    if (random.chance(0.1) && !socket.isReadEnded) socket.read(new Uint8Array(4_096), now);
    if (random.chance(0.1)) stack.handleTimeout(now);
    const into = new Uint8Array(1_280);
    for (let i = 0; i < 64 && stack.pollTransmit(into, 0, now) > 0; i++);
    while (stack.pollEvent() !== undefined);
  },
};

export const DATAGRAM_TARGETS: readonly FuzzTarget[] = [
  stun,
  discoMessage,
  discoPacket,
  wireguard,
  tcp,
];
