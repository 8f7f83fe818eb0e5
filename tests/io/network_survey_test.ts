/** The survey of a network against relays and STUN servers on loopback: who lets what through, and what is seen of us. */
import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import { decodeStunRequest, encodeStunResponse } from "../../lib/disco/stun.ts";
import { newDialOptions } from "../../lib/io/dial.ts";
import { surveyNetwork } from "../../lib/io/network_survey.ts";
import { derpMapOf, type DerpNode } from "../../lib/tailnet/derp_map.ts";
import { derpMapToJson } from "../../lib/tailnet/derp_map_json.ts";
import { parseAddress } from "../../lib/tailnet/endpoint_text.ts";
import { loopbackUdp } from "../support/loopback_udp.ts";
import {
  bytesOf,
  envOf,
  LOOPBACK,
  LoopbackServer,
  readHead,
  relayNode,
  stayDumb,
  writeAll,
} from "./support.ts";

const LIMIT_MS = 4_000;

function survey(
  nodes: readonly Partial<DerpNode>[],
  over: { asksStun?: boolean; timeoutMs?: number; signal?: AbortSignal } = {},
) {
  const regions = nodes.map((node, at) => ({
    id: at + 1,
    code: `r${at + 1}`,
    name: `Region ${at + 1}`,
    embeddedRelay: false,
    avoid: false,
    nodes: [relayNode({ regionId: at + 1, ...node })],
  }));
  return surveyNetwork({
    deploymentUrl: new URL("http://127.0.0.1:1/"),
    network: {},
    headers: [],
    derpMap: derpMapToJson(derpMapOf(regions)),
    timeoutMs: LIMIT_MS,
    asksStun: true,
    bind: { ipv4: LOOPBACK, ipv6: "::1" },
    signal: new AbortController().signal,
    ...over,
  }, newDialOptions(envOf(), undefined));
}

/** A relay, and what stands before it. */
const relay = (passes: readonly string[]) => async (conn: Deno.Conn) => {
  const head = await readHead(conn);
  const [, upgrade = ""] = /^upgrade: (\S+)/im.exec(head) ?? [];
  if (upgrade === "") await writeAll(conn, bytesOf("HTTP/1.1 200 OK\r\n\r\n"));
  else if (!passes.includes(upgrade)) {
    await writeAll(conn, bytesOf("HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n"));
  } else {
    const [, key = ""] = /^sec-websocket-key: (\S+)/im.exec(head) ?? [];
    const digest = await crypto.subtle.digest(
      "SHA-1",
      bytesOf(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`),
    );
    const accept = btoa(String.fromCharCode(...new Uint8Array(digest)));
    const more = upgrade === "websocket"
      ? `Sec-WebSocket-Accept: ${accept}\r\nSec-WebSocket-Protocol: derp\r\n`
      : "";
    const head101 = `HTTP/1.1 101 Ok\r\nConnection: Upgrade\r\nUpgrade: ${upgrade}\r\n${more}\r\n`;
    await writeAll(conn, bytesOf(head101));
  }
  await stayDumb(conn);
};

Deno.test("surveyNetwork() says of each relay what passes", async () => {
  await using both = new LoopbackServer(relay(["DERP", "websocket"]));
  await using web = new LoopbackServer(relay(["websocket"]));
  await using none = new LoopbackServer(relay([]));
  const gone = new LoopbackServer(stayDumb);
  const gonePort = gone.port;
  await gone[Symbol.asyncDispose]();
  const { relays, udp } = await survey(
    [both.port, web.port, none.port, gonePort].map((derpPort) => ({ derpPort })),
  );
  deepStrictEqual(
    relays.map(({ id, takesUpgrade, takesWebsocket }) => [id, takesUpgrade, takesWebsocket]),
    [[1, true, true], [2, false, true], [3, false, false], [4, false, false]],
  );
  deepStrictEqual(relays.map(({ latencyMs }) => latencyMs !== undefined), [
    true,
    true,
    true,
    false,
  ]);
  deepStrictEqual(udp, { serverCount: 0, answers: [], problems: [] });
});

/** A STUN server that says what `sees` makes of the truth, and leaves the first `deaf` questions alone. */
async function serveStun(
  conn: Deno.DatagramConn,
  port: (real: number) => number,
  deaf = 0,
): Promise<void> {
  let left = deaf;
  for await (const [data, from] of conn) {
    const request = decodeStunRequest(data.slice());
    if (request.kind !== "request" || from.transport !== "udp" || left-- > 0) continue;
    const address = parseAddress(from.hostname);
    ok(address !== undefined);
    // What is no answer to us is passed over.
    await conn.send(bytesOf("nonsense"), from);
    await conn.send(encodeStunResponse(new Uint8Array(12), { address, port: 1 }), from);
    await conn.send(
      encodeStunResponse(request.transactionId, { address, port: port(from.port) }),
      from,
    );
  }
}

Deno.test("surveyNetwork() asks STUN servers through one socket, again where one is silent", async () => {
  using a = loopbackUdp();
  using b = loopbackUdp();
  const serving = [serveStun(a.conn, (port) => port), serveStun(b.conn, (port) => port ^ 1, 1)];
  const stun = [a, b].map(({ port }) => ({
    stunPort: port,
    stunOnly: true,
    ipv4: LOOPBACK,
    ipv6: "none",
  }));
  const { udp } = await survey(stun);
  a[Symbol.dispose]();
  b[Symbol.dispose]();
  await Promise.all(serving);
  strictEqual(udp?.serverCount, 2);
  const seen = new Map(udp.answers.map((one) => [one.server, one]));
  deepStrictEqual(
    [...seen.keys()].toSorted(),
    [`${LOOPBACK}:${a.port}`, `${LOOPBACK}:${b.port}`].toSorted(),
  );
  const [first, second] = [a, b].map(({ port }) => seen.get(`${LOOPBACK}:${port}`));
  match(first?.seenAs ?? "", /^127\.0\.0\.1:\d+$/);
  const portOf = (text = "") => Number(text.split(":")[1]);
  strictEqual(portOf(second?.seenAs), portOf(first?.seenAs) ^ 1);
  ok((second?.latencyMs ?? 0) >= 400, "the second question was answered");
});

Deno.test("surveyNetwork() ends in time where nobody answers, asks nobody when told so, and can be called off", async () => {
  using silent = loopbackUdp();
  const node = { stunPort: silent.port, stunOnly: true, ipv4: LOOPBACK, ipv6: "none" };
  const { udp } = await survey([node], { timeoutMs: 100 });
  deepStrictEqual(udp, { serverCount: 1, answers: [], problems: [] });
  strictEqual((await survey([node], { asksStun: false })).udp, undefined);
  const stop = new AbortController();
  const surveying = survey([node], { signal: stop.signal });
  const reason = new Error("enough");
  stop.abort(reason);
  await rejects(surveying, reason);
});
