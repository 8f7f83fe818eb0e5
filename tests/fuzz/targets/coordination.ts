/** What a coordinator sends, in both its languages, and what comes at the sockets of direct paths. */
import { generatePrivateKey, publicKey } from "../../../lib/crypto/x25519.ts";
import { ProtocolError } from "../../../lib/base/errors.ts";
import { DiscoPinger, encodeStunRequest } from "../../../lib/disco/mod.ts";
import { JsonCoordinatorSession } from "../../../lib/tailnet/coordinator/json_session.ts";
import {
  decodeCoordinateAnswer,
  decodeDerpMap,
  decodeRefreshAnswer,
  encodeUpdateSelf,
} from "../../../lib/tailnet/coordinator/messages.ts";
import { nodeToJson } from "../../../lib/tailnet/node_json.ts";
import { DirectPaths } from "../../../lib/tailnet/paths/direct_paths.ts";
import { SeededRandom } from "../../support/seeded_random.ts";
import { testNode, testUuid } from "../../tailnet/support.ts";
import { endpointOf } from "../../tailnet/paths/sim_udp.ts";
import { type FuzzTarget, pieces } from "../target.ts";

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
/** Field 1, a message: what announces our node is in an answer at the same place as an update of a peer. */
const ANNOUNCED = encodeUpdateSelf(testNode(1));

const messages: FuzzTarget = {
  room: "tailnet",
  name: "coordinator's messages",
  corpus: [
    ANNOUNCED,
    Uint8Array.of(0x0a, 0x14, 0x0a, 0x10, ...new Uint8Array(16).fill(7), 0x18, 2),
    // A map of one region and one node (coder/coder `tailnet/proto/tailnet.proto` DERPMap).
    Uint8Array.of(0x12, 0x0c, 0x08, 1, 0x12, 0x08, 0x08, 1, 0x2a, 4, 0x0a, 2, 0x61, 0x62),
    Uint8Array.of(0x0a, 3, 0x61, 0x62, 0x63, 0x12, 2, 0x08, 60, 0x1a, 2, 0x08, 60),
  ],
  isDeclared: (error) => error instanceof ProtocolError,
  run(input, random) {
    const which = random.below(3);
    if (which === 0) decodeCoordinateAnswer(input);
    else if (which === 1) decodeDerpMap(input);
    else decodeRefreshAnswer(input);
  },
};

const json: FuzzTarget = {
  room: "tailnet",
  name: "coordination as JSON",
  corpus: [
    utf8(`[${nodeToJson(testNode(1))}]`),
    utf8(`[${nodeToJson(testNode(2))},${nodeToJson(testNode(3))}]\n[]`),
    utf8('[{"id":9223372036854775807,"key":"nodekey:00","preferred_derp":0,"addresses":null}]null'),
  ],
  run(input, random) {
    const session = new JsonCoordinatorSession({ tunnels: [testUuid(1)] });
    for (const piece of pieces(input, random)) {
      session.handleBytes(piece);
      while (session.pollEvent() !== undefined);
    }
  },
};

const PEER = "peer";

function makePaths(random: SeededRandom) {
  const nodeKey = publicKey(generatePrivateKey(random));
  const disco = new DiscoPinger({
    privateKey: generatePrivateKey(random),
    nodePublicKey: nodeKey,
    random,
  });
  const other = publicKey(generatePrivateKey(random));
  disco.addPeer(PEER, { discoKey: other, nodeKey: other });
  const paths = new DirectPaths({ disco, random }, 0);
  const { address, port } = endpointOf("10.1.0.2:41001");
  const local = { ports: { ipv4: port, ipv6: port }, interfaces: [{ name: "eth0", address }] };
  paths.setLocal(local, 0);
  paths.addPeer(PEER, 0);
  paths.seek(PEER, 0);
  return paths;
}

const SOURCES = ["10.1.0.9:7", "203.0.113.5:3478", "[2001:db8::1]:9"].map(endpointOf);
const livePaths = makePaths(new SeededRandom(5));
let pathsNow = 0;

const direct: FuzzTarget = {
  room: "tailnet",
  name: "live direct paths",
  corpus: [
    encodeStunRequest(new Uint8Array(12).fill(3)),
    // Disco's magic, a key, a nonce, a box (coder/tailscale `disco/disco.go`).
    Uint8Array.of(...utf8("TS💬"), ...new Uint8Array(32 + 24 + 40).fill(5)),
    Uint8Array.of(4, 0, 0, 0, ...new Uint8Array(60)),
  ],
  run(input, random) {
    const from = SOURCES[random.below(SOURCES.length)] ?? endpointOf("10.1.0.9:7");
    pathsNow += random.below(2_000);
    livePaths.handleDatagram(input, from, pathsNow);
    if (random.chance(0.2)) livePaths.handleTimeout(pathsNow);
    while (livePaths.pollTransmit() !== undefined);
    while (livePaths.pollEvent() !== undefined);
  },
};

export const COORDINATION_TARGETS: readonly FuzzTarget[] = [messages, json, direct];
