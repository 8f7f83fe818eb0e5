/** The dialer: directly and through proxies, in the clear and by TLS, and what stays open when it fails (nothing). */
import { match, ok, rejects, strictEqual } from "node:assert/strict";
import { AddressMemory } from "../../lib/io/address_memory.ts";
import type { Conn } from "../../lib/io/conn.ts";
import { dial, type DialOptions, type DialTarget } from "../../lib/io/dial.ts";
import { describeDialError, proxyErrorOf } from "../../lib/io/dial_errors.ts";
import { SystemRoots } from "../../lib/io/system_roots.ts";
import { relayEndpoints } from "../../lib/tailnet/derp_map.ts";
import { derpMapFromJson } from "../../lib/tailnet/derp_map_json.ts";
import { parseProxy } from "../../lib/io/proxy_url.ts";
import { startHttpProxy, startSocksProxy } from "./proxies.ts";
import {
  bytesOf,
  echo,
  envOf,
  LOOPBACK,
  LoopbackServer,
  ownCa,
  ownCaAndClient,
  readHead,
  readText,
  stayDumb,
  tlsFixture,
  tlsServer,
  writeAll,
} from "./support.ts";
import { freePort } from "../support/free_port.ts";

const DIRECT: DialOptions = { env: envOf() };

function plain(port: number): DialTarget {
  return { host: LOOPBACK, port, isTls: false };
}

/** Sends a word and expects it back, then closes. */
async function expectEcho(conn: Conn): Promise<void> {
  try {
    await writeAll(conn, bytesOf("hello"));
    strictEqual(await readText(conn, 5), "hello");
  } finally {
    conn.close();
  }
}

async function failureOf(target: DialTarget, options: DialOptions): Promise<string> {
  const error = await dial(target, options).then((conn) => {
    conn.close();
    return undefined;
  }, (thrown: unknown) => thrown);
  return describeDialError(error, target) ?? `not described: ${error}`;
}

Deno.test("dial() connects in the clear and by TLS with a CA of the user's own", async () => {
  await using server = new LoopbackServer(echo);
  await expectEcho(await dial(plain(server.port), DIRECT));
  await using secure = tlsServer(echo);
  const target = { host: LOOPBACK, port: secure.port, isTls: true };
  await expectEcho(await dial(target, { ...DIRECT, tls: ownCa() }));
});

Deno.test("dial() drops a connection whose name led to this machine, where nobody may send us", async () => {
  const words: string[] = [];
  await using server = new LoopbackServer(async (conn) => {
    words.push(await readText(conn, 1));
  });
  const addresses = new AddressMemory(() => 0);
  addresses.note("relay.test", LOOPBACK);
  const target = { host: "relay.test", port: server.port, isTls: false };
  match(
    await failureOf({ ...target, refusesLocal: true }, { ...DIRECT, addresses }),
    /^relay\.test:\d+: leads to this machine or its network \(127\.0\.0\.1\), where the deployment is not$/,
  );
  await server.allClosed();
  strictEqual(words.join(""), "");
  const conn = await dial(target, { ...DIRECT, addresses });
  conn.close();
});

Deno.test("dial() verifies against the server's name, not against the address it dials", async () => {
  await using secure = tlsServer(echo);
  const target = { host: LOOPBACK, port: secure.port, isTls: true };
  await expectEcho(
    await dial({ ...target, serverName: "coder.test" }, { ...DIRECT, tls: ownCa() }),
  );
  for (const tls of [ownCa(), ownCaAndClient()]) {
    const other = { ...target, serverName: "other.test" };
    match(await failureOf(other, { ...DIRECT, tls }), /certificate|not valid for|altnames/i);
  }
});

Deno.test("dial() refuses a certificate of nobody known, in words", async () => {
  await using secure = tlsServer(echo);
  const target = { host: LOOPBACK, port: secure.port, isTls: true };
  match(await failureOf(target, DIRECT), /certificate.*(unknown|not trusted)/i);
  const { client } = ownCaAndClient();
  ok(client !== undefined);
  match(
    await failureOf(target, { ...DIRECT, tls: { client } }),
    /certificate.*(unknown|not trusted)/i,
  );
});

