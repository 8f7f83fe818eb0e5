/** Requests over connections in memory: which are kept, which are used again, and when a request is sent twice. */
import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import { type HttpRequest, TransportError } from "../../lib/base/http.ts";
import { HttpClient } from "../../lib/io/http_client.ts";
import { parseProxy, type ProxyServer } from "../../lib/io/proxy_url.ts";
import { bytesOf, FakeConn, settle, text } from "./support.ts";

const URL_A = "https://a.test/x?y";
const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/** A client whose dials give connections of the test's own. */
class World implements Disposable {
  readonly conns: FakeConn[] = [];
  readonly dialled: string[] = [];
  now = 0;
  forwarder: ProxyServer | undefined;
  readonly client = new HttpClient({
    dial: (url) => {
      const conn = new FakeConn();
      this.conns.push(conn);
      this.dialled.push(url.origin);
      return Promise.resolve({ conn, forwarder: this.forwarder });
    },
    wallMs: () => this.now,
  });

  [Symbol.dispose](): void {
    this.client[Symbol.dispose]();
  }

  conn(index: number): FakeConn {
    const conn = this.conns[index];
    ok(conn !== undefined, `no connection ${index}`);
    return conn;
  }

  /** The requests that a connection was sent. */
  sent(index: number): string {
    return this.conn(index).written.map(text).join("");
  }

  /** Sends a request, lets `answer` come on its connection, and reads the answer. */
  async get(answer: string, request: Partial<HttpRequest> = {}): Promise<string> {
    const before = this.conns.map((conn) => conn.written.length);
    const asking = this.client.fetch({ method: "GET", url: URL_A, headers: [], ...request });
    asking.catch(() => {}); // told to whoever awaits the result
    await settle();
    const asked = this.conns.find((conn, i) => conn.written.length > (before[i] ?? 0));
    ok(asked !== undefined, "nothing was sent");
    asked.arrive(bytesOf(answer));
    return await bodyOf(await asking);
  }
}

async function bodyOf(response: { readonly body: AsyncIterable<Uint8Array> }): Promise<string> {
  let body = "";
  for await (const chunk of response.body) body += text(chunk);
  return body;
}

const failureOf = async (promise: Promise<unknown>): Promise<TransportError> => {
  const error = await promise.then(() => undefined, (thrown: unknown) => thrown);
  ok(error instanceof TransportError, `not a TransportError: ${error}`);
  return error;
};

Deno.test("HttpClient sends what it is given and takes bodies as they are", async () => {
  using world = new World();
  const body = '{"a":"é"}';
  strictEqual(
    await world.get(OK, { method: "POST", headers: [["A", "1"], ["A", "2"]], body }),
    "ok",
  );
  strictEqual(
    new TextDecoder().decode(bytesOf(world.sent(0))),
    "POST /x?y HTTP/1.1\r\nHost: a.test\r\nA: 1\r\nA: 2\r\nAccept-Encoding: identity\r\n" +
      `Content-Length: 10\r\n\r\n${body}`,
  );
});

Deno.test("HttpClient uses a connection again, one request at a time, for its origin alone", async () => {
  using world = new World();
  for (let i = 0; i < 3; i++) strictEqual(await world.get(OK), "ok");
  strictEqual(world.conns.length, 1);
  const both = [0, 1].map(() => world.client.fetch({ method: "GET", url: URL_A, headers: [] }));
  await settle();
  strictEqual(world.conns.length, 2);
  for (const conn of world.conns) conn.arrive(bytesOf(OK));
  deepStrictEqual(await Promise.all(both.map(async (asked) => await bodyOf(await asked))), [
    "ok",
    "ok",
  ]);
  for (const url of ["http://a.test/", "https://a.test:444/", "https://b.test/"]) {
    await world.get(OK, { url });
  }
  deepStrictEqual(world.dialled, [
    "https://a.test",
    "https://a.test",
    "http://a.test",
    "https://a.test:444",
    "https://b.test",
  ]);
});

