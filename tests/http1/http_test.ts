/** HTTP/1.1 heads and bodies: what is read, what is refused, and that cutting changes nothing. */
import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { concatBytes } from "../../lib/base/bytes.ts";
import { Http1Error } from "../../lib/http1/errors.ts";
import { type BodyLength, bodyLengthOf, HttpBodyReader } from "../../lib/http1/body.ts";
import {
  encodeLatin1,
  formatRequestHead,
  formatResponseHead,
  HeaderFields,
} from "../../lib/http1/headers.ts";
import {
  HttpHeadReader,
  MAX_HEAD_BYTES,
  parseRequestHead,
  parseResponseHead,
} from "../../lib/http1/head.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { splitAnyhow, splitToBytes } from "../support/split.ts";

function readHead(chunks: readonly Uint8Array[]): { text: string; rest: Uint8Array } | undefined {
  const reader = new HttpHeadReader();
  for (const [i, chunk] of chunks.entries()) {
    const text = reader.handleBytes(chunk);
    if (text !== undefined) {
      return { text, rest: concatBytes(reader.rest, ...chunks.slice(i + 1)) };
    }
  }
  return undefined;
}

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    ok(error instanceof Http1Error, String(error));
    return error.code;
  }
  return "none";
}

Deno.test("HttpHeadReader finds the blank line wherever the chunks end", () => {
  const bytes = encodeLatin1("HTTP/1.1 200 OK\r\nA: b\r\n\r\nrest\r\n\r\n");
  const random = new SeededRandom(3);
  const splits = [[bytes], splitToBytes(bytes)];
  for (let i = 0; i < 50; i++) splits.push(splitAnyhow(bytes, random, 12));
  for (const chunks of splits) {
    const head = readHead(chunks);
    strictEqual(head?.text, "HTTP/1.1 200 OK\r\nA: b");
    deepStrictEqual(head?.rest, encodeLatin1("rest\r\n\r\n"));
  }
});

Deno.test("HttpHeadReader stops at 64 KiB and at a line without CR", () => {
  const line = encodeLatin1("a".repeat(1000));
  strictEqual(codeOf(() => readHead(new Array(70).fill(line))), "head-too-large");
  const exact = encodeLatin1("a".repeat(MAX_HEAD_BYTES - 4) + "\r\n\r\nx");
  strictEqual(readHead([exact])?.text.length, MAX_HEAD_BYTES - 4);
  strictEqual(
    codeOf(() => readHead([encodeLatin1("HTTP/1.1 200 OK\nA: b\n\n")])),
    "bare-line-feed",
  );
});

Deno.test("parseResponseHead() reads status, reason and fields (RFC 9112 §4)", () => {
  const head = parseResponseHead(
    "HTTP/1.1 404 Not Found\r\nContent-Type:text/plain \r\nset-cookie: a=1\r\nSet-Cookie: b=\xe4\r\nEmpty:",
  );
  strictEqual(head.status, 404);
  strictEqual(head.reason, "Not Found");
  strictEqual(head.headers.get("content-type"), "text/plain");
  deepStrictEqual(head.headers.values("SET-COOKIE"), ["a=1", "b=\xe4"]);
  strictEqual(head.headers.get("empty"), "");
  strictEqual(head.headers.get("absent"), undefined);
  strictEqual(parseResponseHead("HTTP/1.0 200").status, 200);
});

Deno.test("parse…Head() refuses what two readers could read in two ways", async (t) => {
  const start = "HTTP/1.1 200 OK\r\n";
  const rows: { name: string; in: string; code: string }[] = [
    { name: "HTTP/2", in: "HTTP/2 200 OK", code: "bad-status-line" },
    { name: "no status", in: "HTTP/1.1  OK", code: "bad-status-line" },
    { name: "status of four digits", in: "HTTP/1.1 2000 OK", code: "bad-status-line" },
    { name: "control in the reason", in: "HTTP/1.1 200 O\x00K", code: "bad-status-line" },
    { name: "other protocol", in: "SSH-2.0-OpenSSH_9.6", code: "bad-status-line" },
    { name: "empty", in: "", code: "bad-status-line" },
    { name: "blank before the colon", in: start + "A : b", code: "bad-header" },
    { name: "folded line", in: start + "A: b\r\n c", code: "bad-header" },
    { name: "no colon", in: start + "A", code: "bad-header" },
    { name: "no name", in: start + ": b", code: "bad-header" },
    { name: "bare CR", in: start + "A: b\rB: c", code: "bad-header" },
    { name: "NUL", in: start + "A: b\0", code: "bad-header" },
    { name: "201 headers", in: start + "A: b\r\n".repeat(201).trimEnd(), code: "too-many-headers" },
  ];
  for (const row of rows) {
    await t.step(row.name, () => strictEqual(codeOf(() => parseResponseHead(row.in)), row.code));
  }
  for (
    const line of [
      "GET  / HTTP/1.1",
      "GET /",
      "G(T / HTTP/1.1",
      "GET /\x7f HTTP/1.1",
      "GET / HTTP/2.0",
    ]
  ) {
    await t.step(line, () => strictEqual(codeOf(() => parseRequestHead(line)), "bad-request-line"));
  }
});

