/**
 * What runs in the workspace around a kept shell: looking for what can keep one, the way into it, the list of them. POSIX sh, whatever
 * shell the user has: each travels in single quotes through that, so none has single quotes in it, nor two backslashes in a row,
 * which fish would make one of. What comes from outside is an argument, and quoted.
 */

/** What keeps a shell: a program of the workspace, or the agent's reconnecting terminal. */
export const KEEPERS = ["tmux", "screen", "zellij", "agent"] as const;
export type Keeper = typeof KEEPERS[number];

/** In front of our names, so that nobody else's sessions are touched or listed. */
export const SESSION_PREFIX = "hawser-";
/** How the lines begin that are for us, among whatever the user's shell prints at its start. */
export const PROBE_MARK = "hawser-shell;";
export const LIST_MARK = "hawser-kept;";
/** Said once the link to the forwarded agent stands, or cannot. */
export const LINK_MARK = "hawser-linked;";

/** `here KEEPER SESSION`: whether there is such a one. screen and zellij match names by their beginnings, so their lists are read. */
const COMMON = `
unset TMUX STY ZELLIJ
d=\${XDG_CACHE_HOME:-$HOME/.cache}/hawser
in_screen() {
  screen -ls 2>/dev/null | sed -n "/Dead/d;s/^[[:space:]]*\\([0-9][0-9]*\\.$1\\)[[:space:]].*/\\1/p" | sed 1q
}
all_zellij() {
  zellij list-sessions 2>/dev/null | sed "s/$(printf "\\033")\\[[0-9;]*m//g" | grep -v EXITED
}
alive() {
  p=$(cat "$d/terminal.$1" 2>/dev/null) && test -n "$p" && kill -0 "$p" 2>/dev/null || return 1
  test ! -r "/proc/$p/cmdline" || grep -q hawser-terminal "/proc/$p/cmdline"
}
here() {
  case $1 in
    tmux) tmux has-session -t "=$2" >/dev/null 2>&1 ;;
    screen) test -n "$(in_screen "$2")" ;;
    zellij) all_zellij | grep -q "^$2\\( \\|$\\)" ;;
    agent) alive "\${2#hawser-}" ;;
  esac
}
`;

/** Arguments: NAME. Where the shell is that has the name, else what could keep it, best first. */
const PROBE = `${COMMON}
first=; kept=
for k in tmux screen zellij agent; do
  if test $k != agent; then
    command -v $k >/dev/null 2>&1 || continue
    first=\${first:-$k}
  fi
  if here $k "hawser-$1"; then kept=$k; break; fi
done
link=; test ! -L "$d/agent.$1" || link=link
echo "${PROBE_MARK}\${kept:-\${first:-agent}};\${kept:+kept};$link;$d/agent.$1"
`;

/** The forwarded agent of each connection is another socket: a link to the last one is what shells are told of. */
const LINK = `
if test "$2" = agent && test -n "$SSH_AUTH_SOCK"; then
  (umask 077; mkdir -p "$d" && ln -sfn "$SSH_AUTH_SOCK" "$d/agent.$1") && SSH_AUTH_SOCK=$d/agent.$1 && export SSH_AUTH_SOCK
fi
`;

/** Arguments: NAME agent|- NONCE KEEPER new|again TTY SINCE. The last two are those of our client whose connection was lost. */
const ATTACH = `${COMMON}${LINK}
n=hawser-$1
printf "\\033_hawser;begin;%s;%s;%s\\033\\134" "$3" "$(tty)" "$(date +%s)"
case $4 in
  tmux)
    tmux list-clients -t "=$n" -F "#{client_created} #{client_tty}" 2>/dev/null | while read -r created client; do
      if test "$client" = "$6" && test "$created" -le $(($7 + 5)); then tmux detach-client -t "$client"; fi
    done
    if test "$5" = new; then
      tmux -u new-session -A -s "$n" ";" display-message "hawser: the former shell is gone, this is a new one"
    else
      tmux -u new-session -A -s "$n"
    fi ;;
  screen)
    i=$(in_screen "$n")
    if test -n "$i"; then screen -U -x "$i"; else screen -U -S "$n"; fi ;;
  zellij) zellij attach --create "$n" ;;
esac
s=$?
w=exit; if here "$4" "$n"; then w=left; fi
printf "\\033_hawser;end;%s;%s\\033\\134" $w $s
exit $s
`;