Deno.test("dial() presents the client's certificate, directly and through an HTTP proxy", async () => {
  const { createServer } = await import("node:tls");
  const names: string[] = [];
  const server = createServer({
    cert: tlsFixture("server.crt"),
    key: tlsFixture("server.key"),
    ca: tlsFixture("ca.crt"),
    requestCert: true,
    rejectUnauthorized: true,
  }, (socket) => {
    names.push(String(socket.getPeerCertificate().subject?.CN));
    socket.on("error", () => {});
    socket.pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, LOOPBACK, () => resolve()));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  try {
    const tls = ownCaAndClient();
    await expectEcho(await dial({ host: LOOPBACK, port, isTls: true }, { ...DIRECT, tls }));
    await using proxy = startHttpProxy(port);
    const env = envOf({ HTTPS_PROXY: `http://${LOOPBACK}:${proxy.port}` });
    await expectEcho(await dial({ host: "coder.test", port: 443, isTls: true }, { env, tls }));
    strictEqual(proxy.asked.join(), "coder.test:443");
    strictEqual(names.join(), "alice,alice");
  } finally {
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }
});

Deno.test("dial() goes through proxies, which alone know the name", async (t) => {
  await using secure = tlsServer(echo);
  await using clear = new LoopbackServer(echo);
  const rows = [
    { name: "http", isTls: false, start: () => startHttpProxy(clear.port), scheme: "http" },
    { name: "http, TLS", isTls: true, start: () => startHttpProxy(secure.port), scheme: "http" },
    {
      name: "socks5, TLS",
      isTls: true,
      start: () => startSocksProxy(secure.port),
      scheme: "socks5",
    },
    { name: "socks5", isTls: false, start: () => startSocksProxy(clear.port), scheme: "socks5" },
    {
      name: "https, TLS inside TLS",
      isTls: true,
      start: () => startHttpProxy(secure.port, { isTls: true }),
      scheme: "https",
    },
  ];
  for (const { name, isTls, start, scheme } of rows) {
    await t.step(name, async () => {
      await using proxy = start();
      const env = envOf({
        [isTls ? "HTTPS_PROXY" : "HTTP_PROXY"]: `${scheme}://${LOOPBACK}:${proxy.port}`,
      });
      await expectEcho(
        await dial({ host: "coder.test", port: 4443, isTls }, { env, tls: ownCa() }),
      );
      strictEqual(proxy.asked.join(), "coder.test:4443");
    });
  }
});

Deno.test("dial() tells a proxy the name of a relay, also where the map gives its address", async () => {
  await using secure = tlsServer(echo);
  await using proxy = startHttpProxy(secure.port);
  const env = envOf({ HTTPS_PROXY: `${LOOPBACK}:${proxy.port}`, NO_PROXY: "192.0.2.0/24" });
  const target = { host: "192.0.2.1", port: 443, isTls: true, serverName: "coder.test" };
  await expectEcho(await dial(target, { env, tls: ownCa() }));
  strictEqual(proxy.asked.join(), "coder.test:443");
});

Deno.test("dial() gives a proxy its password and repeats none in errors", async () => {
  await using server = new LoopbackServer(echo);
  await using proxy = startHttpProxy(server.port, { password: "right" });
  const target = { host: "coder.test", port: 80, isTls: false };
  const env = envOf({ HTTP_PROXY: `http://me:right@${LOOPBACK}:${proxy.port}` });
  await expectEcho(await dial(target, { env }));
  const wrong = envOf({ HTTP_PROXY: `http://me:wrong@${LOOPBACK}:${proxy.port}` });
  const failure = await failureOf(target, { env: wrong });
  match(failure, /^proxy 127\.0\.0\.1:\d+ refused the user name or password \(407\)$/);
  strictEqual(proxy.asked.join(), "me:right@coder.test:80,me:wrong@coder.test:80");
});

