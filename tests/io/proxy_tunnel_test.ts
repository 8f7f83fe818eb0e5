/** The tunnels through proxies, against scripted proxies in memory that cut their answers anywhere. */
import { deepStrictEqual, doesNotMatch, match, rejects, strictEqual } from "node:assert/strict";
import { concatBytes } from "../../lib/base/bytes.ts";
import { parseProxy, type ProxyServer } from "../../lib/io/proxy_url.ts";
import { connectThroughHttp, connectThroughSocks } from "../../lib/io/proxy_tunnel.ts";

const PROXY: ProxyServer = parseProxy("HTTPS_PROXY", "http://p.test:3128");
const WITH_PASSWORD: ProxyServer = parseProxy("HTTPS_PROXY", "http://u:p:w@p.test:3128");
const TO = { isTls: true, host: "coder.test", port: 443 };
const bytes = (text: string) => new TextEncoder().encode(text);

/** A proxy that says `answer`, at most `pieceBytes` at a time, whatever it hears. */
class ScriptedProxy {
  #written: Uint8Array = new Uint8Array(0);
  #answer: Uint8Array;
  readonly #pieceBytes: number;

  constructor(answer: Uint8Array, pieceBytes = 1) {
    this.#answer = answer;
    this.#pieceBytes = pieceBytes;
  }

  get heard(): Uint8Array {
    return this.#written;
  }

  get unread(): Uint8Array {
    return this.#answer;
  }

  read(into: Uint8Array): Promise<number | null> {
    const piece = this.#answer.subarray(0, Math.min(into.length, this.#pieceBytes));
    if (piece.length === 0) return Promise.resolve(null);
    into.set(piece);
    this.#answer = this.#answer.subarray(piece.length);
    return Promise.resolve(piece.length);
  }

  write(part: Uint8Array): Promise<number> {
    // Short writes on purpose.
    const taken = part.subarray(0, 7);
    this.#written = concatBytes(this.#written, taken);
    return Promise.resolve(taken.length);
  }
}

Deno.test("connectThroughHttp() leaves the tunnel's first bytes unread (RFC 9110 §9.3.6)", async () => {
  const proxy = new ScriptedProxy(
    bytes("HTTP/1.1 200 Connection established\r\nX: y\r\n\r\nSSH-2.0"),
    9,
  );
  await connectThroughHttp(proxy, WITH_PASSWORD, TO);
  strictEqual(new TextDecoder().decode(proxy.unread), "SSH-2.0");
  strictEqual(
    new TextDecoder().decode(proxy.heard),
    "CONNECT coder.test:443 HTTP/1.1\r\nHost: coder.test:443\r\nProxy-Authorization: Basic dTpwOnc=\r\n\r\n",
  );
});

Deno.test("connectThroughHttp() says what a proxy refused, without the password", async (t) => {
  const rows = [
    { answer: "HTTP/1.1 407 Auth\r\n\r\n", message: /refused the user name or password \(407\)/ },
    { answer: "HTTP/1.1 503 No\r\n\r\n", message: /answered 503 to CONNECT coder\.test:443/ },
    { answer: "nonsense\r\n\r\n", message: /did not answer as an HTTP proxy/ },
    { answer: "HTTP/1.1 200", message: /closed the connection/ },
    { answer: `HTTP/1.1 200 ${"x".repeat(20_000)}`, message: /endless answer/ },
  ];
  for (const row of rows) {
    await t.step(row.answer.slice(0, 20), async () => {
      const error = await connectThroughHttp(
        new ScriptedProxy(bytes(row.answer), 100),
        WITH_PASSWORD,
        TO,
      )
        .then(() => undefined, (thrown: Error) => thrown);
      match(error?.message ?? "", row.message);
      doesNotMatch(error?.message ?? "", /p:w/);
    });
  }
});

