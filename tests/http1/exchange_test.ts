/** One exchange of HTTP/1.1 as the client sees it: what is sent, what is understood, and what the connection is good for after. */
import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { Http1Error } from "../../lib/http1/errors.ts";
import { HttpExchange, MAX_INTERIM_ANSWERS } from "../../lib/http1/exchange.ts";
import { encodeLatin1 } from "../../lib/http1/headers.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { splitAnyhow, splitToBytes } from "../support/split.ts";

const ASKED = { method: "GET", target: "/x?y=z", host: "a.test", headers: [] };
const text = (bytes: Uint8Array) => new TextDecoder("latin1").decode(bytes);

interface Answer {
  readonly status: number | undefined;
  readonly body: string;
  readonly isEnded: boolean;
  readonly canReuse: boolean;
}

/** What an exchange makes of an answer that comes in these pieces; `null` is the end of the connection. */
function answerOf(pieces: readonly (Uint8Array | null)[], method = "GET"): Answer {
  const exchange = new HttpExchange({ ...ASKED, method });
  let body = "";
  for (const piece of pieces) {
    if (piece === null) {
      exchange.handleEnd();
      continue;
    }
    if (exchange.isEnded) break;
    exchange.handleBytes(piece);
    for (let data = exchange.pollData(); data !== undefined; data = exchange.pollData()) {
      body += text(data);
    }
  }
  const { head, isEnded, canReuse } = exchange;
  return { status: head?.status, body, isEnded, canReuse };
}

Deno.test("HttpExchange writes a request whose fields stay on their lines (RFC 9112 §3)", () => {
  const request = (options: Partial<ConstructorParameters<typeof HttpExchange>[0]>) =>
    new TextDecoder().decode(new HttpExchange({ ...ASKED, ...options }).request());
  strictEqual(request({}), "GET /x?y=z HTTP/1.1\r\nHost: a.test\r\n\r\n");
  strictEqual(
    request({ method: "POST", headers: [["A", "1"]], body: '{"é":1}' }),
    'POST /x?y=z HTTP/1.1\r\nHost: a.test\r\nA: 1\r\nContent-Length: 8\r\n\r\n{"é":1}',
  );
  // RFC 9110 §8.6
  for (const method of ["POST", "PUT", "PATCH"]) {
    strictEqual(
      request({ method }),
      `${method} /x?y=z HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n`,
    );
  }
  strictEqual(request({ method: "DELETE" }), "DELETE /x?y=z HTTP/1.1\r\nHost: a.test\r\n\r\n");
  for (
    const bad of [
      { headers: [["A", "1\r\nB: 2"]] as const },
      { headers: [["A:", "1"]] as const },
      { headers: [["A", "\u200b"]] as const },
      { host: "a\r\nb" },
      { target: "/ x" },
      { method: "GE T" },
    ]
  ) {
    throws(() => new HttpExchange({ ...ASKED, ...bad }), TypeError);
  }
});

const ANSWERS: readonly {
  readonly name: string;
  readonly method?: string;
  readonly bytes: string;
  readonly ends?: true;
  readonly answer: Answer;
}[] = [
  {
    name: "with a length",
    bytes: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    answer: { status: 200, body: "hello", isEnded: true, canReuse: true },
  },
  {
    name: "empty",
    bytes: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    answer: { status: 200, body: "", isEnded: true, canReuse: true },
  },
  {
    name: "in chunks, with trailers",
    bytes:
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: t\r\n\r\n",
    answer: { status: 200, body: "abcde", isEnded: true, canReuse: true },
  },
  {
    name: "up to the end",
    bytes: "HTTP/1.1 200 OK\r\n\r\nhello",
    ends: true,
    answer: { status: 200, body: "hello", isEnded: true, canReuse: false },
  },
  {
    name: "that closes",
    bytes: "HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 2\r\n\r\nok",
    answer: { status: 200, body: "ok", isEnded: true, canReuse: false },
  },
  {
    name: "of HTTP/1.0",
    bytes: "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
    answer: { status: 200, body: "ok", isEnded: true, canReuse: false },
  },
  {
    name: "with more than it says",
    bytes: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n",
    answer: { status: 200, body: "ok", isEnded: true, canReuse: false },
  },
  {
    name: "204",
    bytes: "HTTP/1.1 204 No Content\r\n\r\n",
    answer: { status: 204, body: "", isEnded: true, canReuse: true },
  },
  {
    name: "304 that speaks of a length",
    bytes: "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
    answer: { status: 304, body: "", isEnded: true, canReuse: true },
  },
  {
    name: "to HEAD",
    method: "HEAD",
    bytes: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
    answer: { status: 200, body: "", isEnded: true, canReuse: true },
  },
  {
    name: "after interim ones",
    bytes: "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" +
      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    answer: { status: 200, body: "ok", isEnded: true, canReuse: true },
  },
];