Deno.test("dial() obeys NO_PROXY and never sends loopback to a proxy", async () => {
  await using server = new LoopbackServer(echo);
  await using proxy = startHttpProxy(server.port);
  const env = envOf({ HTTP_PROXY: `http://${LOOPBACK}:${proxy.port}` });
  await expectEcho(await dial(plain(server.port), { env }));
  strictEqual(proxy.asked.length, 0);
});

Deno.test("dial() says what failed in one line", async () => {
  const port = await freePort();
  match(await failureOf(plain(port), DIRECT), /^127\.0\.0\.1:\d+ refused the connection$/);
});

Deno.test("dial() leaves nothing open when the time is over, wherever it was", async (t) => {
  const tls = ownCa();
  const rows: {
    name: string;
    env: (port: number) => Record<string, string>;
    isTls: boolean;
    options: Partial<DialOptions>;
  }[] = [
    {
      name: "in node's TLS handshake",
      env: () => ({}),
      isTls: true,
      options: { tls: ownCaAndClient() },
    },
    {
      name: "in a proxy's answer",
      env: (port) => ({ HTTP_PROXY: `http://${LOOPBACK}:${port}` }),
      isTls: false,
      options: {},
    },
    {
      name: "in the TLS handshake behind a proxy",
      env: (port) => ({ HTTPS_PROXY: `http://${LOOPBACK}:${port}` }),
      isTls: true,
      options: { tls },
    },
  ];
  for (const { name, env, isTls, options } of rows) {
    await t.step(name, async () => {
      await using server = new LoopbackServer(stayDumb);
      const variables = env(server.port);
      const host = Object.keys(variables).length === 0 ? LOOPBACK : "coder.test";
      const target = { host, port: server.port, isTls };
      const all = { env: envOf(variables), ...options, timeoutMs: 200 };
      match(await failureOf(target, all), /does not answer$/);
      strictEqual(server.count, 1);
      await server.allClosed(); // hangs if we still hold it
    });
  }
});

Deno.test("dial() gives up a TLS handshake that never ends", async () => {
  await using server = new LoopbackServer(stayDumb);
  const target = { host: LOOPBACK, port: server.port, isTls: true };
  match(await failureOf(target, { ...DIRECT, tls: ownCa(), timeoutMs: 200 }), /does not answer$/);
});

Deno.test("dial() leaves nothing open when it is called off, and says why it was", async () => {
  await using server = new LoopbackServer(stayDumb);
  const controller = new AbortController();
  const reason = new Error("changed my mind");
  const target = { host: LOOPBACK, port: server.port, isTls: true };
  const dialling = dial(target, { ...DIRECT, tls: ownCaAndClient(), signal: controller.signal });
  const refused = rejects(dialling, reason);
  while (server.count === 0) await new Promise((resolve) => setTimeout(resolve));
  controller.abort(reason);
  await refused;
  await server.allClosed();
  await rejects(dial(target, { ...DIRECT, signal: controller.signal }), reason);
  strictEqual(server.count, 1);
});

Deno.test("dial() ends with a server that hangs up in the middle of a TLS handshake", async (t) => {
  for (const [name, tls] of [["Deno's", ownCa()], ["node's", ownCaAndClient()]] as const) {
    await t.step(name, async () => {
      await using server = new LoopbackServer(async (conn) => {
        await conn.read(new Uint8Array(100));
      });
      const target = { host: LOOPBACK, port: server.port, isTls: true };
      match(await failureOf(target, { ...DIRECT, tls }), /127\.0\.0\.1:\d+: /);
    });
  }
});

Deno.test("dial() takes nothing of the tunnel's first bytes for the proxy's answer", async () => {
  await using server = new LoopbackServer(async (conn) => {
    await readHead(conn);
    await writeAll(conn, bytesOf("HTTP/1.1 200 OK\r\n\r\nSSH-2.0-x"));
    await stayDumb(conn);
  });
  const env = envOf({ HTTP_PROXY: `http://${LOOPBACK}:${server.port}` });
  const conn = await dial({ host: "coder.test", port: 22, isTls: false }, { env });
  strictEqual(await readText(conn, 9), "SSH-2.0-x");
  conn.close();
});

