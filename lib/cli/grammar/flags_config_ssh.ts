/** Flags of `config-ssh`, those of the official command (docs/protocol/ssh.md#config-ssh). */
import { choiceFlag, type Flag, listFlag, pathFlag, switchFlag, textFlag } from "./flag.ts";
import { FlagValueError } from "./flag_error.ts";

export const CONFIG_SSH = {
  sshConfigFile: pathFlag({
    name: "ssh-config-file",
    env: "CODER_SSH_CONFIG_FILE",
    initial: "~/.ssh/config",
    help: "SSH configuration to write to.",
  }),
  coderBinaryPath: absolute(pathFlag({
    name: "coder-binary-path",
    env: "CODER_SSH_CONFIG_BINARY_PATH",
    help: "Absolute path of the program for ProxyCommand; what runs now by default.",
  })),
  sshOptions: listFlag({
    name: "ssh-option",
    shorthand: "o",
    env: "CODER_SSH_CONFIG_OPTS",
    help: "Option of SSH for every host, as Key=value; may be given several times. " +
      "An empty value takes the option away.",
  }),
  dryRun: switchFlag({
    name: "dry-run",
    shorthand: "n",
    env: "CODER_SSH_DRY_RUN",
    help: "Change nothing, show the changes as a diff.",
  }),
  skipProxyCommand: switchFlag({
    name: "skip-proxy-command",
    env: "CODER_SSH_SKIP_PROXY_COMMAND",
    hidden: true,
    help: "Leave ProxyCommand out.",
  }),
  usePreviousOptions: switchFlag({
    name: "use-previous-options",
    env: "CODER_SSH_USE_PREVIOUS_OPTIONS",
    help: "Keep the options of the last run, whatever is said now.",
  }),
  sshHostPrefix: textFlag({
    name: "ssh-host-prefix",
    env: "CODER_CONFIGSSH_SSH_HOST_PREFIX",
    takesEmpty: true,
    help: "What hosts begin with, before the workspace's name; the deployment says by default. " +
      "Empty: no such hosts.",
  }),
  hostnameSuffix: textFlag({
    name: "hostname-suffix",
    env: "CODER_CONFIGSSH_HOSTNAME_SUFFIX",
    takesEmpty: true,
    help: "What hosts end with, behind the workspace's name and a dot; the deployment says by " +
      "default. Empty: no such hosts.",
  }),
  wait: choiceFlag({
    name: "wait",
    env: "CODER_CONFIGSSH_WAIT", // not that of ssh
    words: ["yes", "no", "auto"],
    initial: "auto",
    help: "Wait for the start-up scripts to end; auto asks the template.",
  }),
  disableAutostart: switchFlag({
    name: "disable-autostart",
    env: "CODER_CONFIGSSH_DISABLE_AUTOSTART",
    help: "Do not start a stopped workspace.",
  }),
  noWildcard: switchFlag({
    name: "no-wildcard",
    env: "CODER_CONFIGSSH_NO_WILDCARD",
    help: "A host for each workspace, so that programs which read the file find them.",
  }),
  forceUnixFilepaths: switchFlag({
    name: "force-unix-filepaths",
    env: "CODER_CONFIGSSH_UNIX_FILEPATHS",
    help: "Accepted for compatibility: ProxyCommand has forward slashes on Windows anyway.",
  }),
  yes: switchFlag({ name: "yes", shorthand: "y", help: "Ask nothing." }),
} as const;

/** Windows has too many ways to be absolute. */
function absolute(flag: Flag<string>): Flag<string> {
  return {
    ...flag,
    parse(text, previous) {
      if (!text.startsWith("/") && !/^(?:[A-Za-z]:|\\\\)/.test(text)) {
        throw new FlagValueError("coder cli path must be an absolute path");
      }
      return flag.parse(text, previous);
    },
  };
}
