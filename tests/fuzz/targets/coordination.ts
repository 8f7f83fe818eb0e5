/** What the coordinator says, in both of its languages: messages, live sessions, and the maps and nodes in them. */
import { concatBytes } from "../../../lib/base/bytes.ts";
import { ProtocolError } from "../../../lib/base/errors.ts";
import { formatRequestHead } from "../../../lib/http1/mod.ts";
import {
  CoordinateResponse_PeerUpdate_Kind as Kind,
  createCoordinateResponse,
  createCoordinateResponse_PeerUpdate,
  createRefreshResumeTokenResponse,
  encodeCoordinateResponse,
  encodeDERPMap,
  encodeRefreshResumeTokenResponse,
} from "../../../lib/proto/tailnet_pb.ts";
import { JsonCoordinatorSession } from "../../../lib/tailnet/coordinator/json_session.ts";
import {
  decodeCoordinateAnswer,
  decodeDerpMap,
  decodeRefreshAnswer,
} from "../../../lib/tailnet/coordinator/messages.ts";
import { CoordinatorSession } from "../../../lib/tailnet/coordinator/mod.ts";
import { CoordinatorServer } from "../../../lib/tailnet/coordinator/server_mod.ts";
import {
  type DerpMap,
  relayEndpoints,
  relayRegions,
  rewriteEmbeddedRelay,
} from "../../../lib/tailnet/derp_map.ts";
import { derpMapFromJson } from "../../../lib/tailnet/derp_map_json.ts";
import { derpMapToProto } from "../../../lib/tailnet/derp_map_proto.ts";
import { nodeToJson } from "../../../lib/tailnet/node_json.ts";
import { nodeToProto } from "../../../lib/tailnet/node_message.ts";
import { AGENT_ID, agentNode } from "../../tailnet/coordinator/support.ts";
import { testNode, testUuid } from "../../tailnet/support.ts";
import { parseUuid } from "../../../lib/tailnet/address.ts";
import { type FuzzTarget, pieces, textTarget } from "../target.ts";

const isProtocolError = (error: unknown): boolean => error instanceof ProtocolError;
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

const MAP_JSON =
  '{"Regions":{"999":{"EmbeddedRelay":true,"RegionID":999,"RegionCode":"coder","RegionName":"Relay","Nodes":[{"Name":"999b","RegionID":999,"HostName":"h.example","IPv4":"none","STUNPort":-1,"DERPPort":443,"ForceHTTP":false}]},"7":{"RegionID":7,"RegionCode":"fra","RegionName":"Frankfurt","Nodes":[{"Name":"7a","RegionID":7,"HostName":"relay.example","IPv4":"192.0.2.7","IPv6":"2001:db8::7","STUNPort":3478,"DERPPort":8443}]}}}';
const MAP = derpMapFromJson(JSON.parse(MAP_JSON));
const DEPLOYMENTS = [
  "https://coder.example.com",
  "http://127.0.0.1:3000",
  "http://[2001:db8::1]:80",
]
  .map((url) => new URL(url));

/** What is done with every map: each relay of it must make a request, whatever stood there. */
function useMap(map: DerpMap): void {
  for (const deployment of DEPLOYMENTS) {
    const seen = rewriteEmbeddedRelay(map, deployment);
    for (const { id } of relayRegions(seen)) {
      for (const endpoint of relayEndpoints(seen, id)) {
        formatRequestHead({ path: "/derp", host: endpoint.hostHeader, headers: [] });
        if (!(endpoint.port > 0 && endpoint.port < 65_536)) {
          throw new Error(`port ${endpoint.port}`);
        }
      }
    }
  }
}

const relayMapJson = textTarget({
  room: "tailnet",
  name: "relay map as JSON",
  corpus: [MAP_JSON],
  isDeclared: isProtocolError,
  run(text) {
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch (error) {
      if (error instanceof SyntaxError) return; // refused before the map is looked for
      throw error;
    }
    useMap(derpMapFromJson(json));
  },
});

const relayMap: FuzzTarget = {
  room: "tailnet",
  name: "relay map as protobuf",
  corpus: [encodeDERPMap(derpMapToProto(MAP))],
  isDeclared: isProtocolError,
  run: (input) => useMap(decodeDerpMap(input)),
};

