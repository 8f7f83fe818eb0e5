/**
 * Flags of `ssh`: those of the official command, retired ones among them (docs/protocol/ssh.md#flags, #flags), and ours.
 * Ours have variables under `HAWSER_SSH_`, so that they never change meaning under the official command.
 */
import type { AnyFlag, ParsedArgs } from "./args.ts";
import {
  choiceFlag,
  countFlag,
  durationFlag,
  listFlag,
  pathFlag,
  switchFlag,
  textFlag,
} from "./flag.ts";
import { persistFlag } from "./persist_name.ts";
import { webTerminalFlag } from "./web_terminal_flag.ts";
import { defaultsOf, type OptionsOf, optionsOf } from "./options.ts";

/** Titles under which help shows flags. */
const FORWARDS = "Forwards and agents";
const OPENSSH = "Under OpenSSH and editors";
const CONNECTION = "Host keys, keepalive and escapes";
const KEPT = "Shells that outlive the connection";

const WAIT = choiceFlag({
  name: "wait",
  env: "CODER_SSH_WAIT",
  words: ["yes", "no", "auto"],
  initial: "auto",
  help: "Wait for the start-up scripts to end; auto asks the template.",
});

const LOG_DIR = pathFlag({
  name: "log-dir",
  shorthand: "l",
  env: "CODER_SSH_LOG_DIR",
  help: "Folder that a log file of this session is written to.",
});

export const SSH = {
  stdio: switchFlag({
    name: "stdio",
    group: OPENSSH,
    env: "CODER_SSH_STDIO",
    help: "Carry raw SSH over standard input and output, for OpenSSH's ProxyCommand.",
  }),
  forwardAgent: switchFlag({
    name: "forward-agent",
    group: FORWARDS,
    shorthand: "A",
    env: "CODER_SSH_FORWARD_AGENT",
    help: "Let the workspace use the local SSH agent.",
  }),
  forwardGpg: switchFlag({
    name: "forward-gpg",
    group: FORWARDS,
    shorthand: "G",
    env: "CODER_SSH_FORWARD_GPG",
    help: "Let the workspace use the local GnuPG agent; public keys and trust are imported there.",
  }),
  identityAgent: pathFlag({
    name: "identity-agent",
    group: FORWARDS,
    env: "CODER_SSH_IDENTITY_AGENT",
    help: "Socket of the SSH agent to forward; SSH_AUTH_SOCK by default.",
  }),
  workspacePollIntervalMs: durationFlag({
    name: "workspace-poll-interval",
    env: "CODER_WORKSPACE_POLL_INTERVAL",
    initial: "1m",
    help: "How often to look whether the workspace is about to stop.",
  }),
  noWait: switchFlag({
    name: "no-wait",
    env: "CODER_SSH_NO_WAIT",
    replacedBy: WAIT,
    help: "Do not wait for the start-up scripts. Use --wait=no.",
  }),
  logDir: LOG_DIR,
  logToFile: switchFlag({
    name: "log-to-file",
    env: "CODER_SSH_LOG_TO_FILE",
    hidden: true,
    replacedBy: LOG_DIR,
    help: "Write a log file to --log-dir or the temporary folder.",
  }),
  wait: WAIT,
  tty: switchFlag({
    name: "tty",
    shorthand: "t",
    env: "CODER_SSH_TTY",
    help: "Give the remote command a terminal.",
  }),
  remoteForwards: listFlag({
    name: "remote-forward",
    group: FORWARDS,
    shorthand: "R",
    env: "CODER_SSH_REMOTE_FORWARD",
    help:
      "Forward remote_port:local_address:local_port or /remote.sock:/local.sock to this machine.",
  }),
  env: listFlag({
    name: "env",
    shorthand: "e",
    env: "CODER_SSH_ENV",
    help: "Environment variables for the session, as key=value.",
  }),
  sshHostPrefix: textFlag({
    name: "ssh-host-prefix",
    group: OPENSSH,
    env: "CODER_SSH_SSH_HOST_PREFIX",
    help: "Prefix to take off the workspace's name, as config-ssh adds it.",
  }),
  hostnameSuffix: textFlag({
    name: "hostname-suffix",
    group: OPENSSH,
    env: "CODER_SSH_HOSTNAME_SUFFIX",
    help: "Suffix to take off the workspace's name, without its leading dot.",
  }),
  disableAutostart: switchFlag({
    name: "disable-autostart",
    env: "CODER_SSH_DISABLE_AUTOSTART",
    help: "Do not start a stopped workspace.",
  }),
  networkInfoDir: pathFlag({
    name: "network-info-dir",
    group: OPENSSH,
    help: "Folder that a file with connection statistics is written to.",
  }),
  networkInfoIntervalMs: durationFlag({
    name: "network-info-interval",
    group: OPENSSH,
    initial: "5s",
    help: "How often to write that file.",
  }),
  usageApp: textFlag({
    name: "usage-app",
    env: "CODER_SSH_USAGE_APP",
    hidden: true,
    help: "Application to report use for: ssh, vscode, jetbrains, or disable.",
  }),
  container: textFlag({
    name: "container",
    shorthand: "c",
    hidden: true,
    help: "Container in the workspace, by id or name.",
  }),
  containerUser: textFlag({
    name: "container-user",
    hidden: true,
    help: "User to become in the container.",
  }),
  forceNewTunnel: switchFlag({
    name: "force-new-tunnel",
    hidden: true,
    help: "Do not use Coder Connect even when it is there.",
  }),
  persist: persistFlag({
    name: "persist",
    group: KEPT,
    env: "HAWSER_SSH_PERSIST",
    help:
      "Keep the shell in the workspace when the connection is lost, and go back to it: by tmux, " +
      "screen or zellij if one is there, else by the agent, for five minutes. The same NAME " +
      '("main" if none is given) leads to the same shell from any terminal or machine.',
  }),
  listPersistent: switchFlag({
    name: "list-persistent",
    group: KEPT,
    help: "List the shells that --persist keeps in the workspace.",
  }),
  localForwards: listFlag({
    name: "local-forward",
    group: FORWARDS,
    shorthand: "L",
    env: "HAWSER_SSH_LOCAL_FORWARD",
    help: "Forward [address:]port:host:hostport, or a socket's path, from this machine.",
  }),
  dynamicForwards: listFlag({
    name: "dynamic-forward",
    group: FORWARDS,
    shorthand: "D",
    env: "HAWSER_SSH_DYNAMIC_FORWARD",
    help: "Listen on [address:]port here as a SOCKS proxy into the workspace.",
  }),
  stdioForward: textFlag({
    name: "stdio-forward",
    group: FORWARDS,
    shorthand: "W",
    help: "Join standard input and output to host:port in the workspace.",
  }),
  noCommand: switchFlag({
    name: "no-command",
    group: FORWARDS,
    shorthand: "N",
    env: "HAWSER_SSH_NO_COMMAND",
    help: "Run no remote command: forwards only.",
  }),
  exitOnForwardFailure: switchFlag({
    name: "exit-on-forward-failure",
    group: FORWARDS,
    env: "HAWSER_SSH_EXIT_ON_FORWARD_FAILURE",
    help: "End when a forward cannot be made.",
  }),
  webTerminal: webTerminalFlag({
    name: "web-terminal",
    group: CONNECTION,
    env: "HAWSER_SSH_WEB_TERMINAL",
    help:
      "Go through the deployment's web terminal: yes always, no never, auto for a shell that has no " +
      "other way because the workspace network cannot be reached. It forwards nothing.",
  }),
  escapeChar: textFlag({
    name: "escape-char",
    group: CONNECTION,
    env: "HAWSER_SSH_ESCAPE_CHAR",
    initial: "~",
    help: "Escape character at the start of a line: one character, ^ and a letter, or none.",
  }),
  keepaliveIntervalMs: durationFlag({
    name: "keepalive-interval",
    group: CONNECTION,
    env: "HAWSER_SSH_KEEPALIVE_INTERVAL",
    initial: "0",
    help: "How often to ask a silent connection for a sign of life; 0 never asks.",
  }),
  keepaliveCount: countFlag({
    name: "keepalive-count",
    group: CONNECTION,
    env: "HAWSER_SSH_KEEPALIVE_COUNT",
    initial: 3,
    help: "Unanswered questions in a row that end the session.",
  }),
  hostKeyCheck: choiceFlag({
    name: "host-key-check",
    group: CONNECTION,
    env: "HAWSER_SSH_HOST_KEY_CHECK",
    words: ["accept-new", "yes", "no"],
    initial: "accept-new",
    help: "Pin the workspace's host key: accept-new remembers new ones, yes refuses them.",
  }),
  knownHosts: pathFlag({
    name: "known-hosts",
    group: CONNECTION,
    env: "HAWSER_SSH_KNOWN_HOSTS",
    help: "File that host keys are remembered in.",
  }),
} as const;