Deno.test("dial() names the proxy that refuses, says nothing, hangs up or is nobody", async (t) => {
  await using dumb = new LoopbackServer(stayDumb);
  await using hangsUp = new LoopbackServer(() => Promise.resolve());
  const closedPort = await freePort();
  const rows: readonly (readonly [name: string, port: number, words: RegExp])[] = [
    ["refused", closedPort, /^proxy 127\.0\.0\.1:\d+ refused the connection$/],
    ["dumb", dumb.port, /^proxy 127\.0\.0\.1:\d+ does not answer$/],
    ["hangs up", hangsUp.port, /^proxy 127\.0\.0\.1:\d+ (closed the connection|cannot be used)/],
  ];
  for (const [name, port, words] of rows) {
    for (const scheme of ["http", "https", "socks5"]) {
      for (const isTls of [true, false]) {
        await t.step(`${name}, ${scheme}, ${isTls ? "TLS" : "clear"}`, async () => {
          const env = envOf({ ALL_PROXY: `${scheme}://user:pa@ss@${LOOPBACK}:${port}` });
          const target = { host: "coder.invalid", port: 443, isTls };
          const failure = await failureOf(target, { env, tls: ownCa(), timeoutMs: 200 });
          match(failure, words);
          ok(!failure.includes("pa@ss"));
        });
      }
    }
  }
  await t.step("nobody", () => {
    const proxy = parseProxy("ALL_PROXY", "http://proxy.invalid:3128");
    const unknown = new Error("failed to lookup address information: Name or service not known");
    strictEqual(
      describeDialError(proxyErrorOf(proxy, unknown), { host: "a.test", port: 443 }),
      "proxy proxy.invalid:3128 cannot be found: no such host",
    );
  });
});

