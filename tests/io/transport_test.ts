/** `fetch` of the real host against small servers on loopback: redirects, bodies, failures in words, proxies, TLS. */
import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import type { NetworkOptions } from "../../lib/base/host_network.ts";
import { TransportError } from "../../lib/base/http.ts";
import { SystemTransport } from "../../lib/io/transport.ts";
import { startHttpProxy, startSocksProxy } from "./proxies.ts";
import {
  bytesOf,
  envOf,
  LOOPBACK,
  LoopbackServer,
  readHead,
  stayDumb,
  text,
  tlsFixture,
  tlsServer,
  writeAll,
} from "./support.ts";
import { freePort } from "../support/free_port.ts";

const OWN_CA = { caCertificates: tlsFixture("ca.crt") };

/** Answers every request on a connection with `answer`, and keeps the heads. */
function answering(answer: string, heads: string[] = []) {
  return async (conn: Deno.Conn) => {
    for (let head = await readHead(conn); head !== ""; head = await readHead(conn)) {
      heads.push(head);
      await writeAll(conn, bytesOf(answer));
    }
  };
}

const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";

async function get(
  url: string,
  options: {
    readonly env?: Readonly<Record<string, string>>;
    readonly network?: NetworkOptions;
    readonly signal?: AbortSignal;
  } = {},
) {
  using transport = new SystemTransport(options.network ?? {}, envOf(options.env));
  const response = await transport.fetch({
    method: "GET",
    url,
    headers: [["X-Twice", "1"], ["X-Twice", "2"]],
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  let body = "";
  for await (const chunk of response.body) body += text(chunk);
  return { status: response.status, headers: response.headers, body };
}

async function failure(promise: Promise<unknown>): Promise<TransportError> {
  const error = await promise.then(() => undefined, (thrown: unknown) => thrown);
  ok(error instanceof TransportError, `not a TransportError: ${error}`);
  return error;
}

Deno.test("fetch gives status, headers in lower case and body; redirects are the caller's", async () => {
  const heads: string[] = [];
  await using server = new LoopbackServer(answering(
    "HTTP/1.1 307 Elsewhere\r\nLocation: http://127.0.0.1:1/\r\nX-Mixed: Case\r\n" +
      "Content-Length: 5\r\nConnection: close\r\n\r\nmoved",
    heads,
  ));
  const response = await get(`http://${LOOPBACK}:${server.port}/a?b=c`);
  strictEqual(response.status, 307);
  strictEqual(response.body, "moved");
  const headers = new Map(response.headers);
  strictEqual(headers.get("location"), "http://127.0.0.1:1/");
  strictEqual(headers.get("x-mixed"), "Case");
  match(heads[0] ?? "", /^GET \/a\?b=c HTTP\/1\.1\r\n/);
  ok(!/cookie/i.test(heads[0] ?? ""));
});

Deno.test("fetch keeps no cookie", async () => {
  const heads: string[] = [];
  const setting = OK.replace("OK\r\n", "OK\r\nSet-Cookie: coder_session_token=x\r\n");
  await using server = new LoopbackServer(answering(setting, heads));
  using transport = new SystemTransport({}, envOf());
  for (let i = 0; i < 2; i++) {
    const url = `http://${LOOPBACK}:${server.port}/`;
    const response = await transport.fetch({ method: "GET", url, headers: [] });
    response.cancel();
    response.cancel();
  }
  strictEqual(heads.length, 2);
  ok(!heads.some((head) => /cookie:/i.test(head)));
});

Deno.test("fetch: a body that is cut is an error and not a short body", async (t) => {
  const rows = {
    "by its length": "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
    "in its chunks": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n50\r\nmore",
  };
  for (const [name, answer] of Object.entries(rows)) {
    await t.step(name, async () => {
      await using server = new LoopbackServer(async (conn) => {
        await readHead(conn);
        await writeAll(conn, bytesOf(answer));
      });
      const error = await failure(get(`http://${LOOPBACK}:${server.port}/`));
      match(error.message, /^read 127\.0\.0\.1:\d+: /);
    });
  }
});

Deno.test("fetch says what failed, with a code", async (t) => {
  await t.step("refused", async () => {
    const port = await freePort();
    const error = await failure(get(`http://${LOOPBACK}:${port}/`));
    strictEqual(error.code, "refused");
    strictEqual(error.message, `dial tcp 127.0.0.1:${port}: connection refused`);
  });
  await t.step("not HTTP", async () => {
    await using server = new LoopbackServer(async (conn) => {
      await readHead(conn);
      await writeAll(conn, bytesOf("SSH-2.0-OpenSSH_9.2\r\n"));
      await stayDumb(conn);
    });
    await failure(get(`http://${LOOPBACK}:${server.port}/`));
  });
  await t.step("hangs up", async () => {
    await using server = new LoopbackServer(async (conn) => void await readHead(conn));
    const error = await failure(get(`http://${LOOPBACK}:${server.port}/`));
    strictEqual(error.code, "reset");
  });
});

Deno.test({
  name: "fetch says what is not permitted",
  permissions: { net: [LOOPBACK], read: true },
  async fn() {
    const error = await failure(get("http://192.0.2.1/"));
    strictEqual(error.code, "not-permitted");
    ok(!error.message.includes("run again"));
  },
});

Deno.test("fetch that is called off rejects with the reason, before the answer and in the body", async () => {
  await using server = new LoopbackServer(async (conn) => {
    const head = await readHead(conn);
    if (head.startsWith("GET /body")) {
      await writeAll(conn, bytesOf("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"));
    }
    await stayDumb(conn);
  });
  const reason = new Error("changed my mind");
  const first = new AbortController();
  const refused = rejects(
    get(`http://${LOOPBACK}:${server.port}/`, { signal: first.signal }),
    reason,
  );
  while (server.count === 0) await new Promise((resolve) => setTimeout(resolve));
  first.abort(reason);
  await refused;
  const second = new AbortController();
  using transport = new SystemTransport({}, envOf());
  const url = `http://${LOOPBACK}:${server.port}/body`;
  const response = await transport.fetch({
    method: "GET",
    url,
    headers: [],
    signal: second.signal,
  });
  const reading = (async () => {
    for await (const chunk of response.body) if (text(chunk) === "abc") second.abort(reason);
  })();
  await rejects(reading, reason);
});

Deno.test("fetch: TLS with a CA of the user's own, refused without, and another name refused", async () => {
  await using server = tlsServer(answering(OK));
  const url = `https://${LOOPBACK}:${server.port}/`;
  strictEqual((await get(url, { network: OWN_CA })).body, "ok");
  const unknown = await failure(get(url));
  strictEqual(unknown.code, "unknown-authority");
  match(
    unknown.message,
    /: certificate signed by unknown authority \(asked: Mozilla's list, .*\)$/,
  );
});

Deno.test("fetch presents the client's certificate, directly and through an HTTP proxy", async () => {
  const { createServer } = await import("node:https");
  let requests = 0;
  const server = createServer({
    cert: tlsFixture("server.crt"),
    key: tlsFixture("server.key"),
    ca: tlsFixture("ca.crt"),
    requestCert: true,
    rejectUnauthorized: true,
  }, (_request, response) => {
    requests++;
    response.setHeader("Connection", "close");
    response.end("ok");
  });
  await new Promise<void>((resolve) => server.listen(0, LOOPBACK, () => resolve()));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const network = {
    ...OWN_CA,
    clientCertificate: { certificate: tlsFixture("client.crt"), key: tlsFixture("client.key") },
  };
  try {
    strictEqual((await get(`https://${LOOPBACK}:${port}/`, { network })).body, "ok");
    await using proxy = startHttpProxy(port);
    const env = { HTTPS_PROXY: `http://${LOOPBACK}:${proxy.port}` };
    strictEqual((await get("https://coder.test/", { network, env })).body, "ok");
    strictEqual(proxy.asked.join(), "coder.test:443");
    await failure(get(`https://${LOOPBACK}:${port}/`, { network: OWN_CA }));
    strictEqual(requests, 2);
  } finally {
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }
});

Deno.test("fetch goes through proxies, which alone know the name, with their password", async (t) => {
  await using secure = tlsServer(answering(OK));
  await using clear = new LoopbackServer(answering(OK));
  for (const isTls of [true, false]) {
    for (const scheme of ["http", "https", "socks5"]) {
      for (const variable of [isTls ? "HTTPS_PROXY" : "HTTP_PROXY", "all_proxy"]) {
        await t.step(`${variable}, ${scheme}, ${isTls ? "TLS" : "in the clear"}`, async () => {
          const port = isTls ? secure.port : clear.port;
          await using proxy = scheme === "socks5"
            ? startSocksProxy(port)
            : startHttpProxy(port, { password: "ri@ght", isTls: scheme === "https" });
          const user = scheme === "socks5" ? "" : "me:ri@ght@";
          const env = { [variable]: `${scheme}://${user}${LOOPBACK}:${proxy.port}` };
          const url = `${isTls ? "https" : "http"}://coder.test/x`;
          strictEqual((await get(url, { network: OWN_CA, env })).body, "ok");
          const isForwarded = !isTls && scheme !== "socks5";
          strictEqual(
            proxy.asked.join(),
            user + (isForwarded ? "GET http://coder.test/x" : `coder.test:${isTls ? 443 : 80}`),
          );
        });
      }
    }
  }
});

Deno.test("fetch names the proxy that fails, and not its password", async (t) => {
  const closedPort = await freePort();
  for (const url of ["https://coder.test/", "http://coder.test/"]) {
    const where = `coder\\.test:${url.startsWith("https") ? 443 : 80}`;
    await t.step(`refused, ${url}`, async () => {
      const env = { ALL_PROXY: `http://user:p@ss@${LOOPBACK}:${closedPort}` };
      const error = await failure(get(url, { env }));
      strictEqual(error.code, "refused");
      match(
        error.message,
        new RegExp(
          `^dial tcp ${where}: proxy 127\\.0\\.0\\.1:${closedPort} refused the connection$`,
        ),
      );
    });
    await t.step(`wrong password, ${url}`, async () => {
      await using proxy = startHttpProxy(1, { password: "right" });
      const env = { ALL_PROXY: `http://me:wrong@${LOOPBACK}:${proxy.port}` };
      const error = await failure(get(url, { env }));
      strictEqual(error.code, "other");
      match(error.message, /: proxy 127\.0\.0\.1:\d+ refused the user name or password \(407\)$/);
      ok(!error.message.includes("wrong"));
    });
    await t.step(`unusable, ${url}`, async () => {
      const env = { ALL_PROXY: "socks4://proxy.test" };
      await rejects(get(url, { env }), /^UserError: Cannot use the proxy of ALL_PROXY: /);
    });
  }
});

Deno.test("fetch sends to no proxy what NO_PROXY names, nor loopback", async (t) => {
  await using server = new LoopbackServer(answering(OK));
  await using proxy = startHttpProxy(server.port);
  const at = `http://${LOOPBACK}:${proxy.port}`;
  await t.step("loopback", async () => {
    const env = { HTTP_PROXY: at, ALL_PROXY: at };
    strictEqual((await get(`http://${LOOPBACK}:${server.port}/`, { env })).body, "ok");
  });
  await t.step("NO_PROXY", async () => {
    const env = { HTTP_PROXY: at, NO_PROXY: ".coder.invalid" };
    const error = await failure(get("http://sub.coder.invalid:81/", { env }));
    match(error.message, /^dial tcp sub\.coder\.invalid:81: /);
  });
  deepStrictEqual(proxy.asked, []);
});

Deno.test("fetch reaches ports that browsers refuse, and says when the other side speaks another language", async () => {
  const refused = await failure(get(`http://${LOOPBACK}:1/`));
  strictEqual(refused.message, "dial tcp 127.0.0.1:1: connection refused");
  await using clear = new LoopbackServer(async (conn) => {
    await conn.read(new Uint8Array(1_024));
    await writeAll(conn, bytesOf("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"));
  });
  const notTls = await failure(get(`https://${LOOPBACK}:${clear.port}/`, { network: OWN_CA }));
  strictEqual(
    notTls.message,
    `dial tcp 127.0.0.1:${clear.port}: it does not speak TLS`,
  );
  await using secure = tlsServer(stayDumb);
  const notClear = await failure(get(`http://${LOOPBACK}:${secure.port}/`));
  match(notClear.message, /^read 127\.0\.0\.1:\d+: (it speaks TLS: try https:\/\/|Cannot read)/);
  strictEqual(notTls.code, "no-tls");
});

Deno.test("fetch keeps a connection for the next request, by TLS as well", async () => {
  const heads: string[] = [];
  const answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
  await using server = tlsServer(answering(answer, heads));
  using transport = new SystemTransport(OWN_CA, envOf());
  const url = `https://${LOOPBACK}:${server.port}/`;
  for (let i = 0; i < 3; i++) {
    const response = await transport.fetch({ method: "GET", url, headers: [] });
    for await (const chunk of response.body) strictEqual(text(chunk), "ok");
  }
  strictEqual(heads.length, 3);
  strictEqual(server.count, 1);
});
