/**
 * The tunnel on real sockets where the sockets are the point: who gets which header, what stays open (nothing), and that it
 * always comes to its end. What it does with a deployment that works is in `tests/sandbox/`, with one that fails in
 * `tests/tailnet/`.
 */
import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import { SILENT_LOG } from "../../lib/base/log.ts";
import { NodeTunnel } from "../../lib/io/node_tunnel.ts";
import { SystemClock } from "../../lib/io/clock.ts";
import { generatePrivateKey, publicKey } from "../../lib/crypto/mod.ts";
import { DerpSwitchboard } from "../../lib/derp/mod.ts";
import { SYSTEM_RANDOM } from "../../lib/io/random.ts";
import { TunnelError } from "../../lib/base/tunnel.ts";
import { derpMapOf } from "../../lib/tailnet/derp_map.ts";
import { testUuid } from "../tailnet/support.ts";
import {
  bytesOf,
  envOf,
  LOOPBACK,
  LoopbackServer,
  readHead,
  settle,
  stayDumb,
  writeAll,
} from "./support.ts";

const TOKEN = "secret-session-token";

/** A tunnel to a deployment whose relay and coordinator are one server. */
function tunnelTo(port: number): NodeTunnel {
  return new NodeTunnel({
    agentId: testUuid(1),
    deploymentUrl: new URL(`http://${LOOPBACK}:${port}/`),
    coordinatorHeaders: [["Coder-Session-Token", TOKEN], ["X-Mine", "yes"]],
    relayHeaders: [["X-Mine", "yes"]],
    derpMap: derpMapOf([{
      id: 999,
      code: "coder",
      name: "Own Relay",
      embeddedRelay: true,
      avoid: false,
      nodes: [{
        name: "a",
        regionId: 999,
        hostName: "wherever.test",
        certName: "",
        ipv4: "",
        ipv6: "",
        stunPort: -1,
        stunOnly: false,
        derpPort: 443,
        insecureForTests: false,
        forceHttp: false,
        stunTestIp: "",
        canPort80: false,
      }],
    }]),
    forcesWebsocket: false,
    clock: new SystemClock(),
    dial: { env: envOf() },
    log: SILENT_LOG,
  });
}

/** Waits until `isDone` holds, turn by turn of the event loop. */
async function until(isDone: () => boolean): Promise<void> {
  while (!isDone()) await new Promise((resolve) => setTimeout(resolve));
}

Deno.test("NodeTunnel sends the token to the coordinator and never to a relay", async () => {
  const heads: string[] = [];
  await using server = new LoopbackServer(async (conn) => {
    heads.push(await readHead(conn));
    await stayDumb(conn);
  });
  const tunnel = tunnelTo(server.port);
  await until(() => heads.length === 2);
  await tunnel.close();
  const [coordinator, ...relays] = heads.sort();
  match(
    coordinator ?? "",
    /^GET \/api\/v2\/workspaceagents\/[-0-9a-f]{36}\/coordinate\?version=2\.0 /,
  );
  match(coordinator ?? "", new RegExp(`\r\nCoder-Session-Token: ${TOKEN}\r\n`));
  match(relays.join(), /^GET \/derp HTTP\/1\.1\r\n(.*\r\n)*Upgrade: DERP\r\n/);
  match(relays.join(), /\r\nX-Mine: yes\r\n/);
  ok(!relays.join().includes(TOKEN));
});

Deno.test("NodeTunnel.close() ends with servers that say nothing, and whatever is waited for ends with it", async () => {
  await using server = new LoopbackServer(stayDumb);
  const tunnel = tunnelTo(server.port);
  await until(() => server.count === 2);
  const reaching = rejects(tunnel.reachable(), TunnelError);
  const opening = rejects(tunnel.openTcp(1), /closed/);
  let pinged: unknown = "not yet";
  tunnel.ping().then((result) => pinged = result);
  const closing = tunnel.close();
  strictEqual(tunnel.close(), closing);
  await closing;
  await reaching;
  await opening;
  strictEqual(pinged, undefined);
  pinged = "not yet";
  tunnel.ping().then((result) => pinged = result);
  await settle();
  strictEqual(pinged, undefined);
  await rejects(tunnel.openTcp(1), /closed/);
  await server.allClosed();
});