Deno.test("format…Head() lets nothing break out of its line", () => {
  const good = { path: "/derp?a=b", host: "h:1", headers: [["X-A", "b c"]] } as const;
  strictEqual(
    new TextDecoder().decode(formatRequestHead(good)),
    "GET /derp?a=b HTTP/1.1\r\nHost: h:1\r\nX-A: b c\r\n\r\n",
  );
  const bad = [
    { ...good, path: "/a b" },
    { ...good, path: "/a\r\nX: y" },
    { ...good, path: "" },
    { ...good, host: "h\r\nX: y" },
    { ...good, host: "user@h" },
    { ...good, method: "GET /" },
    { ...good, headers: [["X", "a\r\nY: b"]] as const },
    { ...good, headers: [["X", "a\nb"]] as const },
    { ...good, headers: [["X Y", "a"]] as const },
    { ...good, headers: [["X:", "a"]] as const },
    { ...good, headers: [["X", "€"]] as const },
  ];
  for (const head of bad) throws(() => formatRequestHead(head), TypeError);
  throws(
    () => formatResponseHead({ status: 200, reason: "a\r\nb", headers: [] }),
    TypeError,
  );
  try {
    formatRequestHead({ ...good, headers: [["Coder-Session-Token", "secret\n"]] });
  } catch (error) {
    ok(error instanceof TypeError && !error.message.includes("secret"));
  }
});

function readBody(length: BodyLength, chunks: readonly Uint8Array[]) {
  const reader = new HttpBodyReader(length);
  const data: Uint8Array[] = [];
  const rest: Uint8Array[] = [];
  for (const chunk of chunks) {
    if (reader.isEnded) {
      rest.push(chunk);
      continue;
    }
    reader.handleBytes(chunk);
    for (let piece = reader.pollData(); piece; piece = reader.pollData()) data.push(piece);
    if (reader.isEnded) rest.push(reader.rest);
  }
  const isEnded = reader.isEnded;
  const text = new TextDecoder().decode(concatBytes(...data));
  return { text, rest: new TextDecoder().decode(concatBytes(...rest)), isEnded };
}

Deno.test("HttpBodyReader reads by length, chunked and to the end, however it is cut", async (t) => {
  const chunked = '5\r\nhello\r\n1;x="y"\r\n \r\n00A \r\n0123456789\r\n0\r\nTrailer: a\r\n\r\nNEXT';
  const rows: { name: string; length: BodyLength; in: string; out: ReturnType<typeof readBody> }[] =
    [
      {
        name: "length",
        length: { kind: "length", bytes: 5 },
        in: "helloNEXT",
        out: { text: "hello", rest: "NEXT", isEnded: true },
      },
      {
        name: "length not reached",
        length: { kind: "length", bytes: 15 },
        in: "hello",
        out: { text: "hello", rest: "", isEnded: false },
      },
      {
        name: "none",
        length: { kind: "none" },
        in: "NEXT",
        out: { text: "", rest: "NEXT", isEnded: true },
      },
      {
        name: "to the end",
        length: { kind: "toClose" },
        in: "hello",
        out: { text: "hello", rest: "", isEnded: false },
      },
      {
        name: "chunked",
        length: { kind: "chunked" },
        in: chunked,
        out: { text: "hello 0123456789", rest: "NEXT", isEnded: true },
      },
    ];
  const random = new SeededRandom(4);
  for (const row of rows) {
    await t.step(row.name, () => {
      const bytes = encodeLatin1(row.in);
      const splits = [[bytes], splitToBytes(bytes)];
      for (let i = 0; i < 30; i++) splits.push(splitAnyhow(bytes, random, 9));
      for (const chunks of splits) deepStrictEqual(readBody(row.length, chunks), row.out);
    });
  }
});

