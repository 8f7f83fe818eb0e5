/** What sessions run in: the agent's shell, folder and variables (coder/coder `agent/usershell`, `agent/agentssh`). */

import type { SshAttack } from "./attacks.ts";

/** The agent as its SSH server sees it. */
export interface SessionSurroundings {
  /** @default `$SHELL`, else `/bin/sh`; on Windows `powershell.exe` */
  readonly shell?: string;
  /** @default the home folder */
  readonly directory?: string;
  /** Variables of the agent's own, over those of this process. */
  readonly env?: Readonly<Record<string, string>>;
  /** Printed before a shell in a terminal. @default nothing */
  readonly banner?: string;
  /** What it says of itself when it cannot connect where a client asks. @default nothing */
  readonly refusalText?: string;
  /** What it does to a client instead of running its shell or command. @default runs it */
  readonly attack?: SshAttack;
}

export interface SessionNames {
  readonly workspace: string;
  readonly owner: string;
  readonly agent: string;
}

const IS_WINDOWS = Deno.build.os === "windows";
/** Only tells the agent's statistics what kind of client it is. */
export const SESSION_TYPE_VARIABLE = "CODER_SSH_SESSION_TYPE";

export function shellOf(surroundings: SessionSurroundings): string {
  return surroundings.shell ?? readEnv("SHELL") ?? (IS_WINDOWS ? "powershell.exe" : "/bin/sh");
}

export function directoryOf(surroundings: SessionSurroundings): string {
  const { directory = readEnv(IS_WINDOWS ? "USERPROFILE" : "HOME") } = surroundings;
  return directory !== undefined && isFolder(directory) ? directory : Deno.cwd();
}

/** Program and arguments of a command, or of a login shell without one (docs/protocol/agent.md#programs). */
export function argvOf(surroundings: SessionSurroundings, command: string | undefined): string[] {
  const shell = shellOf(surroundings);
  if (command === undefined) return IS_WINDOWS ? [shell] : [shell, "-l"];
  if (command.trimStart().startsWith("#!") && !IS_WINDOWS) {
    const line = command.trimStart().slice(2).split("\n", 1)[0] ?? "";
    const [interpreter = shell, ...args] = line.trim().split(/\s+/);
    return [interpreter, ...args, "-c", command];
  }
  return [shell, /(^|[\\/])cmd(\.exe)?$/i.test(shell) ? "/c" : "-c", command];
}

/** What a session's program gets besides this process's variables. `asked` are the client's `env` requests. */
export function environmentOf(
  surroundings: SessionSurroundings,
  names: SessionNames,
  asked: ReadonlyMap<string, string>,
): Record<string, string> {
  const user = readEnv("USER") ?? readEnv("USERNAME") ?? "demo";
  const env: Record<string, string> = {
    ...surroundings.env,
    CODER: "true",
    CODER_WORKSPACE_NAME: names.workspace,
    CODER_WORKSPACE_OWNER_NAME: names.owner,
    CODER_WORKSPACE_AGENT_NAME: names.agent,
    USER: user,
    LOGNAME: user,
    SHELL: shellOf(surroundings),
    SSH_CLIENT: "0.0.0.0 0 0",
    SSH_CONNECTION: "0.0.0.0 0 0.0.0.0 0",
  };
  for (const [name, value] of asked) {
    if (name.toUpperCase() !== SESSION_TYPE_VARIABLE) env[name] = value;
  }
  return env;
}

function readEnv(name: string): string | undefined {
  try {
    const value = Deno.env.get(name);
    return value === "" ? undefined : value;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotCapable)) throw error;
    return undefined;
  }
}

function isFolder(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return false;
  }
}