Deno.test("dial() names an https proxy whose certificate nobody vouches for", async () => {
  await using proxy = startHttpProxy(9, { isTls: true });
  const env = envOf({ ALL_PROXY: `https://${LOOPBACK}:${proxy.port}` });
  match(
    await failureOf({ host: "coder.test", port: 80, isTls: false }, { env }),
    /^proxy 127\.0\.0\.1:\d+ cannot be used: certificate signed by unknown authority \(asked: Mozilla's list\)$/,
  );
});

Deno.test("dial() dials nobody when the proxy's variable cannot be used", async () => {
  await using server = new LoopbackServer(echo);
  const env = envOf({ ALL_PROXY: `socks4://${LOOPBACK}:${server.port}` });
  const target = { host: "10.0.0.1", port: server.port, isTls: false };
  match(await failureOf(target, { env }), /^Cannot use the proxy of ALL_PROXY: /);
  strictEqual(server.count, 0);
});

Deno.test("dial() puts IPv6 addresses in brackets", async () => {
  const port = await freePort();
  match(
    await failureOf({ host: "::1", port, isTls: false }, DIRECT),
    /^\[::1\]:\d+(:| refused)/,
  );
});

/** Stores that tell what was asked of them. */
function fakeRoots(
  stores: { readonly quick?: readonly string[]; readonly all?: readonly string[] },
): { readonly roots: SystemRoots; readonly asked: string[] } {
  const asked: string[] = [];
  const roots = new SystemRoots({
    quick: () => {
      asked.push("quick");
      return Promise.resolve({ certificates: stores.quick ?? [], stores: ["/bundle"] });
    },
    all: () => {
      asked.push("all");
      return Promise.resolve({ certificates: stores.all ?? [], stores: ["/bundle", "/folder"] });
    },
  });
  return { roots, asked };
}

Deno.test("dial() trusts the system's authorities, and asks the slow stores only when the quick one does not know", async (t) => {
  const ca = tlsFixture("ca.crt");
  const { client } = ownCaAndClient();
  ok(client !== undefined);
  const broken = ca.replace(/\n[^\n]+\n-----END/, "\n-----END");
  const rows = [
    { name: "in the bundle", stores: { quick: [ca] }, asked: "quick" },
    { name: "elsewhere", stores: { all: [ca] }, asked: "quick,all" },
    { name: "broken bundle", stores: { quick: [broken], all: [ca] }, asked: "quick,all" },
    {
      name: "broken PEM",
      stores: { quick: ["-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"], all: [ca] },
      asked: "quick,all",
    },
  ];
  for (const { name, stores, asked } of rows) {
    for (const way of ["direct", "with a client certificate", "http proxy", "https proxy"]) {
      await t.step(`${name}, ${way}`, async () => {
        await using secure = tlsServer(echo);
        await using proxy = startHttpProxy(secure.port, { isTls: way === "https proxy" });
        const scheme = way === "https proxy" ? "https" : "http";
        const env = way.endsWith("proxy")
          ? envOf({ HTTPS_PROXY: `${scheme}://${LOOPBACK}:${proxy.port}` })
          : envOf();
        const host = way.endsWith("proxy") ? "coder.test" : LOOPBACK;
        const target = { host, port: secure.port, isTls: true };
        const fake = fakeRoots(stores);
        const options: DialOptions = {
          env,
          roots: fake.roots,
          ...(way === "with a client certificate" ? { tls: { client } } : {}),
        };
        await expectEcho(await dial(target, options));
        await expectEcho(await dial(target, options));
        strictEqual(fake.asked.join(), asked);
      });
    }
  }
});

Deno.test("dial() reads no store for a connection in the clear", async () => {
  await using server = new LoopbackServer(echo);
  const fake = fakeRoots({});
  await expectEcho(await dial(plain(server.port), { ...DIRECT, roots: fake.roots }));
  strictEqual(fake.asked.length, 0);
});

Deno.test("dial() says which stores were asked for an authority that nobody knows", async () => {
  await using secure = tlsServer(echo);
  const target = { host: LOOPBACK, port: secure.port, isTls: true };
  const fake = fakeRoots({});
  match(
    await failureOf(target, { ...DIRECT, roots: fake.roots }),
    /^127\.0\.0\.1:\d+: certificate signed by unknown authority \(asked: Mozilla's list, \/bundle, \/folder\)$/,
  );
  strictEqual(fake.asked.join(), "quick,all");
  match(
    await failureOf(target, {
      ...DIRECT,
      roots: fake.roots,
      tls: { caCerts: [tlsFixture("server.crt")] },
    }),
    /\(asked: Mozilla's list, \/bundle, \/folder, --client-tls-ca-file\)$/,
  );
  strictEqual(fake.asked.join(), "quick,all");
});

Deno.test("dial() checks a certificate against the relay's CertName, and asks for its host name (tlsdial.SetConfigExpectedCert)", async (t) => {
  const { createServer } = await import("node:tls");
  const asked: string[] = [];
  const server = createServer({
    cert: tlsFixture("server.crt"),
    key: tlsFixture("server.key"),
    SNICallback: (name, done) => {
      asked.push(name);
      done(null);
    },
  }, (socket) => {
    socket.on("error", () => {});
    socket.pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, LOOPBACK, () => resolve()));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const relay = { host: LOOPBACK, port, isTls: true, serverName: "fronted.test" };
  try {
    await t.step("the name it is for", async () => {
      await expectEcho(
        await dial({ ...relay, certName: "coder.test" }, { ...DIRECT, tls: ownCa() }),
      );
      strictEqual(asked.join(), "fronted.test");
    });
    await t.step("as a relay map says it", async () => {
      const node = {
        Name: "n",
        RegionID: 900,
        HostName: "fronted.test",
        IPv4: LOOPBACK,
        IPv6: "none",
        DERPPort: port,
      };
      for (const [CertName, isRight] of [["coder.test", true], ["", false]] as const) {
        const map = derpMapFromJson({
          Regions: {
            900: {
              RegionID: 900,
              RegionCode: "tst",
              RegionName: "Test",
              Nodes: [{ ...node, CertName }],
            },
          },
        });
        const [endpoint] = relayEndpoints(map, 900);
        ok(endpoint !== undefined);
        const options = { ...DIRECT, tls: ownCa() };
        if (isRight) await expectEcho(await dial(endpoint, options));
        else match(await failureOf(endpoint, options), /certificate is for another name$/);
      }
    });
    await t.step("another name", async () => {
      for (const certName of ["other.test", "fronted.test", "sha256-raw:00", "*.test", ""]) {
        match(
          await failureOf({ ...relay, certName }, { ...DIRECT, tls: ownCa() }),
          /certificate is for another name$/,
        );
      }
    });
    await t.step("another authority", async () => {
      match(
        await failureOf({ ...relay, certName: "coder.test" }, DIRECT),
        /unknown authority \(asked: Mozilla's list\)$/,
      );
    });
    await t.step("through proxies", async () => {
      for (const scheme of ["http", "https"]) {
        await using proxy = startHttpProxy(port, { isTls: scheme === "https" });
        const env = envOf({ HTTPS_PROXY: `${scheme}://${LOOPBACK}:${proxy.port}` });
        await expectEcho(await dial({ ...relay, certName: "coder.test" }, { env, tls: ownCa() }));
        strictEqual(proxy.asked.join(), `fronted.test:${port}`);
      }
    });
  } finally {
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }
});

Deno.test("dial() takes a server that signed its certificate itself when that is the one trusted, and no other", async (t) => {
  const self = { cert: tlsFixture("self.crt"), key: tlsFixture("self.key") };
  const { client } = ownCaAndClient();
  ok(client !== undefined);
  await using server = new LoopbackServer(echo, self);
  const target = { host: LOOPBACK, port: server.port, isTls: true };
  await t.step("given by the user", async () => {
    await expectEcho(await dial(target, { ...DIRECT, tls: { caCerts: [self.cert] } }));
    await expectEcho(await dial(target, { ...DIRECT, tls: { caCerts: [self.cert], client } }));
  });
  await t.step("in a store of the system", async () => {
    for (const stores of [{ quick: [self.cert] }, { all: [self.cert] }]) {
      await expectEcho(await dial(target, { ...DIRECT, roots: fakeRoots(stores).roots }));
    }
  });
  await t.step("a proxy", async () => {
    await using clear = new LoopbackServer(echo);
    await using proxy = startHttpProxy(clear.port, { tls: self });
    const env = envOf({ HTTP_PROXY: `https://${LOOPBACK}:${proxy.port}` });
    const far = { host: "coder.test", port: 80, isTls: false };
    await expectEcho(await dial(far, { env, tls: { caCerts: [self.cert] } }));
    match(
      await failureOf(far, { env, tls: ownCa() }),
      /^proxy \S+ cannot be used: .*unknown authority/,
    );
  });
  await t.step("unknown", async () => {
    for (const tls of [ownCa(), ownCaAndClient()]) {
      match(
        await failureOf(target, { ...DIRECT, tls }),
        /unknown authority \(asked: Mozilla's list, --client-tls-ca-file\)$/,
      );
    }
  });
  await t.step("another name", async () => {
    const other = { ...target, serverName: "other.test" };
    match(
      await failureOf(other, { ...DIRECT, tls: { caCerts: [self.cert] } }),
      /certificate is for another name$/,
    );
  });
});

Deno.test("describeDialError() says what is wrong with a certificate's time", () => {
  const target = { host: "coder.test", port: 443 };
  const now = "verification time 1795884060 (UNIX), but certificate is not valid";
  const rows = [
    [
      `certificate expired: ${now} after 1609459200 (186424860 seconds ago)`,
      "certificate has expired",
    ],
    [
      `certificate not valid yet: ${now} before 4102444800 (2306560740 seconds in future)`,
      "certificate is not valid yet",
    ],
  ];
  for (const [text, words] of rows) {
    const error = new Deno.errors.InvalidData(`invalid peer certificate: ${text}`);
    strictEqual(describeDialError(error, target), `coder.test:443: ${words}`);
  }
});