export const SSH_FLAGS: readonly AnyFlag[] = Object.values(SSH);

export interface SshOptions extends Omit<OptionsOf<typeof SSH>, "noWait"> {
  /** `-A` stands on the command line itself: then an agent that is not there is an error. */
  readonly isAgentExplicit: boolean;
  /** `--persist` stands on the command line itself: then it is an error where it makes no sense. */
  readonly isPersistExplicit: boolean;
  /** `--web-terminal` stands on the command line itself: likewise. */
  readonly isWebTerminalExplicit: boolean;
}

/** The options of `ssh`; `--no-wait` wins over `--wait`. */
export function readSshOptions(parsed: ParsedArgs): SshOptions {
  const { noWait, ...options } = optionsOf(SSH, parsed);
  return {
    ...options,
    wait: noWait ? "no" : options.wait,
    isAgentExplicit: options.forwardAgent && parsed.source(SSH.forwardAgent) === "flag",
    isPersistExplicit: parsed.source(SSH.persist) === "flag",
    isWebTerminalExplicit: parsed.source(SSH.webTerminal) === "flag",
  };
}

/** Those of an `ssh` without flags and variables. */
export function defaultSshOptions(): SshOptions {
  const { noWait: _, ...options } = defaultsOf(SSH);
  return {
    ...options,
    isAgentExplicit: false,
    isPersistExplicit: false,
    isWebTerminalExplicit: false,
  };
}
