/** What is left on at a terminal, and what turns it off. */
import assert from "node:assert/strict";
import { ScreenModes } from "../../lib/ssh/screen_modes.ts";

const encoder = new TextEncoder();

const ROWS: readonly {
  readonly name: string;
  readonly output: string;
  readonly restore: string;
}[] = [
  { name: "nothing", output: "", restore: "" },
  { name: "lines", output: "a\r\nb\r\n", restore: "" },
  { name: "a prompt", output: "a\r\n$ ", restore: "\r\n" },
  { name: "a prompt with a bell", output: "a\r\n\x07", restore: "" },
  { name: "a prompt in colour", output: "\x1b[1;32m$\x1b[0m ", restore: "\r\n" },
  { name: "a colour left on", output: "\x1b[31mred\r\n", restore: "\x1b[0m" },
  { name: "a colour turned off by nothing", output: "\x1b[31mred\x1b[m\r\n", restore: "" },
  { name: "a colour turned off among others", output: "\x1b[31mred\x1b[1;0m\r\n", restore: "" },
  { name: "the alternate screen", output: "$ vim\r\n\x1b[?1049hx", restore: "\x1b[?1049l" },
  {
    name: "the alternate screen from a prompt",
    output: "$ \x1b[?1049h\r\n",
    restore: "\x1b[?1049l\r\n",
  },
  { name: "older alternate screens", output: "\x1b[?47h", restore: "\x1b[?47l" },
  { name: "the alternate screen and back", output: "\x1b[?1049hx\x1b[?1049l", restore: "" },
  {
    name: "mouse, in several ways",
    output: "\x1b[?1000h\x1b[?1002;1006h",
    restore: "\x1b[?1000l\x1b[?1002l\x1b[?1006l",
  },
  { name: "mouse on and off", output: "\x1b[?1003;1006h\x1b[?1006l\x1b[?1003l", restore: "" },
  { name: "bracketed paste", output: "\x1b[?2004h", restore: "\x1b[?2004l" },
  { name: "focus", output: "\x1b[?1004h", restore: "\x1b[?1004l" },
  { name: "a hidden cursor", output: "\x1b[?25l", restore: "\x1b[?25h" },
  { name: "a cursor hidden and shown", output: "\x1b[?25l\x1b[?25h", restore: "" },
  { name: "no line wrap", output: "\x1b[?7l", restore: "\x1b[?7h" },
  { name: "application keys", output: "\x1b[?1h\x1b=", restore: "\x1b[?1l\x1b>" },
  { name: "line drawing", output: "\x1b(0", restore: "\x1b(B" },
  { name: "line drawing and back", output: "\x1b(0qqq\x1b(B\r\n", restore: "" },
  { name: "the cursor's shape", output: "\x1b[2 q", restore: "\x1b[0 q" },
  { name: "a scroll region", output: "\x1b[2;20r", restore: "\x1b7\x1b[r\x1b8" },
  { name: "modified keys", output: "\x1b[>4;2m", restore: "\x1b[>4m" },
  { name: "the kitty keyboard", output: "\x1b[>1u\x1b[>5u\x1b[<u", restore: "\x1b[<1u" },
  {
    name: "what tmux does",
    output: "\x1b[?1049h\x1b[22;0;0t\x1b[?1h\x1b=\x1b[?2004h",
    restore: "\x1b[?1l\x1b[?2004l\x1b>\x1b[?1049l\x1b[23;0;0t",
  },
  { name: "a title put away and back", output: "\x1b[22;2t\x1b[23;2t\x1b[23t", restore: "" },
  { name: "synchronised drawing", output: "\x1b[?2026h", restore: "\x1b[?2026l" },
  {
    name: "what vim does",
    output:
      "$ vim\r\n\x1b[?1049h\x1b[>4;2m\x1b[?1h\x1b=\x1b[?2004h\x1b[?1004h\x1b[1;24r\x1b[?12h\x1b[?25l" +
      "\x1b[27m\x1b[m\x1b[H\x1b[2J~\r\n~\x1b[?25h\x1b[?1000h\x1b[?1006h\x1b[2 q",
    restore: "\x1b[>4m\x1b[?1l\x1b[?2004l\x1b[?1004l\x1b[?1000l\x1b[?1006l\x1b>\x1b[0 q" +
      "\x1b7\x1b[r\x1b8\x1b[?1049l",
  },
  {
    name: "a reset of the terminal's own",
    output: "x\x1b[?1049h\x1b[?1000h\x1b[31m\x1bc",
    restore: "",
  },
  { name: "a soft reset", output: "\x1b[?25l\x1b[31m\x1b[2;3r\x1b[!p", restore: "" },
  { name: "modes that nobody here knows", output: "\x1b[?9999h\x1b[4h\x1b[?h", restore: "" },
  { name: "a title", output: "\x1b]0;vim\x07\r\n", restore: "" },
  { name: "a title at the start of a line", output: "\x1b]0;vim\x07", restore: "" },
  { name: "a title that looks like a sequence", output: "\x1b]0;[?1049h\x1b\\", restore: "" },
  { name: "a broken sequence", output: "\x1b[?10\r\n04h", restore: "\r\n" },
  { name: "a long sequence", output: `\x1b[${"1;".repeat(100)}m\r\n`, restore: "" },
];

