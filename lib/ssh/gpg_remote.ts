/**
 * The workspace's side of GPG forwarding: one session that stops its gpg-agent, keeps it from being started again by systemd, says
 * where the agent's socket belongs, and undoes its changes when its input ends. Its input ends with us, also when the connection is
 * lost, so nothing is left behind. The script avoids single quotes and backslashes: it travels in single quotes, through
 * whatever shell the user has there.
 */
import { UserError } from "../base/errors.ts";
import { trimEnd } from "../base/trim.ts";
import type { SshConnection } from "./connection.ts";
import { dropOutput, Gathered } from "./remote_command.ts";
import type { SshSession } from "./session.ts";

/** Marks our line among whatever the user's shell prints at its start. */
const SOCKET_MARK = "hawser-gpg-agent-socket=";
const MAX_OUTPUT_BYTES = 64 * 1024;

const SCRIPT = `
say() { echo "$1" >&2; exit 1; }
command -v gpgconf >/dev/null 2>&1 || say "gpgconf: not found in the workspace: is GnuPG installed there?"
socket=$(gpgconf --list-dir agent-socket) || say "gpgconf --list-dir agent-socket failed"
test -n "$socket" || say "agent socket path is empty, check the output of: gpgconf --list-dir agent-socket"

masked=
active=
if command -v systemctl >/dev/null 2>&1 && systemctl --user show-environment >/dev/null 2>&1; then
  for unit in gpg-agent.socket gpg-agent-extra.socket gpg-agent-browser.socket gpg-agent.service; do
    systemctl --user cat $unit >/dev/null 2>&1 || continue
    case $(systemctl --user is-enabled $unit 2>/dev/null) in masked*) continue ;; esac
    if systemctl --user is-active --quiet $unit && test $unit != gpg-agent.service; then active="$active $unit"; fi
    if systemctl --user mask --runtime --now $unit >/dev/null 2>&1; then masked="$masked $unit"; fi
  done
fi
undo() {
  test -z "$masked" || systemctl --user unmask --runtime $masked >/dev/null 2>&1
  test -z "$active" || systemctl --user start $active >/dev/null 2>&1
}
trap undo EXIT
trap "exit 1" HUP INT TERM

limit=
if command -v timeout >/dev/null 2>&1; then limit="timeout 5"; fi
if test -S "$socket"; then
  $limit gpgconf --kill gpg-agent >/dev/null 2>&1
  tries=0
  while test -S "$socket" && test $tries -lt 10; do
    sleep 0.1 2>/dev/null || sleep 1
    tries=$((tries + 1))
  done
  rm -f "$socket"
fi
test ! -S "$socket" || say "cannot remove the socket of the running agent: $socket"
echo "${SOCKET_MARK}$socket"
cat >/dev/null
`;

export interface RemoteGpgAgent {
  /** Where the workspace's gpg looks for its agent. */
  readonly socketPath: string;
  /** Undoes what was done there; resolves when the workspace has said so or the connection is gone. */
  release(): Promise<void>;
}

/** Stops and masks the agent of the workspace. Rejects with `UserError`. */
export async function stopRemoteAgent(connection: SshConnection): Promise<RemoteGpgAgent> {
  const session = await connection.openSession({ command: `sh -c '${SCRIPT}'` });
  const errors = new Gathered();
  const draining = errors.drain((into) => session.readStderr(into));
  const socketPath = await readSocketPath(session);
  if (socketPath === undefined) {
    session.abort();
    await draining;
    const reason = errors.text() || "the workspace ended the session";
    throw new UserError(`check if agent socket is running: ${reason}`);
  }
  const rest = dropOutput((into) => session.readStdout(into));
  return {
    socketPath,
    async release() {
      await session.closeStdin();
      await Promise.all([session.ended, draining, rest]);
    },
  };
}

async function readSocketPath(session: SshSession): Promise<string | undefined> {
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(4 * 1024);
  let unfinished = "";
  for (let lengthBytes = 0; lengthBytes <= MAX_OUTPUT_BYTES;) {
    const count = await session.readStdout(buffer);
    if (count === null) return undefined;
    lengthBytes += count;
    const text = decoder.decode(buffer.subarray(0, count), { stream: true });
    const lines = text.split("\n");
    lines[0] = unfinished + (lines[0] ?? "");
    unfinished = lines.pop() ?? "";
    const found = lines.find((line) => line.startsWith(`${SOCKET_MARK}/`));
    if (found !== undefined) return trimEnd(found.slice(SOCKET_MARK.length), "\r");
  }
  return undefined;
}