Deno.test("HttpBodyReader refuses malformed chunks (RFC 9112 §7.1)", () => {
  const rows = [
    "x\r\n",
    "\r\n",
    "5 5\r\n",
    "-1\r\n",
    "0x5\r\n",
    "5\nhello",
    "5;a\rb\r\n",
    "5\r\nhelloX",
    "5\r\nhello\n",
    "1234567890123\r\n",
    "5;" + "a".repeat(5000),
    "0\r\nA: b\n",
    "0\r\n" + "A: b\r\n".repeat(2000),
  ];
  for (const row of rows) {
    const bytes = encodeLatin1(row);
    strictEqual(
      codeOf(() => readBody({ kind: "chunked" }, [bytes])),
      "bad-chunk",
      row.slice(0, 20),
    );
  }
});

Deno.test("bodyLengthOf() refuses lengths that contradict each other (RFC 9112 §6.3)", () => {
  const response = { kind: "response", status: 200 } as const;
  const lengthOf = (...entries: [string, string][]) =>
    bodyLengthOf(new HeaderFields(entries), response);
  deepStrictEqual(lengthOf(), { kind: "toClose" });
  deepStrictEqual(bodyLengthOf(new HeaderFields([]), { kind: "request" }), { kind: "none" });
  deepStrictEqual(lengthOf(["Content-Length", "5"]), { kind: "length", bytes: 5 });
  deepStrictEqual(lengthOf(["Transfer-Encoding", "Chunked"]), { kind: "chunked" });
  const none = new HeaderFields([["Content-Length", "5"]]);
  deepStrictEqual(bodyLengthOf(none, { kind: "response", status: 304 }), { kind: "none" });
  const bad: [string, string][][] = [
    [["Content-Length", "5"], ["Content-Length", "5"]],
    [["Content-Length", "5, 5"]],
    [["Content-Length", "+5"]],
    [["Content-Length", "0x5"]],
    [["Content-Length", "9999999999999999"]],
    [["Content-Length", "5"], ["Transfer-Encoding", "chunked"]],
    [["Transfer-Encoding", "gzip, chunked"]],
    [["Transfer-Encoding", "chunked"], ["Transfer-Encoding", "chunked"]],
    [["Transfer-Encoding", "identity"]],
  ];
  for (const entries of bad) {
    ok(
      ["bad-content-length", "bad-transfer-encoding"].includes(codeOf(() => lengthOf(...entries))),
    );
  }
});

Deno.test("HTTP readers throw only Http1Error for random bytes", () => {
  const random = new SeededRandom(5);
  for (let round = 0; round < 2000; round++) {
    const bytes = new Uint8Array(random.below(200));
    for (let i = 0; i < bytes.length; i++) {
      // Mostly characters that matter.
      bytes[i] = random.chance(0.8)
        ? "\r\n:0 5aA;H/.".charCodeAt(random.below(12))
        : random.below(256);
    }
    codeOf(() => {
      const head = readHead(splitAnyhow(bytes, random, 50));
      if (head !== undefined) parseResponseHead(head.text);
    });
    codeOf(() => readBody({ kind: "chunked" }, splitAnyhow(bytes, random, 50)));
  }
});

Deno.test("a head of one long run of one character is read or refused in linear time", () => {
  const longest = MAX_HEAD_BYTES - 64;
  for (let i = 0; i < 20; i++) {
    for (const run of [" ", "\t", " \t", "\0", "\xff", ",", '"', ";", ":"]) {
      const value = "x" + run.repeat(longest / run.length) + "x";
      const read = (text: string) => codeOf(() => parseResponseHead(text));
      const isBad = run === "\0";
      strictEqual(read(`HTTP/1.1 200 OK\r\nX: ${value}`), isBad ? "bad-header" : "none");
      read(`HTTP/1.1 200 ${value}`);
      read(`HTTP/1.1 ${value}`);
      read(`HTTP/1.1 200 OK\r\n${value}: x`);
    }
  }
  const head = parseResponseHead(`HTTP/1.1 200 OK\r\nX:\t \ta ${" ".repeat(60_000)}b \t`);
  strictEqual(head.headers.get("x"), `a ${" ".repeat(60_000)}b`);
});