Deno.test("HttpExchange reads an answer, however it is cut (RFC 9112 §6.3)", async (t) => {
  const random = new SeededRandom(1);
  for (const { name, method, bytes, ends, answer } of ANSWERS) {
    await t.step(name, () => {
      const whole = encodeLatin1(bytes);
      const end = ends === true ? [null] : [];
      deepStrictEqual(answerOf([whole, ...end], method), answer);
      const isLong = answer.canReuse || ends === true;
      // What comes behind the answer is seen only when it comes with its last bytes.
      if (!isLong && name === "with more than it says") return;
      deepStrictEqual(answerOf([...splitToBytes(whole), ...end], method), answer);
      for (let i = 0; i < 20; i++) {
        deepStrictEqual(answerOf([...splitAnyhow(whole, random), ...end], method), answer);
      }
    });
  }
});

Deno.test("HttpExchange refuses what is no whole answer", async (t) => {
  const interim = "HTTP/1.1 100 Continue\r\n\r\n";
  const rows:
    readonly (readonly [name: string, pieces: readonly (string | null)[], code: string])[] = [
      ["no answer", [null], "cut"],
      ["half a head", ["HTTP/1.1 200 OK\r\nA: ", null], "cut"],
      ["half a body", ["HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", null], "cut"],
      [
        "half a chunk",
        ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf", null],
        "cut",
      ],
      [
        "no last chunk",
        ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n", null],
        "cut",
      ],
      ["SSH", ["SSH-2.0-OpenSSH_9.2\r\n"], "not-http"],
      ["HTTP/2", ["HTTP/2 200\r\n"], "not-http"],
      ["one wrong byte", ["h"], "not-http"],
      ["a TLS alert", ["\x15\x03\x01\x00\x02\x02\x46"], "tls"],
      ["an upgrade", ["HTTP/1.1 101 Switching\r\n\r\n"], "unasked-upgrade"],
      ["too many interim ones", [interim.repeat(MAX_INTERIM_ANSWERS + 1)], "too-many-interim"],
      [
        "two lengths",
        ["HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"],
        "bad-content-length",
      ],
      ["a length and chunks", [
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
      ], "bad-transfer-encoding"],
    ];
  for (const [name, pieces, code] of rows) {
    await t.step(name, () => {
      throws(
        () => answerOf(pieces.map((piece) => piece === null ? null : encodeLatin1(piece))),
        (error) => error instanceof Http1Error && error.code === code,
      );
    });
  }
});

Deno.test("HttpExchange throws only Http1Error for random bytes behind a start", () => {
  const random = new SeededRandom(3);
  for (let i = 0; i < 500; i++) {
    const noise = new Uint8Array(1 + i % 97);
    random.fill(noise);
    try {
      answerOf([encodeLatin1("HTTP/1.1 200 OK\r\n"), noise, encodeLatin1("\r\n\r\n"), noise, null]);
    } catch (error) {
      ok(error instanceof Http1Error, String(error));
    }
  }
});
