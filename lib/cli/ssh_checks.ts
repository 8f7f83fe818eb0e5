/** Checks of `ssh` options that need no request and come before any (behaviour §2.2, §2.3). */
import { UserError } from "../base/errors.ts";
import { goQuote } from "../coder/text.ts";
import type { SshOptions } from "./flags_ssh.ts";

export interface EnvSetting {
  readonly name: string;
  readonly value: string;
}

/** The `--env` settings. Throws `UserError` for one without `=`. */
export function parseEnvSettings(texts: readonly string[]): EnvSetting[] {
  return texts.map((text) => {
    const equals = text.indexOf("=");
    if (equals === -1) {
      throw new UserError(`invalid environment variable setting ${goQuote(text)}`, {
        hint: "Write it as -e NAME=value",
      });
    }
    return { name: text.slice(0, equals), value: text.slice(equals + 1) };
  });
}

const PORT_FORM = /^(\d+):(.+):(\d+)$/;
const SOCKET_FORM = /^(\/.+):(\/.+)$/;

export type RemoteForward =
  | {
    readonly kind: "port";
    readonly remotePort: number;
    readonly localHost: string;
    readonly localPort: number;
  }
  | { readonly kind: "socket"; readonly remotePath: string; readonly localPath: string };

/** One `-R`. Throws `UserError` in the official command's words. */
export function parseRemoteForward(text: string): RemoteForward {
  const port = PORT_FORM.exec(text);
  if (port !== null) {
    return {
      kind: "port",
      remotePort: portNumber(port[1] ?? "", "remote port is invalid"),
      localHost: (port[2] ?? "").replace(/^\[(.*)\]$/, "$1"),
      localPort: portNumber(port[3] ?? "", "local port is invalid"),
    };
  }
  const socket = SOCKET_FORM.exec(text);
  if (socket !== null) {
    return { kind: "socket", remotePath: socket[1] ?? "", localPath: socket[2] ?? "" };
  }
  throw new UserError(
    "invalid format of remote-forward, expected: remote_port:local_address:local_port",
    { hint: `Given was ${goQuote(text)}; two absolute socket paths joined by : are fine too` },
  );
}

function portNumber(text: string, problem: string): number {
  const port = Number(text);
  if (Number.isInteger(port) && port <= 65_535) return port;
  throw new UserError(`${problem}: ${goQuote(text)} is greater than 65535`);
}

/** Everything that can be said before the first request. Throws `UserError`. */
export function checkSshOptions(options: SshOptions): void {
  if (options.stdio && options.remoteForwards.length > 0) {
    throw new UserError("remote-forward can't be enabled in the stdio mode");
  }
  options.remoteForwards.forEach(parseRemoteForward);
  parseEnvSettings(options.env);
}