for (const { name, output, restore } of ROWS) {
  Deno.test(`ScreenModes restores after ${name}, however it is split`, () => {
    const bytes = encoder.encode(output);
    for (const step of [bytes.length || 1, 1, 2, 3]) {
      const modes = new ScreenModes();
      for (let at = 0; at < bytes.length; at += step) {
        modes.handleOutput(bytes.subarray(at, at + step));
      }
      assert.equal(modes.restore(), restore, `in steps of ${step}`);
      assert.equal(modes.restore(), "", "once is enough");
    }
  });
}

Deno.test("ScreenModes.hasRoomBelow is false in whatever a line of ours would break", () => {
  const rows: readonly (readonly [output: string, hasRoom: boolean])[] = [
    ["", true],
    ["$ ", true],
    ["\x1b[31m$ \x1b[1;1H", true],
    ["\x1b[?1049h", false],
    ["\x1b[?1049h\x1b[?1049l", true],
    ["\x1b[?47h", false],
    ["\x1b[2;20r", false],
    ["\x1b[2;20r\x1b[r", true],
    ["\x1b[?2026h", false],
    ["\x1b[?2026h\x1b[?2026l", true],
    ["\x1b", false],
    ["\x1b[3", false],
    ["\x1b]0;a tit", false],
    ["\x1b]0;a title\x07", true],
    ["\x1b]0;a title\x1b\\", true],
    ["\x1bP+q544e\x1b\\", true],
    ["\x1bPq#0;2;0;0;0", false],
    ["\x1b_G\x18", true],
    ["\x1b]0;a title\x1b[31m", true],
    ["ä", true],
    ["漢字", true],
    ["😀", true],
  ];
  for (const [output, hasRoom] of rows) {
    const bytes = encoder.encode(output);
    for (const step of [bytes.length || 1, 1, 2, 3]) {
      const modes = new ScreenModes();
      for (let at = 0; at < bytes.length; at += step) {
        modes.handleOutput(bytes.subarray(at, at + step));
      }
      assert.equal(modes.hasRoomBelow, hasRoom, `${JSON.stringify(output)} in steps of ${step}`);
    }
  }
});

Deno.test("ScreenModes.hasRoomBelow is false between the bytes of one character, however they come", () => {
  for (const text of ["ä", "字", "😀", "a字", "ab😀"]) {
    const bytes = encoder.encode(text);
    const start = encoder.encode(text.replace(/.$/u, "")).length;
    for (let end = start + 1; end < bytes.length; end++) {
      for (const step of [bytes.length, 1, 2]) {
        const modes = new ScreenModes();
        for (let at = 0; at < end; at += step) {
          modes.handleOutput(bytes.subarray(at, Math.min(at + step, end)));
        }
        assert(!modes.hasRoomBelow, `${text} up to byte ${end} in steps of ${step}`);
        modes.handleOutput(bytes.subarray(end));
        assert(modes.hasRoomBelow);
      }
    }
  }
});