/** Arguments: NAME agent|- NONCE. What the agent runs in a terminal that it keeps. It is read at once: short. */
const TERMINAL = `d=\${XDG_CACHE_HOME:-$HOME/.cache}/hawser
(umask 077; mkdir -p "$d" && echo $$ >"$d/terminal.$1")
test "$2" != agent || export SSH_AUTH_SOCK="$d/agent.$1"
printf "\\033_hawser;begin;%s\\033\\134" "$3"
"\${SHELL:-/bin/sh}" -l
s=$?
rm -f "$d/terminal.$1"
printf "\\033_hawser;end;exit;%s\\033\\134" $s
exit $s`;

/** Arguments: NAME agent. Holds the link to a forwarded agent for as long as the connection lasts. */
const HOLD_LINK = `${COMMON}${LINK}
echo "${LINK_MARK}"
cat >/dev/null
`;

const LIST = `${COMMON}
tmux list-sessions -F "${LIST_MARK}#{session_name};tmux;#{session_attached};#{session_created}" 2>/dev/null
screen -ls 2>/dev/null | sed -n "/Dead/d;s/^[[:space:]]*[0-9][0-9]*\\.\\(hawser-[A-Za-z0-9_-]*\\)[[:space:]].*/${LIST_MARK}\\1;screen;;/p"
all_zellij | sed -n "s/^\\(hawser-[A-Za-z0-9_-]*\\).*/${LIST_MARK}\\1;zellij;;/p"
for f in "$d"/terminal.*; do
  if alive "\${f##*/terminal.}"; then echo "${LIST_MARK}hawser-\${f##*/terminal.};agent;;"; fi
done
`;

function commandLine(script: string, name: string, args: readonly string[]): string {
  return ["sh", "-c", quote(script), name, ...args.map(quote)].join(" ");
}

/** In single quotes, for any shell. */
export function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

export function probeCommand(name: string): string {
  return commandLine(PROBE, "hawser-probe", [name]);
}

export function listCommand(): string {
  return commandLine(LIST, "hawser-list", []);
}

export function holdLinkCommand(name: string): string {
  return commandLine(HOLD_LINK, "hawser-agent", [name, "agent"]);
}

export interface AttachPlan {
  readonly name: string;
  readonly forwardsAgent: boolean;
  readonly nonce: string;
}

export interface Client {
  /** Its terminal in the workspace. */
  readonly tty: string;
  /** Seconds since 1970, by the workspace's clock. */
  readonly since: string;
}

/** The way into a shell that a program keeps. `isLost`: we had one of the name, and it is gone. */
export function attachCommand(
  plan: AttachPlan & {
    readonly keeper: Keeper;
    readonly isLost: boolean;
    readonly lastClient: Client | undefined;
  },
): string {
  const { name, nonce, keeper, isLost, lastClient } = plan;
  return commandLine(ATTACH, "hawser-attach", [
    name,
    plan.forwardsAgent ? "agent" : "-",
    nonce,
    keeper,
    isLost ? "new" : "again",
    lastClient?.tty ?? "-",
    lastClient?.since ?? "0",
  ]);
}

/** What an agent is to run in a terminal of its own keeping, with variables of the user's. */
export function terminalCommand(
  plan: AttachPlan & { readonly env: readonly { readonly name: string; readonly value: string }[] },
): string {
  const { name, nonce, forwardsAgent, env } = plan;
  const args = [name, forwardsAgent ? "agent" : "-", nonce];
  const line = commandLine(TERMINAL, "hawser-terminal", args);
  const settings = env.map((one) => quote(`${one.name}=${one.value}`));
  return settings.length === 0 ? `exec ${line}` : `exec env ${settings.join(" ")} ${line}`;
}