Deno.test("connectThroughHttp() says what login a proxy wants (RFC 9110 §11.7.1)", async (t) => {
  const name = "wants a user name and password (407)";
  const wrong = "refused the user name or password (407)";
  const rows: readonly (readonly [fields: string[], withoutLogin: string, withLogin: string])[] = [
    [[], name, wrong],
    [['Basic realm="of Negotiate, NTLM"'], name, wrong],
    [["Negotiate", "NTLM", 'BASIC realm="x", charset="UTF-8"'], name, wrong],
    [['Digest realm="a, b c", nonce="n", basic=no, Basic realm=x'], name, wrong],
    [["Negotiate, NTLM"], ...both("Negotiate, NTLM")],
    [["Negotiate", "NTLM TlRMTVNTUAAC"], ...both("Negotiate, NTLM")],
    [['Digest realm="Basic, b c" , nonce = "n", stale=false'], ...both("Digest")],
    [["A, B", "C", "D, E"], ...both("A, B, C, D")],
    [["\x1b[31m, \xa9 x, =, ,"], name, wrong],
    [["x".repeat(99)], name, wrong],
  ];
  for (const [fields, withoutLogin, withLogin] of rows) {
    await t.step(fields.join(" & "), async () => {
      const lines = fields.map((field) => `proxy-Authenticate: ${field}\r\n`).join("");
      const answer = bytes(`HTTP/1.1 407 Auth\r\nX: Proxy-Authenticate: Y\r\n${lines}\r\n`);
      for (const [proxy, words] of [[PROXY, withoutLogin], [WITH_PASSWORD, withLogin]] as const) {
        await rejects(connectThroughHttp(new ScriptedProxy(answer), proxy, TO), {
          message: `proxy p.test:3128 ${words}`,
        });
      }
    });
  }

  function both(schemes: string): [string, string] {
    const words = `takes no user name and password, but a login by ${schemes} (407)`;
    return [words, words];
  }
});

Deno.test("connectThroughSocks() lets the proxy resolve the name (RFC 1928 §4)", async () => {
  const answer = new Uint8Array([5, 2, 1, 0, 5, 0, 0, 1, 1, 2, 3, 4, 0, 80, 99]);
  const proxy = new ScriptedProxy(answer, 2);
  await connectThroughSocks(proxy, WITH_PASSWORD, TO);
  deepStrictEqual([...proxy.unread], [99]);
  const name = bytes("coder.test");
  deepStrictEqual(
    [...proxy.heard],
    [5, 2, 0, 2, 1, 1, 117, 3, 112, 58, 119, 5, 1, 0, 3, name.length, ...name, 1, 187],
  );
});

Deno.test("connectThroughSocks() says what a proxy refused", async () => {
  const refused = new ScriptedProxy(new Uint8Array([5, 0, 5, 5, 0, 1]), 9);
  await rejects(connectThroughSocks(refused, PROXY, TO), /connection refused/);
  await rejects(
    connectThroughSocks(new ScriptedProxy(new Uint8Array([5, 255])), PROXY, TO),
    /wants a user name/,
  );
  await rejects(connectThroughSocks(new ScriptedProxy(bytes("HTTP")), PROXY, TO), /SOCKS5/);
});

Deno.test("connectThroughHttp() writes nothing for a host that would not stay on its line", async () => {
  for (
    const host of ["x\r\nX-Smuggled: yes", "[internal.corp:22 HTTP/1.1\r\nX-Smuggled: yes", "a b"]
  ) {
    const proxy = new ScriptedProxy(bytes("HTTP/1.1 200 OK\r\n\r\n"));
    await rejects(connectThroughHttp(proxy, WITH_PASSWORD, { ...TO, host }), TypeError);
    strictEqual(proxy.heard.length, 0);
  }
});

Deno.test("connectThroughHttp() names an IPv6 destination in brackets", async () => {
  const proxy = new ScriptedProxy(bytes("HTTP/1.1 200 OK\r\n\r\n"));
  await connectThroughHttp(proxy, PROXY, { isTls: true, host: "fd00::1", port: 443 });
  match(
    new TextDecoder().decode(proxy.heard),
    /^CONNECT \[fd00::1\]:443 HTTP\/1\.1\r\nHost: \[fd00::1\]:443\r\n/,
  );
});
