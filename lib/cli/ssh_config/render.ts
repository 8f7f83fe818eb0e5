/** The managed section as text, from what is known of user, deployment and program. */
import { UserError } from "../../base/errors.ts";
import type { SshSettings } from "../../coder/deployment.ts";
import { hostLines } from "./host_lines.ts";
import { renderEnd, renderHead, type SectionOptions } from "./options.ts";
import {
  matchExecCommand,
  proxyCommandWord,
  quotedProxyCommandWord,
  type QuoteOptions,
} from "./quote.ts";

export interface SectionPlan extends QuoteOptions {
  readonly options: SectionOptions;
  readonly settings: SshSettings;
  /** The words that start the program which carries SSH. */
  readonly program: readonly string[];
  /** `undefined`: the program is to find it. */
  readonly configDir: string | undefined;
  /** A named one in that folder. `undefined`: the folder itself. */
  readonly context: string | undefined;
  /** Leaves hosts without `ProxyCommand`. */
  readonly skipProxyCommand: boolean;
  /** Names for `--no-wildcard`, in the order of the file. */
  readonly workspaces: readonly string[];
}

/** How hosts are called. */
export interface HostNames {
  /** Empty: none begins with one. */
  readonly prefix: string;
  /** Empty: none ends with one. */
  readonly suffix: string;
}

/** The user's word counts before the deployment's, also when it is that there are none. */
export function hostNamesOf(options: SectionOptions, settings: SshSettings): HostNames {
  return {
    prefix: options.hostPrefix ?? settings.hostnamePrefix,
    suffix: options.hostnameSuffix ?? settings.hostnameSuffix,
  };
}

/** The section with its last line end. Throws `UserError` for what cannot be written. */
export function renderSection(plan: SectionPlan): string {
  const { options, settings, skipProxyCommand, workspaces } = plan;
  const { prefix, suffix } = hostNamesOf(options, settings);
  const lines = hostLines({ user: options.sshOptions, deployment: settings.options })
    .map((line) => `\t${line}\n`).join("");
  const commands = skipProxyCommand ? undefined : commandsOf(plan);
  const names = options.noWildcard ? workspaces : ["*"];
  const prefixed = prefix === "" ? [] : names.map((name) => {
    const proxy = commands === undefined ? "" : `\tProxyCommand ${commands.prefixed(prefix)}\n`;
    return `Host ${prefix}${name}\n${lines}${proxy}`;
  });
  const suffixed = suffix === "" ? [] : names.map((name) => {
    const host = `${name}.${suffix}`;
    const proxy = commands === undefined
      ? ""
      // The options count always, the command only where Coder Connect does not lead.
      : `\nMatch host ${host} !exec "${commands.exists}"\n\tProxyCommand ${
        commands.suffixed(suffix)
      }\n`;
    return `\nHost ${host}\n${lines}${proxy}`;
  });
  return renderHead(options) + prefixed.join("\n") + suffixed.join("") + renderEnd();
}

interface Commands {
  readonly prefixed: (prefix: string) => string;
  readonly suffixed: (suffix: string) => string;
  /** Asks whether Coder Connect leads to the host. */
  readonly exists: string;
}

function commandsOf(plan: SectionPlan): Commands {
  const { os, options, program, configDir, context } = plan;
  const word = (text: string) => proxyCommandWord(text, { os });
  const quoted = (text: string) => quotedProxyCommandWord(text, { os });
  const begin = [
    ...during("escape coder binary for ProxyCommand failed", () => program.map(slashed).map(word)),
    ...(configDir === undefined ? [] : during(
      "escape global config for ProxyCommand failed",
      () => ["--global-config", word(slashed(configDir))],
    )),
    ...(context === undefined ? [] : ["--context", word(context)]),
    ...options.headers.flatMap((header) => ["--header", quoted(csvField(header))]),
    ...(options.headerCommand === "" ? [] : ["--header-command", quoted(options.headerCommand)]),
    "ssh",
    "--stdio",
    ...(options.wait === "auto" ? [] : [`--wait=${options.wait}`]),
    ...(options.disableAutostart ? ["--disable-autostart=true"] : []),
  ].join(" ");
  return {
    prefixed: (prefix) => `${begin} --ssh-host-prefix ${word(prefix)} %h`,
    suffixed: (suffix) => `${begin} --hostname-suffix ${word(suffix)} %h`,
    exists: during(
      "escape coder binary for Match exec failed",
      () => matchExecCommand(program, "connect exists %h", { os }),
    ),
  };

  /** Shells on Windows that come from Unix take backslashes for escapes; the system takes either. */
  function slashed(path: string): string {
    return os === "windows" ? path.replaceAll("\\", "/") : path;
  }
}

/** Errors get the official command's words for where they happened. */
function during<T>(what: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(`${what}: ${error.message}`);
  }
}

/** The flag reads CSV (RFC 4180): a comma or a quote of the value must not end it. */
function csvField(value: string): string {
  return /[",]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}
