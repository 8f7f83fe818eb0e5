/** The stream of a reconnecting terminal (coder/coder `agent/reconnectingpty/server.go`). */
import { deepStrictEqual, match, notStrictEqual, strictEqual, throws } from "node:assert/strict";
import { ProtocolError } from "../../lib/base/errors.ts";
import {
  encodeInit,
  encodeSize,
  encodeTyped,
  terminalId,
  TerminalRequestReader,
} from "../../lib/ssh/reconnecting_frames.ts";

const ID = "0f4408eb-3fe9-8e74-822e-dd51ba3b6e83";
const INIT = {
  id: ID,
  size: { columns: 80, rows: 24 },
  command: "echo 'ü'",
  container: "",
  containerUser: "",
};
const encode = (text: string) => new TextEncoder().encode(text);

function join(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

function framed(json: string): Uint8Array {
  const bytes = encode(json);
  return join(Uint8Array.of(bytes.length & 0xff, bytes.length >> 8), bytes);
}

Deno.test("encodeInit() is a length, little-endian, and the agent's JSON", () => {
  const bytes = encodeInit({ ...INIT, command: "true" });
  const json = new TextDecoder().decode(bytes.subarray(2));
  strictEqual((bytes[0] ?? 0) | (bytes[1] ?? 0) << 8, bytes.length - 2);
  deepStrictEqual(JSON.parse(json), {
    ID,
    Height: 24,
    Width: 80,
    Command: "true",
    BackendType: "buffered",
  });
});

Deno.test("encodeInit() refuses what does not fit into a segment", () => {
  throws(() => encodeInit({ ...INIT, command: "x".repeat(2_000) }), RangeError);
});

Deno.test("terminalId() is one UUID for one agent and name", () => {
  const id = terminalId(ID, "main");
  match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  strictEqual(terminalId(ID.toUpperCase(), "main"), id);
  notStrictEqual(terminalId(ID, "other"), id);
  notStrictEqual(terminalId(ID.replace("0", "1"), "main"), id);
});

Deno.test("TerminalRequestReader reads what was encoded, however it is split", () => {
  const typed = 'a "quoted" \\ {brace} ü\n\u0003';
  const bytes = join(encodeInit(INIT), encodeTyped(typed), encodeSize({ columns: 101, rows: 33 }));
  const wanted = [
    { data: typed, size: undefined },
    { data: "", size: { columns: 101, rows: 33 } },
  ];
  for (let at = 0; at <= bytes.length; at++) {
    const reader = new TerminalRequestReader();
    const requests = [
      ...reader.handleBytes(bytes.subarray(0, at)),
      ...reader.handleBytes(bytes.subarray(at)),
    ];
    deepStrictEqual(requests, wanted);
    deepStrictEqual(reader.init, INIT);
  }
});

for (
  const { name, bytes } of [
    { name: "no JSON", bytes: framed("{") },
    { name: "no object", bytes: framed("7") },
    { name: "no UUID", bytes: framed('{"ID":"x"}') },
    { name: "a size beyond 16 bits", bytes: framed(`{"ID":"${ID}","Height":70000}`) },
    { name: "a request of another kind", bytes: join(encodeInit(INIT), encode('{"data":7}')) },
    {
      name: "a request without end",
      bytes: join(encodeInit(INIT), encode(`{"data":"${"x".repeat(300_000)}`)),
    },
  ]
) {
  Deno.test(`TerminalRequestReader refuses ${name}`, () => {
    throws(() => new TerminalRequestReader().handleBytes(bytes), ProtocolError);
  });
}
