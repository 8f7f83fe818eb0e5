/**
 * Agent forwarding: which local agent, whether it is there, and the dialler that `SshConnectionOptions.dialAgent` takes.
 * Unix sockets, the named pipe of Windows' own OpenSSH agent, and Pageant's pipe. The agent's protocol passes through untouched.
 */
import { ExpectedError, messageOf, UserError } from "../base/errors.ts";
import type { ByteStream } from "../base/stream.ts";
import { formatTarget, type LocalSockets, type LocalTarget, socketPathProblem } from "./host.ts";

/** Windows' OpenSSH agent listens here, whatever SSH_AUTH_SOCK says. */
const OPENSSH_PIPE = "\\\\.\\pipe\\openssh-ssh-agent";
const PIPE_FOLDER = "\\\\.\\pipe\\";
/** Connections to the agent at a time: programs use one each, for a moment. */
const MAX_AGENT_CONNECTIONS = 64;

export interface AgentLookup {
  /** `--identity-agent`: a path, `none` or `SSH_AUTH_SOCK`; empty counts as not given. */
  readonly identityAgent?: string | undefined;
  readonly env: (name: string) => string | undefined;
  /** As `Deno.build.os` names it. */
  readonly os: string;
  /** Names of the named pipes there are; Windows only. @default none */
  readonly pipes?: readonly string[];
}

/**
 * The agent to forward; `undefined` when none is named. Without `identityAgent` it is that of SSH_AUTH_SOCK; then, on Windows, the
 * OpenSSH agent's pipe or Pageant's. The words are those of ssh_config(5) `IdentityAgent`.
 */
export function findAgent(lookup: AgentLookup): LocalTarget | undefined {
  const { identityAgent = "", env, os } = lookup;
  if (identityAgent === "none") return undefined;
  const isDefault = identityAgent === "" || identityAgent === "SSH_AUTH_SOCK";
  const named = isDefault ? env("SSH_AUTH_SOCK") : identityAgent;
  if (named !== undefined && named !== "") return agentTarget(named, os);
  if (os !== "windows" || identityAgent !== "") return undefined;
  const pipes = lookup.pipes ?? [];
  if (pipes.includes(OPENSSH_PIPE.slice(PIPE_FOLDER.length))) {
    return { kind: "pipe", path: OPENSSH_PIPE };
  }
  const pageant = findPageantPipe(pipes, env("USERNAME") ?? "");
  return pageant === undefined ? undefined : { kind: "pipe", path: PIPE_FOLDER + pageant };
}

/**
 * Pageant's pipe of this user: `pageant.<user>.<64 hexadecimal digits>`. The digits hash a secret of the boot that only
 * Windows' own functions give, so the pipe is looked for rather than computed; pipes of other users do not match.
 */
export function findPageantPipe(pipes: readonly string[], user: string): string | undefined {
  const prefix = `pageant.${user}.`.toLowerCase();
  return pipes.find((pipe) => {
    const name = pipe.toLowerCase();
    return name.startsWith(prefix) && /^[0-9a-f]{64}$/.test(name.slice(prefix.length));
  });
}

/** On Windows a path under `\\.\pipe\`, with either kind of slash, is a named pipe; all else is a unix socket. */
function agentTarget(path: string, os: string): LocalTarget {
  const canonical = path.replaceAll("/", "\\");
  if (os === "windows" && /^\\\\[.?]\\pipe\\/i.test(canonical)) {
    return { kind: "pipe", path: canonical };
  }
  return { kind: "unix", path };
}

export interface AgentForwardOptions {
  readonly lookup: AgentLookup;
  readonly sockets: LocalSockets;
  /** Whether `-A` was given on the command line: then an agent that is not there is an error. */
  readonly isExplicit: boolean;
  /** One line for the user. */
  readonly warn: (line: string) => void;
}

/**
 * Finds the agent and tries it once. Resolves to the dialler, or to `undefined` when there is nothing to forward.
 * Rejects with `UserError` when it was asked for explicitly and is not available.
 */
export async function prepareAgentForward(
  options: AgentForwardOptions,
): Promise<(() => Promise<ByteStream>) | undefined> {
  const { sockets, isExplicit } = options;
  const target = findAgent(options.lookup);
  if (target === undefined) {
    if (!isExplicit || options.lookup.identityAgent === "none") return undefined;
    throw new UserError("forward agent: no SSH agent found: SSH_AUTH_SOCK is not set", {
      hint: `${
        START_HINTS[options.lookup.os] ?? START_HINT
      }, or name its socket with --identity-agent`,
    });
  }
  try {
    const probe = await sockets.connect(target);
    probe.abort();
  } catch (error) {
    const message = `forward agent: ${messageOf(error)}`;
    if (!isExplicit) {
      options.warn(`${message}; going on without`);
      return undefined;
    }
    throw new UserError(message, { hint: hintFor(target, options.lookup.os), cause: error });
  }
  return boundedDialler(() => sockets.connect(target));
}

const START_HINT = "Start one with: eval $(ssh-agent)";
const START_HINTS: Readonly<Record<string, string>> = {
  windows: "Start Pageant or the service OpenSSH Authentication Agent",
};

function hintFor(target: LocalTarget, os: string): string {
  const isTooLong = target.kind === "unix" && socketPathProblem(target.path, os) !== undefined;
  return isTooLong
    ? "Give the agent a shorter path, for example: eval $(ssh-agent -a ~/.ssh/agent)"
    : `Is the SSH agent at ${formatTarget(target)} running? Try: ssh-add -l`;
}

function boundedDialler(dial: () => Promise<ByteStream>): () => Promise<ByteStream> {
  let open = 0;
  return async () => {
    if (open >= MAX_AGENT_CONNECTIONS) {
      throw new ExpectedError(
        `more than ${MAX_AGENT_CONNECTIONS} connections to the SSH agent at a time`,
      );
    }
    open++;
    const release = () => void open--;
    try {
      const stream = await dial();
      stream.closed.then(release);
      return stream;
    } catch (error) {
      release();
      throw error;
    }
  };
}
