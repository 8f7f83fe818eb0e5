/** Direct paths of a node with one peer: any datagram from anywhere, and lists of addresses from the peer and the coordinator. */
import { generatePrivateKey, publicKey } from "../../../lib/crypto/x25519.ts";
import { DiscoPinger, encodeStunResponse } from "../../../lib/disco/mod.ts";
import { DirectPaths } from "../../../lib/tailnet/paths/direct_paths.ts";
import { MAX_ANNOUNCED, MAX_CALLED, MAX_HEARD } from "../../../lib/tailnet/paths/limits.ts";
import type { Endpoint } from "../../../lib/wire/endpoint.ts";
import { SeededRandom } from "../../support/seeded_random.ts";
import { endpointOf } from "../../tailnet/paths/sim_udp.ts";
import type { FuzzTarget } from "../target.ts";

const PEER = "peer";
const OURS = endpointOf("10.1.0.2:41001");
/** Where datagrams come from, and what they name: usual addresses, and those that no peer may have. */
const PLACES = [
  "192.0.2.1:41641",
  "198.51.100.9:1",
  "10.1.0.3:7",
  "[2001:db8::1]:9",
  "127.0.0.1:631",
  "169.254.169.254:80",
  "224.0.0.1:5353",
  "0.0.0.0:80",
].map(endpointOf);
const STUN_SERVER = {
  host: "stun.example",
  port: 3_478,
  ipv4: endpointOf("203.0.113.1:1").address,
};

function makeScene() {
  const random = new SeededRandom(7);
  const make = () => {
    const nodeKey = publicKey(generatePrivateKey(random));
    const privateKey = generatePrivateKey(random);
    return { nodeKey, disco: new DiscoPinger({ privateKey, nodePublicKey: nodeKey, random }) };
  };
  const [us, them] = [make(), make()];
  us.disco.addPeer(PEER, { discoKey: them.disco.publicKey, nodeKey: them.nodeKey });
  them.disco.addPeer("us", { discoKey: us.disco.publicKey, nodeKey: us.nodeKey });
  const paths = new DirectPaths({ disco: us.disco, random }, 0);
  const interfaces = [{ name: "eth0", address: OURS.address }];
  paths.setLocal({ ports: { ipv4: OURS.port, ipv6: OURS.port }, interfaces }, 0);
  paths.setStunServers([STUN_SERVER], 0);
  paths.addPeer(PEER, 0);
  return { paths, them: them.disco };
}

type Scene = ReturnType<typeof makeScene>;

function corpusOf({ them }: Scene): Uint8Array[] {
  const path = { kind: "udp", endpoint: OURS } as const;
  const disco = [them.ping("us", path, 0), them.callMeMaybe("us", PLACES)];
  return [
    ...disco.filter((packet) => packet !== undefined),
    encodeStunResponse(new Uint8Array(12), PLACES[0] ?? OURS),
    // WireGuard data: type, receiver, counter, a tag.
    Uint8Array.of(4, 0, 0, 0, 1, 2, 3, 4, ...new Uint8Array(24)),
  ];
}

let scene = makeScene();
const CORPUS = corpusOf(scene);
let now = 0;

function somewhere(random: SeededRandom): Endpoint {
  const known = PLACES[random.below(PLACES.length)];
  if (known !== undefined && random.chance(0.6)) return known;
  const address = new Uint8Array(16);
  random.fill(address);
  return { address, port: random.below(65_536) };
}

function places(random: SeededRandom, most: number): Endpoint[] {
  return Array.from({ length: random.below(most + 1) }, () => somewhere(random));
}

const directPaths: FuzzTarget = {
  room: "tailnet",
  name: "direct paths",
  corpus: CORPUS,
  run(input, random) {
    if (random.chance(0.001)) {
      scene = makeScene();
      now = 0;
    }
    const { paths, them } = scene;
    now += random.below(random.chance(0.01) ? 60_000 : 20);
    // What is sealed by the peer reaches behind the tag, too.
    if (random.chance(0.1)) {
      const sealed = random.chance(0.5)
        ? them.ping("us", { kind: "udp", endpoint: somewhere(random) }, now)
        : them.callMeMaybe("us", places(random, 64));
      if (sealed !== undefined) paths.handleDatagram(sealed, somewhere(random), now);
    }
    paths.handleDatagram(input, somewhere(random), now);
    if (random.chance(0.05)) {
      const list = places(random, 70);
      if (random.chance(0.5)) paths.setAnnounced(PEER, list, now);
      else paths.handleCallMeMaybe(PEER, list, now);
    }
    if (random.chance(0.1)) paths.handleSent(PEER, now);
    if (random.chance(0.3)) paths.handleTimeout(now);
    if (random.chance(0.01)) paths.seek(PEER, now);
    paths.route(PEER, now);
    while (paths.pollTransmit() !== undefined);
    while (paths.pollEvent() !== undefined);
    const kept = paths.candidateCount(PEER);
    if (kept > MAX_ANNOUNCED + MAX_CALLED + MAX_HEARD) {
      throw new Error(`${kept} candidates are kept`);
    }
  },
};

export const PATH_TARGETS: readonly FuzzTarget[] = [directPaths];
