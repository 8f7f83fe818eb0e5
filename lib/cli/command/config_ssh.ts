/**
 * `config-ssh`: a section in the user's ssh_config that leads `ssh`, git and editors into workspaces (docs/protocol/ssh.md#config-ssh). What the section
 * says is `ssh_config/`'s affair; here is what is asked, looked up and written, in which order.
 */
import { equalBytes } from "../../base/bytes.ts";
import { UserError } from "../../base/errors.ts";
import type { Host } from "../../base/host.ts";
import { SILENT_LOG } from "../../base/log.ts";
import type { CoderClient } from "../../coder/client.ts";
import { getSshSettings } from "../../coder/deployment.ts";
import { StepError } from "../../coder/errors.ts";
import { goQuote } from "../../coder/text.ts";
import { listAllWorkspaces, listWorkspaces } from "../../coder/workspaces.ts";
import { createClient } from "../config/client.ts";
import { readConfiguration } from "../config/config.ts";
import { DEFAULT_CONTEXT } from "../config/context.ts";
import { configDir } from "../config/folder.ts";
import { programWarning } from "../config/program.ts";
import { SshConfigFile } from "../config/ssh_config_file.ts";
import { CONFIG_SSH } from "../grammar/flags_config_ssh.ts";
import type { OptionsOf } from "../grammar/options.ts";
import { isWorkspaceName } from "../ready/workspace_name.ts";
import { unifiedDiff } from "../ssh_config/diff.ts";
import { splitOption } from "../ssh_config/host_lines.ts";
import { checkOptions } from "../ssh_config/check.ts";
import {
  isSameOptions,
  listOptions,
  parseOptions,
  type SectionOptions,
} from "../ssh_config/options.ts";
import { hostNamesOf, renderSection } from "../ssh_config/render.ts";
import { splitConfig, withSection } from "../ssh_config/section.ts";
import { checkSshSettings, exposingOptions } from "../ssh_config/settings.ts";
import { confirm, LineInput } from "../terminal/confirm.ts";
import { Interrupt } from "../terminal/interrupt.ts";
import { writeDiff, writeText } from "../terminal/print.ts";
import { timelineLog } from "../terminal/timeline.ts";
import { defineCommand, type Invocation } from "./command.ts";

const OWN_WORKSPACES = 'owner:"me"';

type Flags = OptionsOf<typeof CONFIG_SSH>;

export const command = defineCommand({
  name: "config-ssh",
  usage: "[flags]",
  summary: "Let ssh, git and editors reach workspaces by name: ssh workspace.coder.",
  description: "Writes a section into your SSH configuration, so that ssh, scp, git and editors " +
    "reach workspaces by name. Nothing outside the section changes.",
  examples: [
    { line: "hawser config-ssh", does: "Write the section, after a question" },
    {
      line: "hawser config-ssh -o ForwardAgent=yes",
      does: "With an option of SSH for all workspaces",
    },
    { line: "hawser config-ssh --dry-run", does: "Show the changes as a diff, and make none" },
    { line: "hawser config-ssh --no-wildcard", does: "A host for each workspace" },
  ],
  flags: CONFIG_SSH,
  positionals: { min: 0, max: 0 },
  run: async (flags, invocation) => await new ConfigSsh(flags, invocation).run(),
});

class ConfigSsh {
  readonly #flags: Flags;
  readonly #invocation: Invocation;
  readonly #host: Host;
  readonly #lines: LineInput;
  readonly #questionOff = new AbortController();
  readonly #file: SshConfigFile;

