import assert from "node:assert/strict";
import fc from "fast-check";
import { concatBytes } from "../../lib/base/bytes.ts";
import {
  EscapeFilter,
  escapeHelp,
  formatEscapeChar,
  parseEscapeChar,
} from "../../lib/ssh/escape.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Data as text, commands in angle brackets; neighbouring data joined. */
function shown(filter: EscapeFilter, pieces: readonly string[]): string {
  let text = "";
  for (const piece of pieces) {
    for (const action of filter.handleInput(encoder.encode(piece))) {
      text += action.kind === "data" ? decoder.decode(action.bytes) : `<${action.kind}>`;
      if (action.kind === "disconnect") return text;
    }
  }
  return text;
}

const ROWS = [
  { name: "plain text passes", in: "ls -l\r", out: "ls -l\r" },
  { name: "at the very start", in: "~.", out: "<disconnect>" },
  { name: "after a carriage return", in: "ls\r~.x", out: "ls\r<disconnect>" },
  { name: "after a line feed", in: "ls\n~?", out: "ls\n<help>" },
  { name: "not in mid-line", in: "a~.b~?\r", out: "a~.b~?\r" },
  { name: "twice is once", in: "~~.", out: "~." },
  { name: "twice in mid-line is twice", in: "a~~", out: "a~~" },
  { name: "unknown command is text", in: "~x~.", out: "~x~." },
  { name: "newline after the character is text, and a new line", in: "~\r~#", out: "~\r<list>" },
  {
    name: "commands may follow each other",
    in: "~#~B~?\x1a~\x1a!",
    out: "<list><break><help>\x1a~\x1a!",
  },
  { name: "suspend", in: "\r~\x1als\r", out: "\r<suspend>ls\r" },
  { name: "case matters", in: "~b", out: "~b" },
  { name: "a lone character is held back", in: "\r~", out: "\r" },
];

for (const row of ROWS) {
  Deno.test(`EscapeFilter, ${row.name}`, () => {
    assert.equal(shown(new EscapeFilter(), [row.in]), row.out);
    assert.equal(shown(new EscapeFilter(), [...row.in]), row.out, "byte by byte");
  });
}

Deno.test("EscapeFilter takes another character, and OpenSSH's commands win over it", () => {
  assert.equal(shown(new EscapeFilter(0x02), ["\r\x02.", "x"]), "\r<disconnect>");
  assert.equal(shown(new EscapeFilter(0x2e), ["\r.."]), "\r<disconnect>");
});

/** The slow, obvious version: OpenSSH's loop, one byte at a time. */
function plainFilter(input: readonly number[]): { bytes: number[]; commands: string } {
  const bytes: number[] = [];
  let commands = "";
  let lastWasCr = true;
  let pending = false;
  for (const ch of input) {
    if (pending) {
      pending = false;
      const command = { "46": ".", "66": "B", "35": "#", "63": "?", "26": "Z" }[String(ch)];
      if (command !== undefined) {
        commands += command;
        if (command === ".") return { bytes, commands };
        continue;
      }
      if (ch !== 0x7e) bytes.push(0x7e);
    } else if (lastWasCr && ch === 0x7e) {
      pending = true;
      continue;
    }
    lastWasCr = ch === 0x0d || ch === 0x0a;
    bytes.push(ch);
  }
  return { bytes, commands };
}

Deno.test("EscapeFilter equals the byte-by-byte version for any input and any split", () => {
  const typed = fc.array(
    fc.constantFrom(0x7e, 0x0d, 0x0a, 0x2e, 0x42, 0x23, 0x3f, 0x1a, 0x61, 0xff),
    {
      maxLength: 60,
    },
  );
  fc.assert(fc.property(typed, fc.array(fc.nat(12), { minLength: 1 }), (input, sizes) => {
    const filter = new EscapeFilter();
    const parts: Uint8Array[] = [];
    let commands = "";
    let turn = 0;
    const letters = { disconnect: ".", break: "B", list: "#", help: "?", suspend: "Z" } as const;
    for (let at = 0; at < input.length && !commands.endsWith(".");) {
      const size = (sizes[turn++ % sizes.length] ?? 0) + 1;
      for (const action of filter.handleInput(new Uint8Array(input.slice(at, at + size)))) {
        if (action.kind === "data") parts.push(action.bytes.slice());
        else commands += letters[action.kind];
      }
      at += size;
    }
    const plain = plainFilter(input);
    assert.deepEqual([...concatBytes(...parts)], plain.bytes);
    assert.equal(commands, plain.commands);
  }));
});

Deno.test("parseEscapeChar() reads what ssh_config's EscapeChar takes", async (t) => {
  const rows = [
    { in: "~", out: 0x7e },
    { in: "none", out: undefined },
    { in: "^B", out: 0x02 },
    { in: "^b", out: 0x02 },
    { in: "^[", out: 0x1b },
    { in: "%", out: 0x25 },
    { in: "^", out: 0x5e },
  ];
  for (const row of rows) {
    await t.step(row.in, () => assert.equal(parseEscapeChar(row.in), row.out));
  }
  for (const bad of ["", "ab", "^1", "é", "^BB"]) {
    await t.step(`refuses ${bad}`, () => assert.throws(() => parseEscapeChar(bad), TypeError));
  }
  assert.equal(formatEscapeChar(0x02), "^B");
  assert.match(escapeHelp(0x02), /\^B\. {3}- terminate connection/);
});
