import assert from "node:assert/strict";
import fc from "fast-check";
import { EventStreamError, EventStreamParser, type ServerSentEvent } from "../../lib/coder/sse.ts";

const ENCODER = new TextEncoder();

function parse(chunks: readonly Uint8Array[]): ServerSentEvent[] {
  const parser = new EventStreamParser();
  const events: ServerSentEvent[] = [];
  for (const chunk of chunks) {
    parser.handleBytes(chunk);
    for (let e = parser.pollEvent(); e !== undefined; e = parser.pollEvent()) events.push(e);
  }
  return events;
}

function parseText(text: string): ServerSentEvent[] {
  return parse([ENCODER.encode(text)]);
}

Deno.test("EventStreamParser reads events (HTML §9.2.6)", async (t) => {
  const rows: { name: string; in: string; out: ServerSentEvent[] }[] = [
    { name: "Coder's ping", in: "event: ping\n\n", out: [{ type: "ping", data: "" }] },
    {
      name: "Coder's data",
      in: 'event: data\ndata: {"a":1}\n\n',
      out: [{ type: "data", data: '{"a":1}' }],
    },
    { name: "no name", in: "data: x\n\n", out: [{ type: "message", data: "x" }] },
    {
      name: "data on several lines",
      in: "data: a\ndata:\ndata:  b\n\n",
      out: [{ type: "message", data: "a\n\n b" }],
    },
    {
      name: "CRLF and CR",
      in: "event: a\r\ndata: 1\r\n\r\nevent: b\rdata: 2\r\r",
      out: [{ type: "a", data: "1" }, { type: "b", data: "2" }],
    },
    {
      name: "comments, unknown fields, a field alone",
      in: ":hi\nid: 7\nretry: 1\ndata\n\n",
      out: [{ type: "message", data: "" }],
    },
    { name: "byte order mark", in: "\ufeffdata: x\n\n", out: [{ type: "message", data: "x" }] },
    { name: "empty lines alone", in: "\n\n\n", out: [] },
    { name: "an unfinished event", in: "data: x\n", out: [] },
  ];
  for (const row of rows) {
    await t.step(row.name, () => assert.deepEqual(parseText(row.in), row.out));
  }
});

Deno.test("EventStreamParser gives the same events for any split of the bytes", () => {
  const line = fc.constantFrom("event: données", 'data: {"a":"é✓"}', "data:", ":c", "", "x");
  const end = fc.constantFrom("\n", "\r\n", "\r");
  const text = fc.array(fc.tuple(line, end).map((pair) => pair.join(""))).map((l) => l.join(""));
  fc.assert(fc.property(text, fc.array(fc.nat({ max: 12 })), (whole, cuts) => {
    const bytes = ENCODER.encode(whole);
    const chunks: Uint8Array[] = [];
    let at = 0;
    for (const cut of cuts) {
      chunks.push(bytes.subarray(at, at + cut));
      at = Math.min(bytes.length, at + cut);
    }
    chunks.push(bytes.subarray(at));
    assert.deepEqual(parse(chunks), parse([bytes]));
  }));
});

Deno.test("EventStreamParser bounds the lines of an event, and takes megabytes of what is none", () => {
  const feed = (text: string, chunks: number) => {
    const parser = new EventStreamParser();
    for (let i = 0; i < chunks; i++) {
      parser.handleBytes(ENCODER.encode(text));
      while (parser.pollEvent() !== undefined);
    }
  };
  for (const line of ["data:\n", "data\r\n", "data: x\r"]) {
    assert.throws(() => feed(line.repeat(10_000), 1), EventStreamError);
    feed(line.repeat(1_000) + "\n\n", 100);
  }
  for (const line of ["\n", "\r", "\r\n", ":\n", "x\n", "retry: 0\n", "id\n"]) {
    feed(line.repeat(100_000), 20);
  }
});

Deno.test("EventStreamParser bounds an event that never ends", () => {
  const parser = new EventStreamParser();
  const chunk = ENCODER.encode("data: " + "x".repeat(1_000_000));
  assert.throws(() => {
    for (let i = 0; i < 20; i++) parser.handleBytes(chunk);
  }, EventStreamError);
  const lines = new EventStreamParser();
  assert.throws(() => {
    for (let i = 0; i < 20; i++) {
      lines.handleBytes(ENCODER.encode(`data: ${"x".repeat(1_000_000)}\n`));
    }
  }, EventStreamError);
});