  constructor(flags: Flags, invocation: Invocation) {
    this.#flags = flags;
    this.#invocation = invocation;
    this.#host = invocation.host;
    this.#lines = new LineInput(invocation.host.stdin, this.#questionOff);
    this.#file = new SshConfigFile(
      invocation.host,
      isDefaultPath(flags) ? undefined : flags.sshConfigFile,
    );
  }

  async run(): Promise<number> {
    const { global, name } = this.#invocation;
    const said = optionsOf(this.#flags, this.#invocation);
    if (!this.#flags.usePreviousOptions) checkOptions(said);
    if (this.#flags.wait !== "auto" && this.#flags.skipProxyCommand) {
      throw new UserError("cannot specify both --skip-proxy-command and --wait");
    }
    const configuration = await readConfiguration(this.#host, global);
    const { progress } = this.#invocation;
    const timeline = { clock: this.#host.clock, progress, startedAt: 0 };
    const client = createClient(this.#host, {
      configuration,
      command: name,
      log: global.verbose ? timelineLog(timeline) : SILENT_LOG,
      ...(global.debugHttp ? { onHttp: (line) => progress.line(line) } : {}),
    });
    const file = await this.#file.read();
    const split = splitConfig(file);
    const changes: string[] = [];
    const options = await this.#chooseOptions(said, split.section, changes);
    checkOptions(options);
    const settings = checkSshSettings(
      await during("fetch coderd config failed", () => getSshSettings(client)),
    );
    const exposing = exposingOptions(settings);
    if (exposing.length > 0) {
      progress.line(
        `The deployment's SSH options let workspaces use what is on this machine: ${
          exposing.join(", ")
        }`,
      );
    }
    const section = renderSection({
      os: this.#host.os,
      options,
      settings,
      program: await this.#program(),
      configDir: configDir(this.#host, global),
      context: configuration.context === DEFAULT_CONTEXT ? undefined : configuration.context,
      skipProxyCommand: this.#flags.skipProxyCommand,
      workspaces: options.noWildcard ? await workspaceNames(client) : [],
    });
    const wanted = withSection(split, section);
    if (!equalBytes(file, wanted)) changes.push(`Update the coder section in ${this.#file.path}`);
    if (changes.length === 0) {
      await this.#say("No changes to make.\n");
      return 0;
    }
    if (this.#flags.dryRun) return await this.#showDiff(changes, file, wanted);
    if (!await this.#mayContinue(changes)) return 0;
    if (!equalBytes(file, wanted)) await this.#write(file, wanted);
    await this.#sayWhatToTry(client, hostNamesOf(options, settings));
    return 0;
  }

  /** Results; in a dry run the diff alone is the result. */
  async #say(text: string): Promise<void> {
    const host = this.#host;
    if (this.#flags.dryRun) await writeText(host.stderr, text);
    else await writeText(host.stdout, text);
  }

  async #ask(question: string): Promise<"yes" | "no" | "none"> {
    if (this.#flags.yes) return "yes";
    using interrupt = new Interrupt(this.#invocation.host);
    interrupt.signal.addEventListener("abort", () => this.#questionOff.abort(), { once: true });
    const answer = await confirm(question, {
      say: (text) => this.#say(text),
      lines: this.#lines,
    });
    // The line that was typed has its end already; here is one more, as upstream has it.
    if (answer === "yes") await this.#say("\n");
    return answer;
  }

  /** Those of this run or of the last, whichever the user wants. */
  async #chooseOptions(
    said: SectionOptions,
    section: Uint8Array | undefined,
    changes: string[],
  ): Promise<SectionOptions> {
    if (section === undefined) return said;
    const last = parseOptions(new TextDecoder().decode(section));
    if (this.#flags.usePreviousOptions) return last;
    if (isSameOptions(said, last)) return said;
    for (const option of said.sshOptions) {
      during("invalid option from flag", () => splitOption(option));
    }
    const answer = await this.#ask(
      `New options differ from previous options:\n\n  New options:${bullets(said)}\n\n` +
        `  Previous options:${bullets(last)}\n\n  Use new options?`,
    );
    if (answer !== "yes") await this.#say("\n");
    // A dry run that nobody watches shows what it was asked for.
    if (answer === "no" || (answer === "none" && !this.#flags.dryRun)) return last;
    changes.push("Use new options");
    return said;
  }

  async #program(): Promise<readonly string[]> {
    const { coderBinaryPath } = this.#flags;
    if (coderBinaryPath !== "") return [coderBinaryPath];
    const words = await this.#host.program();
    const [warning, ...more] = await programWarning(this.#host, words);
    if (warning !== undefined) this.#invocation.progress.warning(warning, more);
    return words;
  }

  async #showDiff(
    changes: readonly string[],
    file: Uint8Array,
    wanted: Uint8Array,
  ): Promise<number> {
    await this.#say(
      "Dry run, the following changes would be made to your SSH configuration:\n\n" +
        changes.map((change) => `  * ${change}\n`).join("") + "\n",
    );
    const diff = unifiedDiff(
      toBinary(new TextEncoder().encode(this.#file.path)),
      toBinary(file),
      toBinary(wanted),
    );
    const host = this.#host;
    const useColor = !host.env("NO_COLOR") && host.env("TERM") !== "dumb";
    await writeDiff(host.stdout, fromBinary(diff), { useColor });
    return 0;
  }

  async #mayContinue(changes: readonly string[]): Promise<boolean> {
    const answer = await this.#ask(
      "The following changes will be made to your SSH configuration:\n\n" +
        changes.map((change) => `    * ${change}\n`).join("") + "\n  Continue?",
    );
    if (answer === "none") {
      if (!this.#lines.isTerminal) this.#invocation.progress.line("");
      this.#invocation.progress.line(
        "Nothing was changed: there was no answer. --yes asks nothing.",
      );
    }
    return answer === "yes";
  }

  async #write(file: Uint8Array, wanted: Uint8Array): Promise<void> {
    // A section alone can be made anew at any time.
    const { before, after } = splitConfig(file);
    const keepsOld = before.length + after.length > 0;
    const backup = await this.#file.replace({ from: file, to: wanted, keepsOld });
    await this.#say(`Updated ${goQuote(this.#file.path)}\n`);
    if (backup !== undefined) {
      this.#invocation.progress.line(`The file as it was: ${goQuote(backup)}`);
    }
  }

  async #sayWhatToTry(
    client: CoderClient,
    { prefix, suffix }: { readonly prefix: string; readonly suffix: string },
  ): Promise<void> {
    const [first] = await during(
      "fetch workspaces failed",
      () => listWorkspaces(client, OWN_WORKSPACES, { limit: 1 }),
    );
    if (first === undefined) {
      await this.#say(
        "You don't have any workspaces yet, try creating one with:\n\n\t$ coder create <workspace>\n",
      );
      return;
    }
    const host = suffix === "" ? `${prefix}${first.name}` : `${first.name}.${suffix}`;
    // People paste it: nothing is named that no deployment calls so.
    const isNamed = (prefix !== "" || suffix !== "") && isWorkspaceName(first.name);
    await this.#say(
      "You should now be able to ssh into your workspace.\n" +
        (isNamed ? `For example, try running:\n\n\t$ ssh ${host}\n` : ""),
    );
  }
}

function isDefaultPath({ sshConfigFile }: Flags): boolean {
  return sshConfigFile === CONFIG_SSH.sshConfigFile.initial;
}

function optionsOf(flags: Flags, { global, parsed }: Invocation): SectionOptions {
  const isSaid = (flag: typeof CONFIG_SSH.sshHostPrefix) => parsed.source(flag) !== "default";
  return {
    wait: flags.wait,
    hostPrefix: isSaid(CONFIG_SSH.sshHostPrefix) ? flags.sshHostPrefix : undefined,
    hostnameSuffix: isSaid(CONFIG_SSH.hostnameSuffix) ? flags.hostnameSuffix : undefined,
    disableAutostart: flags.disableAutostart,
    noWildcard: flags.noWildcard,
    sshOptions: flags.sshOptions,
    headers: global.headers,
    headerCommand: global.headerCommand,
  };
}

/** Names that no deployment gives are left out: they would stand in lines of their own making. */
async function workspaceNames(client: CoderClient): Promise<string[]> {
  const workspaces = await during(
    "fetch workspaces",
    () => listAllWorkspaces(client, OWN_WORKSPACES),
  );
  return workspaces.map(({ name }) => name).filter(isWorkspaceName).toSorted();
}

function bullets(options: SectionOptions): string {
  const list = listOptions(options);
  return list.length === 0 ? " none" : list.map((line) => `\n    * ${line}`).join("");
}

/** Failures get the words of where they happened. */
function during<T>(what: string, run: () => T): T {
  try {
    const result = run();
    if (!(result instanceof Promise)) return result;
    return result.catch((error) => Promise.reject(new StepError(what, error))) as T;
  } catch (error) {
    throw new StepError(what, error);
  }
}

/** A character for each byte, so that text of any encoding can be compared and comes back as it was. */
function toBinary(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}

function fromBinary(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}
