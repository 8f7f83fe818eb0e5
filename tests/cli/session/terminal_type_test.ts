import { strictEqual } from "node:assert/strict";
import { terminalType } from "../../../lib/cli/session/terminal_type.ts";

Deno.test("terminalType() falls back where workspaces are known to lack a name (kovidgoyal/kitty#713)", () => {
  const missing = [
    ...["xterm-kitty", "kitty", "xterm-ghostty", "ghostty", "alacritty", "alacritty-direct"],
    ...["foot", "foot-extra", "foot-direct", "wezterm", "rio", "contour", "contour-latest"],
    ...["st", "st-256color", "st-meta-256color", "xterm-termite", "ms-terminal", "mintty"],
    ...["konsole-256color", "gnome-256color", "vte-256color", "putty-256color", "iterm2"],
    ...["xterm-direct", "xterm-direct256", "xterm+256color", "xterm-new-emulator", "tmux-direct"],
    ...["nsterm-256color", "vscode-direct", "XTERM-KITTY", "xterm.js"],
  ];
  for (const name of missing) strictEqual(terminalType(name), "xterm-256color", name);
});

Deno.test("terminalType() keeps names that every workspace knows, and those that nobody can tell of", () => {
  const kept = [
    ...["xterm", "xterm-256color", "xterm-color", "xterm-vt220", "screen", "screen-256color"],
    ...["tmux", "tmux-256color", "screen.xterm-256color", "linux", "vt100", "vt220", "dumb"],
    ...["ansi", "rxvt-unicode-256color", "cygwin", "eterm-color", "wyse50"],
  ];
  for (const name of kept) strictEqual(terminalType(name), name);
});

Deno.test("terminalType() without a usable name", () => {
  for (const name of [undefined, "", " ", "a b", "xterm\n", "x\u202ey", "x".repeat(65)]) {
    strictEqual(terminalType(name), "xterm-256color", name);
  }
});

Deno.test("terminalType(): -e TERM wins, whatever it is; the last one counts, an empty one does not", () => {
  const set = (...values: string[]) => values.map((value) => ({ name: "TERM", value }));
  strictEqual(terminalType("xterm", set("xterm-kitty")), "xterm-kitty");
  strictEqual(terminalType("xterm-kitty", set("vt100", "dumb")), "dumb");
  strictEqual(terminalType("screen", set("")), "screen");
  strictEqual(terminalType("foot", set("")), "xterm-256color");
  strictEqual(terminalType("screen", [{ name: "term", value: "x" }]), "screen");
});