Deno.test("NodeTunnel that is closed in the instant in which it was made leaves nothing behind", async () => {
  await using server = new LoopbackServer(stayDumb);
  await tunnelTo(server.port).close();
  await server.allClosed();
});

Deno.test("NodeTunnel.reachable() and openTcp() stop waiting when they are called off", async () => {
  await using server = new LoopbackServer(stayDumb);
  const tunnel = tunnelTo(server.port);
  const off = new AbortController();
  const reason = new Error("changed my mind");
  const waiting = [tunnel.reachable(off.signal), tunnel.openTcp(1, off.signal)];
  const refused = waiting.map((promise) => rejects(promise, reason));
  off.abort(reason);
  await Promise.all(refused);
  await rejects(tunnel.reachable(off.signal), reason);
  await tunnel.close();
});

Deno.test("NodeTunnel says what the coordinator decided, and closes connections that it was refused on", async () => {
  const body = JSON.stringify({ message: "You are signed out" });
  const hungUp = Promise.withResolvers<void>();
  await using server = new LoopbackServer(async (conn) => {
    const head = await readHead(conn);
    if (!head.startsWith("GET /api")) return await stayDumb(conn);
    const length = `Content-Length: ${body.length}`;
    await writeAll(conn, bytesOf(`HTTP/1.1 401 Unauthorized\r\n${length}\r\n\r\n${body}`));
    await stayDumb(conn); // keeps the connection open: closing it is the client's
    hungUp.resolve();
  });
  const tunnel = tunnelTo(server.port);
  await rejects(tunnel.reachable(), (error) => {
    ok(error instanceof TunnelError);
    deepStrictEqual(error.failure, {
      kind: "coordinatorRefused",
      status: 401,
      reason: "You are signed out",
    });
    match(error.message, /refused us \(401\): You are signed out/);
    return true;
  });
  match((await tunnel.refused).message, /refused us \(401\): You are signed out/);
  await hungUp.promise;
  await tunnel.close();
  await server.allClosed();
});

Deno.test("NodeTunnel counts bytes both ways and drops a relay that stops in mid-frame", async () => {
  const privateKey = generatePrivateKey(SYSTEM_RANDOM);
  const switchboard = new DerpSwitchboard({
    privateKey,
    publicKey: publicKey(privateKey),
    random: SYSTEM_RANDOM,
  });
  let logins = 0;
  await using server = new LoopbackServer(async (conn) => {
    const head = await readHead(conn);
    if (!head.startsWith("GET /derp")) return await stayDumb(conn);
    const upgrade =
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: DERP\r\nConnection: Upgrade\r\n\r\n";
    await writeAll(conn, bytesOf(upgrade));
    const line = switchboard.connect(0);
    const out = new Uint8Array(70_000);
    const chunk = new Uint8Array(4_096);
    const flush = async () => {
      for (let n = line.pollTransmit(out); n > 0; n = line.pollTransmit(out)) {
        await writeAll(conn, out.subarray(0, n));
      }
    };
    await flush();
    while (line.clientKey === undefined) {
      const count = await conn.read(chunk);
      if (count === null) return;
      switchboard.handleBytes(line, chunk.subarray(0, count), 0);
    }
    logins++;
    await flush();
    await writeAll(conn, new Uint8Array([5, 0, 0, 1, 0, 1, 2, 3])); // the start of a packet, and the end
    switchboard.disconnect(line);
  });
  const tunnel = tunnelTo(server.port);
  await until(() => logins >= 2); // dropped, and dialled again
  const { bytesIn, bytesOut } = tunnel.traffic;
  ok(bytesIn > 100 && bytesOut > 100, `${bytesIn} in, ${bytesOut} out`);
  await tunnel.close();
});

Deno.test("NodeTunnel refuses what is no agent's id", () => {
  const at = { agentId: "me", deploymentUrl: new URL("http://127.0.0.1:1/") };
  let thrown: unknown;
  try {
    new NodeTunnel({
      ...at,
      coordinatorHeaders: [],
      relayHeaders: [],
      derpMap: derpMapOf([]),
      forcesWebsocket: false,
      clock: new SystemClock(),
      dial: { env: envOf() },
      log: SILENT_LOG,
    });
  } catch (error) {
    thrown = error;
  }
  ok(thrown instanceof TypeError);
});
