/** Marks in the output of a kept shell, however it is split. */
import { deepStrictEqual, ok } from "node:assert/strict";
import { KeptShell } from "../../lib/ssh/kept_shell.ts";
import type { RemoteSession, SessionEnd } from "../../lib/base/session.ts";
import { type ShellMark, ShellMarks } from "../../lib/ssh/shell_marks.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const BEGIN = "\x1b_hawser;begin;ab12;/dev/pts/3;1700000000\x1b\\";
const END = "\x1b_hawser;end;exit;7\x1b\\";

function read(pieces: Iterable<Uint8Array>): { text: string; marks: ShellMark[] } {
  const core = new ShellMarks();
  const decoder = new TextDecoder();
  let text = "";
  const marks: ShellMark[] = [];
  for (const piece of pieces) {
    for (const part of core.handleOutput(piece)) {
      if (part.kind === "mark") marks.push(part.mark);
      else text += decoder.decode(part.bytes, { stream: true });
    }
  }
  return { text: text + decoder.decode(core.takeRest()), marks };
}

const ROWS: readonly { name: string; output: string; text: string; marks: ShellMark[] }[] = [
  {
    name: "a beginning, output and an end",
    output: `${BEGIN}hello \x1b[1mworld\x1b[m${END}`,
    text: "hello \x1b[1mworld\x1b[m",
    marks: [
      { kind: "begin", nonce: "ab12", rest: ["/dev/pts/3", "1700000000"] },
      { kind: "end", isLeft: false, status: 7, byScreen: false },
    ],
  },
  {
    name: "a shell that was left",
    output: "\x1b_hawser;end;left;0\x1b\\",
    text: "",
    marks: [{ kind: "end", isLeft: true, status: 0, byScreen: false }],
  },
  {
    name: "another program's string",
    output: "a\x1b_Gf=1;x\x1b\\b",
    text: "a\x1b_Gf=1;x\x1b\\b",
    marks: [],
  },
  {
    name: "an unknown mark is not shown",
    output: "a\x1b_hawser;new;1\x1b\\b",
    text: "ab",
    marks: [],
  },
  {
    name: "a mark that never ends",
    output: "\x1b_hawser;begin",
    text: "\x1b_hawser;begin",
    marks: [],
  },
  {
    name: "one that is too long",
    output: `\x1b_hawser;${"x".repeat(300)}\x1b\\`,
    text: `\x1b_hawser;${"x".repeat(300)}\x1b\\`,
    marks: [],
  },
  { name: "a status that is none", output: "\x1b_hawser;end;exit;x\x1b\\", text: "", marks: [] },
  {
    name: "what a screen makes of them, and its other titles",
    output:
      "\x1b]0;hawser;begin;ab12\x07hello\x1b]0;vim\x07\x1b]0;hawser;end;exit;7\x07\x1b]0;\x07",
    text: "hello\x1b]0;vim\x07\x1b]0;\x07",
    marks: [
      { kind: "begin", nonce: "ab12", rest: [] },
      { kind: "end", isLeft: false, status: 7, byScreen: true },
    ],
  },
  {
    name: "a title that is cut by another string",
    output: "\x1b]0;hawser;end;exit;7\x1b\\b",
    text: "\x1b]0;hawser;end;exit;7\x1b\\b",
    marks: [],
  },
  {
    name: "two escapes",
    output: `\x1b${END}\x1b`,
    text: "\x1b\x1b",
    marks: [{ kind: "end", isLeft: false, status: 7, byScreen: false }],
  },
];

for (const { name, output, text, marks } of ROWS) {
  Deno.test(`ShellMarks.handleOutput() takes out marks at any split: ${name}`, () => {
    const bytes = encode(output);
    for (let at = 0; at <= bytes.length; at++) {
      deepStrictEqual(read([bytes.subarray(0, at), bytes.subarray(at)]), { text, marks });
    }
    deepStrictEqual(read(Array.from(bytes, (byte) => Uint8Array.of(byte))), { text, marks });
  });
}

/** A session that shows this and then ends like that. */
function session(output: string, end: SessionEnd): RemoteSession {
  const left = [encode(output)];
  const nothing = () => {};
  return {
    ended: Promise.resolve(end),
    readStdout(into) {
      const bytes = left.shift();
      if (bytes === undefined) return Promise.resolve(null);
      into.set(bytes);
      return Promise.resolve(bytes.length);
    },
    readStderr: () => Promise.resolve(null),
    write: () => Promise.resolve(),
    closeStdin: () => Promise.resolve(),
    resize: nothing,
    signal: nothing,
    sendBreak: nothing,
    abort: nothing,
  };
}

const ENDED: SessionEnd = { kind: "exit", code: 1 };
const LOST: SessionEnd = { kind: "lost", message: "The workspace agent ended the session" };

const SCREEN_BEGIN = "\x1b]0;hawser;begin;ab12\x07";
const SCREEN_END = "\x1b]0;hawser;end;exit;7\x07";
/** As recorded of an agent of v2.5.1 with a screen of 4.9. */
const FAREWELL =
  "\x1b[?1l\x1b>\x1b]0;\x07\x1b[24;1H\r\n[screen is terminating]\r\n\x1b[0m\x1b7\x1b[r\x1b8";

for (
  const { name, output, end, becomes } of [
    {
      name: "its script's word",
      output: `${BEGIN}x${END}`,
      end: ENDED,
      becomes: { kind: "exit", code: 7 },
    },
    { name: "an agent that stops", output: `${BEGIN}x`, end: ENDED, becomes: LOST },
    { name: "somebody else's word", output: `${BEGIN}x${END}y`, end: ENDED, becomes: LOST },
    { name: "no script at all", output: "sh: not found", end: ENDED, becomes: ENDED },
    {
      name: "a screen's farewell behind its word",
      output: `${SCREEN_BEGIN}x${SCREEN_END}${FAREWELL}`,
      end: ENDED,
      becomes: { kind: "exit", code: 7 },
    },
    {
      name: "more behind a screen's word than its farewell",
      output: `${SCREEN_BEGIN}x${SCREEN_END}${"y".repeat(600)}`,
      end: ENDED,
      becomes: LOST,
    },
    {
      name: "a reset behind its word",
      output: `${BEGIN}x${END}`,
      end: LOST,
      becomes: { kind: "exit", code: 7 },
    },
  ] as const
) {
  Deno.test(`KeptShell tells the end of a shell from that of the way to it: ${name}`, async () => {
    const shell = new KeptShell(session(output, end), {
      onBegin: () => {},
      endsSilently: (begin) => begin === undefined,
    });
    const into = new Uint8Array(4);
    while (await shell.readStdout(into) !== null);
    deepStrictEqual(await shell.ended, becomes);
    ok(!shell.isLeft);
  });
}