function update(kind: Kind, seed: number) {
  return createCoordinateResponse_PeerUpdate({
    id: parseUuid(testUuid(seed)) ?? new Uint8Array(16),
    kind,
    reason: "as told",
    ...(kind === Kind.NODE ? { node: nodeToProto(testNode(seed)) } : {}),
  });
}

const answers: FuzzTarget = {
  room: "tailnet",
  name: "coordinate answers",
  corpus: [
    encodeCoordinateResponse(createCoordinateResponse({
      peerUpdates: [
        update(Kind.NODE, 1),
        update(Kind.LOST, 1),
        update(Kind.READY_FOR_HANDSHAKE, 2),
      ],
    })),
    encodeCoordinateResponse(createCoordinateResponse({ error: "go away" })),
  ],
  isDeclared: isProtocolError,
  run: (input) => void decodeCoordinateAnswer(input),
};

const tokens: FuzzTarget = {
  room: "tailnet",
  name: "resume tokens",
  corpus: [
    encodeRefreshResumeTokenResponse(createRefreshResumeTokenResponse({
      token: "a.token.of-it",
      refreshIn: { seconds: 43_200n, nanos: 5 },
      expiresAt: { seconds: 1_800_000_000n, nanos: 0 },
    })),
  ],
  isDeclared: isProtocolError,
  run: (input) => void decodeRefreshAnswer(input),
};

/** A server's answers to a session's opening, and to what it says later. */
function saidByServer(): Uint8Array[] {
  const server = new CoordinatorServer({
    derpMap: MAP,
    grantResumeToken: () => ({ token: "t", refreshInMs: 60_000, expiresAtMs: 5 }),
  });
  const role = { kind: "client", agentId: AGENT_ID } as const;
  const end = server.openSession({ peerId: testUuid(8), role }, 0);
  const agent = server.openSession({ peerId: AGENT_ID, role: { kind: "agent" } }, 0);
  agent.handleBytes(sentBy(new CoordinatorSession({ tunnels: [], node: agentNode(4) }, 0)), 0);
  end.handleBytes(sentBy(openSession()), 0);
  const opening = sentBy(end);
  server.setDerpMap({ ...MAP, regions: new Map() }, 1);
  const later = sentBy(end);
  return [opening, concatBytes(opening, later)];
}

function openSession(): CoordinatorSession {
  return new CoordinatorSession({ tunnels: [AGENT_ID], node: testNode(5) }, 0);
}

function sentBy(one: { pollTransmit(): Uint8Array | undefined }): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let part = one.pollTransmit(); part; part = one.pollTransmit()) parts.push(part);
  return concatBytes(...parts);
}

const liveSession: FuzzTarget = {
  room: "tailnet",
  name: "live coordination",
  corpus: saidByServer(),
  run(input, random) {
    const session = openSession();
    let now = 0;
    for (const piece of pieces(input, random)) {
      session.handleBytes(piece, now += random.below(2_000));
      while (session.pollTransmit() !== undefined);
      while (session.pollEvent() !== undefined);
      if (random.chance(0.1)) session.handleTimeout(now);
    }
  },
};

const NODES = [agentNode(4), { ...testNode(5), id: 2n ** 62n }];

const jsonSession: FuzzTarget = {
  room: "tailnet",
  name: "live coordination in JSON",
  corpus: [
    utf8(`[${NODES.map(nodeToJson).join()}]`),
    utf8(`[${nodeToJson(testNode(6))}]\n[]\n[${nodeToJson(testNode(7))}]`),
    utf8(
      '[{"id":1,"key":"nodekey:","disco":"discokey:","derp_latency":{"999-v4":1e-3},"endpoints":null}]',
    ),
  ],
  run(input, random) {
    const session = new JsonCoordinatorSession({ tunnels: [AGENT_ID], node: testNode(5) });
    for (const piece of pieces(input, random)) {
      session.handleBytes(piece);
      while (session.pollTransmit() !== undefined);
      while (session.pollEvent() !== undefined);
    }
  },
};

export const COORDINATION_TARGETS: readonly FuzzTarget[] = [
  relayMapJson,
  relayMap,
  answers,
  tokens,
  liveSession,
  jsonSession,
];