Deno.test("HttpClient keeps no connection that it must not (RFC 9112 §9.3)", async (t) => {
  const rows: readonly (readonly [name: string, answer: string])[] = [
    ["closing", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"],
    ["old", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"],
    ["with more than was asked for", `${OK}HTTP/1.1 200 OK\r\n`],
  ];
  for (const [name, answer] of rows) {
    await t.step(name, async () => {
      using world = new World();
      strictEqual(await world.get(answer), "ok");
      ok(world.conn(0).isClosed);
      await world.get(OK);
      strictEqual(world.conns.length, 2);
    });
  }
});

Deno.test("HttpClient notices what happens to a connection that waits", async (t) => {
  const rows: readonly (readonly [name: string, what: Uint8Array | null | Error])[] = [
    ["closed", null],
    ["reset", new Deno.errors.ConnectionReset("reset")],
    ["speaks unasked", bytesOf("HTTP/1.1 408 Timeout\r\n\r\n")],
  ];
  for (const [name, what] of rows) {
    await t.step(name, async () => {
      using world = new World();
      await world.get(OK);
      world.conn(0).arrive(what);
      await settle();
      ok(world.conn(0).isClosed);
      strictEqual(await world.get(OK, { method: "POST" }), "ok");
      strictEqual(world.conns.length, 2);
    });
  }
});

Deno.test("HttpClient sends a request again when a kept connection dies before an answer, if it may", async (t) => {
  const dies: readonly (readonly [name: string, what: null | Error])[] = [
    ["closed", null],
    ["reset", new Deno.errors.ConnectionReset("reset")],
  ];
  for (const [name, what] of dies) {
    for (const method of ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"]) {
      await t.step(`${name}, ${method}`, async () => {
        using world = new World();
        await world.get(OK);
        const asking = world.client.fetch({ method, url: URL_A, headers: [] });
        await settle();
        world.conn(0).arrive(what);
        await settle();
        world.conn(1).arrive(bytesOf(OK));
        strictEqual((await asking).status, 200);
        match(world.sent(1), new RegExp(`^${method} /x\\?y `));
        ok(world.conn(0).isClosed);
        (await asking).cancel();
      });
    }
    await t.step(`${name}, POST`, async () => {
      using world = new World();
      await world.get(OK);
      const asking = failureOf(world.client.fetch({ method: "POST", url: URL_A, headers: [] }));
      await settle();
      world.conn(0).arrive(what);
      strictEqual((await asking).code, "reset");
      strictEqual(world.conns.length, 1);
    });
    await t.step(`${name}, on a new connection`, async () => {
      using world = new World();
      const asking = failureOf(world.client.fetch({ method: "GET", url: URL_A, headers: [] }));
      await settle();
      world.conn(0).arrive(what);
      strictEqual((await asking).code, "reset");
      strictEqual(world.conns.length, 1);
    });
    await t.step(`${name}, after the first byte`, async () => {
      using world = new World();
      await world.get(OK);
      const asking = failureOf(world.client.fetch({ method: "GET", url: URL_A, headers: [] }));
      await settle();
      world.conn(0).arrive(bytesOf("H"));
      world.conn(0).arrive(what);
      strictEqual((await asking).code, "reset");
      strictEqual(world.conns.length, 1);
    });
  }
});

Deno.test("HttpClient gives up connections that waited too long, and the oldest of too many", async () => {
  using world = new World();
  await world.get(OK);
  world.now += 30_001;
  await world.get(OK);
  strictEqual(world.conns.length, 2);
  ok(world.conn(0).isClosed);
  const many = Array.from(
    { length: 9 },
    () => world.client.fetch({ method: "GET", url: URL_A, headers: [] }),
  );
  await settle();
  for (const conn of world.conns.slice(1)) conn.arrive(bytesOf(OK));
  for (const asked of many) strictEqual(await bodyOf(await asked), "ok");
  strictEqual(world.conns.filter((conn) => !conn.isClosed).length, 6);
});

Deno.test("HttpClient: a body that is not read to its end closes the connection, one that came whole does not", async (t) => {
  const begin = async (world: World, answer: string) => {
    const asking = world.client.fetch({ method: "GET", url: URL_A, headers: [] });
    await settle();
    world.conn(0).arrive(bytesOf(answer));
    return await asking;
  };
  const half = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf";
  await t.step("left early", async () => {
    using world = new World();
    for await (const chunk of (await begin(world, half)).body) {
      strictEqual(text(chunk), "half");
      break;
    }
    ok(world.conn(0).isClosed);
  });
  await t.step("cancelled", async () => {
    using world = new World();
    const response = await begin(world, half);
    response.cancel();
    response.cancel();
    ok(world.conn(0).isClosed);
    strictEqual(await bodyOf(response), "");
  });
  await t.step("cancelled while it is read", async () => {
    using world = new World();
    const response = await begin(world, half);
    const reading = bodyOf(response);
    await settle();
    response.cancel();
    await failureOf(reading);
    ok(world.conn(0).isClosed);
  });
  await t.step("cancelled when it is all there", async () => {
    using world = new World();
    const response = await begin(world, OK);
    response.cancel();
    response.cancel();
    ok(!world.conn(0).isClosed);
    await world.get(OK);
    response.cancel();
    await world.get(OK);
    strictEqual(world.conns.length, 1);
  });
});

Deno.test("HttpClient that is called off rejects with the reason and closes the connection, at any time", async (t) => {
  const reason = new Error("changed my mind");
  const ask = (world: World, signal: AbortSignal) =>
    world.client.fetch({ method: "GET", url: URL_A, headers: [], signal });
  await t.step("before", async () => {
    using world = new World();
    await rejects(ask(world, AbortSignal.abort(reason)), reason);
    strictEqual(world.conns.length, 0);
  });
  await t.step("before the answer, also on a kept connection", async () => {
    using world = new World();
    await world.get(OK);
    const controller = new AbortController();
    const asking = rejects(ask(world, controller.signal), reason);
    await settle();
    controller.abort(reason);
    await asking;
    ok(world.conn(0).isClosed);
    strictEqual(world.conns.length, 1);
  });
  await t.step("in the body", async () => {
    using world = new World();
    const controller = new AbortController();
    const asking = ask(world, controller.signal);
    await settle();
    world.conn(0).arrive(bytesOf("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"));
    const reading = rejects(bodyOf(await asking), reason);
    await settle();
    controller.abort(reason);
    await reading;
    ok(world.conn(0).isClosed);
  });
  await t.step("after the end", async () => {
    using world = new World();
    const controller = new AbortController();
    await world.get(OK, { signal: controller.signal });
    controller.abort(reason);
    ok(!world.conn(0).isClosed);
  });
});

Deno.test("HttpClient streams a body that never ends, piece by piece", async () => {
  using world = new World();
  const asking = world.client.fetch({ method: "GET", url: URL_A, headers: [] });
  await settle();
  world.conn(0).arrive(bytesOf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"));
  const pieces = (await asking).body[Symbol.asyncIterator]();
  for (const word of ["one", "two", "three"]) {
    world.conn(0).arrive(bytesOf(`${word.length}\r\n${word}\r\n`));
    const { value } = await pieces.next();
    strictEqual(text(value), word);
  }
  world.conn(0).arrive(bytesOf("0\r\n\r\n"));
  ok((await pieces.next()).done === true);
  await world.get(OK);
  strictEqual(world.conns.length, 1);
});

Deno.test("HttpClient asks an HTTP proxy for the whole URL, and tells it alone who we are (RFC 9112 §3.2.2)", async () => {
  using world = new World();
  world.forwarder = parseProxy("HTTP_PROXY", "http://us:p@ss@proxy.test:3128");
  strictEqual(await world.get(OK, { url: "http://a.test:8080/x?y#z" }), "ok");
  strictEqual(
    world.sent(0),
    "GET http://a.test:8080/x?y HTTP/1.1\r\nHost: a.test:8080\r\nAccept-Encoding: identity\r\n" +
      "Proxy-Authorization: Basic dXM6cEBzcw==\r\n\r\n",
  );
  const refusal = "HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n";
  const error = await failureOf(world.get(refusal, { url: "http://a.test:8080/" }));
  match(
    error.message,
    /^read a\.test:8080: proxy proxy\.test:3128 refused the user name or password \(407\)$/,
  );
});

Deno.test("HttpClient refuses what is no answer to what it asked", async (t) => {
  const rows: readonly (readonly [name: string, answer: string, message: RegExp])[] = [
    [
      "compressed",
      "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nok",
      /compressed/,
    ],
    ["SSH", "SSH-2.0-OpenSSH_9.2\r\n", /it does not speak HTTP$/],
    ["TLS", "\x15\x03\x01\x00\x02\x02\x46", /it speaks TLS: try https:\/\/$/],
    [
      "two lengths",
      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
      /Content-Length/,
    ],
  ];
  for (const [name, answer, message] of rows) {
    await t.step(name, async () => {
      using world = new World();
      match((await failureOf(world.get(answer))).message, message);
      ok(world.conn(0).isClosed);
    });
  }
});

Deno.test("HttpClient sends nothing of a request with a field that fits on no line", async () => {
  using world = new World();
  const headers = [["A", "1\r\nB: 2"]] as const;
  await rejects(world.client.fetch({ method: "GET", url: URL_A, headers }), TypeError);
  strictEqual(world.sent(0), "");
  ok(world.conn(0).isClosed);
});

Deno.test("HttpClient that is disposed closes what waits, at once, and what is under way when it is over", async () => {
  const world = new World();
  await world.get(OK);
  const asking = world.client.fetch({ method: "GET", url: "https://b.test/", headers: [] });
  await settle();
  world[Symbol.dispose]();
  ok(world.conn(0).isClosed);
  world.conn(1).arrive(bytesOf(OK));
  strictEqual(await bodyOf(await asking), "ok");
  ok(world.conn(1).isClosed);
});
