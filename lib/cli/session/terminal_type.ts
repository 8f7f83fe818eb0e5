/**
 * What we call the terminal in a workspace. Programs there look its name up in the workspace's own terminfo, which as a rule is what the
 * system cannot be without (Debian's and Fedora's `ncurses-base`): the names of younger emulators are missing, and `clear`, `top` and the
 * backspace key fail. All of those emulators do what xterm does.
 */
import type { EnvSetting } from "./ssh_checks.ts";

const FALLBACK = "xterm-256color";
const MAX_CHARS = 64;

/** Emulators that speak xterm's language under a name of their own, which terminfo has in `ncurses-term` or not at all. */
const EMULATORS: ReadonlySet<string> = new Set([
  "alacritty",
  "contour",
  "foot",
  "footclient",
  "ghostty",
  "gnome",
  "iterm",
  "iterm2",
  "kitty",
  "konsole",
  "mintty",
  "mlterm",
  "ms", // ms-terminal
  "nsterm", // macOS Terminal
  "putty",
  "rio",
  "st",
  "stterm",
  "terminator",
  "terminology",
  "termite",
  "vscode",
  "vte",
  "warp",
  "wezterm",
]);
/** What there is behind `xterm` in `ncurses-base`. */
const XTERMS: ReadonlySet<string> = new Set([
  "xterm",
  "xterm-256color",
  "xterm-color",
  "xterm-mono",
  "xterm-r5",
  "xterm-r6",
  "xterm-vt220",
  "xterm-xfree86",
]);

/**
 * The name to ask a terminal for over there. One given by `-e TERM=` is the user's word; the local one counts where workspaces know it
 * (`dumb`, `linux`, `vt100` and `tmux-256color` are known, and mean something else than xterm) or where we cannot tell.
 */
export function terminalType(
  local: string | undefined,
  settings: readonly EnvSetting[] = [],
): string {
  const given = settings.findLast(({ name }) => name === "TERM");
  if (given !== undefined && given.value !== "") return given.value;
  return local !== undefined && isKnownOverThere(local) ? local : FALLBACK;
}

function isKnownOverThere(name: string): boolean {
  if (!/^[!-~]+$/.test(name) || name.length > MAX_CHARS) return false;
  const lower = name.toLowerCase();
  const [family = ""] = lower.split(/[-.+]/, 1);
  if (family === "xterm") return XTERMS.has(lower);
  // Direct colour is a description of its own for every emulator, and none is in the base.
  return !EMULATORS.has(family) && !/-direct\d*$/.test(lower);
}
