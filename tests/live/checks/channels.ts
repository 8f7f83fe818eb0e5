/** Many channels at once, and OpenSSH's own forwards, on one connection through `ssh --stdio`. */
import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import type { Check } from "../check.ts";
import { Master } from "../control.ts";
import { MEGABYTE, randomBytes, sha256 } from "../data.ts";
import type { Desk } from "../desk.ts";
import { EchoServer, exchange } from "../echo_server.ts";
import { socksConnect } from "../socks.ts";
import { freePort } from "../../support/free_port.ts";

const CHANNELS = 50;
const CHANNEL_BYTES = MEGABYTE / 2;
const FORWARD_BYTES = 3 * MEGABYTE + 17;

async function expectEcho(connection: Deno.Conn): Promise<void> {
  const data = randomBytes(FORWARD_BYTES);
  strictEqual(sha256(await exchange(connection, data)), sha256(data));
}

function connectUnix(path: string): Promise<Deno.Conn> {
  return Deno.connect({ transport: "unix", path });
}

/** A port in the workspace that leads to an echo here: proves -R, and gives the others a goal there. */
async function remoteEcho(master: Master, echo: EchoServer): Promise<number> {
  const port = await master.forward("-R", `127.0.0.1:0:127.0.0.1:${echo.port}`);
  ok(port > 0, "No port was allocated in the workspace");
  return port;
}

/** Below what systems hand out by themselves. */
const FIRST_PORT = 20_000;
const PORTS = 10_000;
const ATTEMPTS = 5;

/**
 * The same on a port of our choice. Agents keep all the ports that they were asked to pick on one address in one place, over
 * all connections (coder/ssh `tcpip.go` `ForwardedTCPHandler`, as of v2.36): to cancel one closes nothing, and the end
 * of one connection closes the last of them, whosever it is.
 */
async function remoteEchoAtPort(master: Master, echo: EchoServer): Promise<number> {
  for (let left = ATTEMPTS - 1;; left--) {
    const [random = 0] = crypto.getRandomValues(new Uint16Array(1));
    const port = FIRST_PORT + random % PORTS;
    try {
      await master.forward("-R", `127.0.0.1:${port}:127.0.0.1:${echo.port}`);
      return port;
    } catch (error) {
      // Somebody else may listen there.
      if (left === 0) throw error;
    }
  }
}

export const CHANNELS_CHECKS: readonly Check[] = [
  {
    name: "50 channels are open at once on one connection, none mixed up",
    run: async (desk: Desk) => {
      await using master = await Master.open(desk);
      await using stack = new AsyncDisposableStack();
      const channels = Array.from({ length: CHANNELS }, (_, i) => ({
        data: randomBytes(CHANNEL_BYTES + i),
        process: stack.use(master.start(`echo up ${i}; sha256sum; exit ${i}`)),
      }));
      // All answer before any is fed: so all are open at the same time.
      await Promise.all(
        channels.map(({ process }, i) => process.stdout.until(new RegExp(`up ${i}\n`))),
      );
      const exits = await Promise.all(channels.map(({ process, data }) => process.feed([data])));
      deepStrictEqual(
        exits.map(({ stdout, code }) => ({ sum: stdout.split("\n")[1]?.slice(0, 64), code })),
        channels.map(({ data }, i) => ({ sum: sha256(data), code: i })),
      );
      await master.close();
    },
  },
  {
    name: "-R and -L carry TCP both ways",
    run: async (desk) => {
      await using echo = new EchoServer();
      await using master = await Master.open(desk);
      const port = await remoteEcho(master, echo);
      const socket = desk.local("l");
      await master.forward("-L", `${socket}:127.0.0.1:${port}`);
      await Promise.all([1, 2, 3].map(async () => await expectEcho(await connectUnix(socket))));
      strictEqual(echo.accepted, 3);
    },
  },
  {
    name: "-R ends when it is cancelled and when the connection ends",
    run: async (desk) => {
      await using echo = new EchoServer();
      await using master = await Master.open(desk);
      const first = await remoteEchoAtPort(master, echo);
      const second = await remoteEchoAtPort(master, echo);
      await master.cancel("-R", `127.0.0.1:${first}:127.0.0.1:${echo.port}`);
      await master.close();
      await using after = await Master.open(desk);
      for (const port of [first, second]) {
        const socket = desk.local("gone");
        await after.forward("-L", `${socket}:127.0.0.1:${port}`);
        const answer = exchange(await connectUnix(socket), randomBytes(10));
        // Nothing listens there any more: the channel is refused.
        await answer.then((bytes) => strictEqual(bytes.length, 0), () => {});
      }
      strictEqual(echo.accepted, 0);
    },
  },
  {
    name: "-D carries SOCKS connections",
    run: async (desk) => {
      await using echo = new EchoServer();
      await using master = await Master.open(desk);
      const port = await remoteEchoAtPort(master, echo);
      const socksPort = await freePort();
      await master.forward("-D", `127.0.0.1:${socksPort}`);
      await expectEcho(await socksConnect(socksPort, { host: "127.0.0.1", port }));
      await expectEcho(await socksConnect(socksPort, { host: "localhost", port }));
      strictEqual(echo.accepted, 2);
      const closed = await freePort();
      await rejects(
        socksConnect(socksPort, { host: "127.0.0.1", port: closed }),
        /refused by SOCKS/,
      );
    },
  },
  {
    name: "-R and -L carry unix sockets of the workspace",
    run: async (desk) => {
      const target = desk.local("e");
      await using echo = new EchoServer(target);
      await using master = await Master.open(desk);
      const there = await desk.remote("s");
      const socket = desk.local("u");
      await master.forward("-R", `${there}:${target}`);
      await master.forward("-L", `${socket}:${there}`);
      await expectEcho(await connectUnix(socket));
      await expectEcho(await connectUnix(socket));
      strictEqual(echo.accepted, 2);
      await master.close();
      strictEqual((await desk.ssh(`test -S ${there}`)).code, 1, "The socket outlived its session");
    },
  },
];
