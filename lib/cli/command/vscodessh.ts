/**
 * `vscodessh`, hidden: how old editor extensions call the official command (docs/protocol/ssh.md#vscodessh). It is `ssh --stdio` with the
 * deployment and the token in files, a host name for the workspace, and a log that the extension reads.
 */
import { UserError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { goQuote } from "../../coder/text.ts";
import { parseDeploymentUrl } from "../../coder/url.ts";
import { choiceFlag, durationFlag, pathFlag } from "../grammar/flag.ts";
import type { GlobalOptions } from "../grammar/flags_global.ts";
import { defaultSshOptions, type SshOptions } from "../grammar/flags_ssh.ts";
import type { OptionsOf } from "../grammar/options.ts";
import { type Host, HostError } from "../../base/host.ts";
import { printText } from "../terminal/print.ts";
import { lineLog, type LogFile, openLogFile } from "../terminal/log_file.ts";
import { exitCodeOf, reportError } from "../terminal/report_error.ts";
import { checkToken } from "../config/token.ts";
import { runSsh } from "../session/ssh_run.ts";
import { parseEditorHost } from "../ready/editor_host.ts";
import { teeLog } from "../terminal/timeline.ts";
import { defineCommand } from "./command.ts";

/** Its flags; those of `ssh` that it shares have the same names for their values. */
export const VSCODESSH = {
  sessionTokenFile: pathFlag({
    name: "session-token-file",
    help: "File with the session token.",
  }),
  urlFile: pathFlag({ name: "url-file", help: "File with the URL of the Coder deployment." }),
  networkInfoDir: pathFlag({
    name: "network-info-dir",
    help: "Folder that a file with connection statistics is written to.",
  }),
  networkInfoIntervalMs: durationFlag({
    name: "network-info-interval",
    initial: "5s",
    help: "How often to write that file.",
  }),
  logDir: pathFlag({ name: "log-dir", help: "Folder that a log file is written to." }),
  wait: choiceFlag({
    name: "wait",
    words: ["yes", "no", "auto"],
    initial: "auto",
    help: "Wait for the start-up scripts to end; auto asks the template.",
  }),
} as const;

/** How it was called. */
export interface VscodesshCall {
  readonly options: OptionsOf<typeof VSCODESSH>;
  readonly global: GlobalOptions;
  /** With the workspace's name in it. */
  readonly hostname: string;
}

/** What to run `ssh` with. */
export interface VscodesshPlan {
  /** With the URL and token of the files. */
  readonly global: GlobalOptions;
  /** `logDir` is empty: the log is `openVscodesshLog`'s. */
  readonly options: SshOptions;
  /** `owner/name` or `owner/name.agent`. */
  readonly workspace: string;
  /** Empty for no log file. */
  readonly logDir: string;
}

export const command = defineCommand({
  name: "vscodessh",
  usage: "[flags] <coder-vscode--<owner>--<workspace>--<agent?>>",
  summary: "What old editor extensions call.",
  description: "Carries raw SSH for old editor extensions.",
  examples: [{
    line: "hawser vscodessh --url-file url --session-token-file token " +
      "--network-info-dir . coder-vscode--me--dev",
    does: "As such an extension does",
  }],
  isHidden: true,
  flags: VSCODESSH,
  positionals: { min: 1, max: 1 },
  async run(options, { host, name, global, args: [hostname = ""], progress }) {
    const plan = await planVscodessh(host, { options, global, hostname });
    const { log, close } = await openVscodesshLog(host, plan.logDir);
    try {
      return await runSsh(host, { ...plan, command: "", name, progress, log });
    } catch (error) {
      log.error("command exit", { error: error instanceof Error ? error.message : String(error) });
      reportError(host, error, { command: name, verbose: plan.global.verbose });
      return exitCodeOf(error);
    } finally {
      await close();
    }
  },
});

/** Reads the files. Throws `UserError`. */
export async function planVscodessh(host: Host, call: VscodesshCall): Promise<VscodesshPlan> {
  const { options: { sessionTokenFile, urlFile, logDir, ...options }, global, hostname } = call;
  if (options.networkInfoDir === "") throw new UserError("network-info-dir must be specified");
  if (sessionTokenFile === "") throw new UserError("session-token-file must be specified");
  if (urlFile === "") throw new UserError("url-file must be specified");
  const token = checkToken(
    await readSetting(host, { what: "session token", path: sessionTokenFile }),
    goQuote(sessionTokenFile),
  );
  const url = await readSetting(host, { what: "url", path: urlFile });
  return {
    // The files alone say where to and as whom.
    global: {
      ...global,
      token,
      url,
      context: "",
      isFolderFixed: true,
      fromEnvironment: new Set(),
    },
    workspace: parseEditorHost(hostname, parseDeploymentUrl(url).hostname),
    logDir,
    options: {
      // Variables of `ssh` mean nothing here.
      ...defaultSshOptions(),
      ...options,
      stdio: true,
      disableAutostart: true,
      usageApp: "vscode",
    },
  };
}

/** An empty file must not make us fall back to other credentials than those handed over. */
async function readSetting(
  host: Host,
  { what, path }: { readonly what: string; readonly path: string },
): Promise<string> {
  let text: string | undefined;
  try {
    text = await host.files.readText(path);
  } catch (cause) {
    if (!(cause instanceof HostError)) throw cause;
    throw new UserError(`read ${what}: ${cause.message}`, { cause });
  }
  if (text === undefined) {
    throw new UserError(`read ${what}: open ${path}: no such file or directory`);
  }
  if (text.trim() === "") throw new UserError(`read ${what}: ${path} is empty`);
  return text.trim();
}

/** The log on stderr, and in `<dir>/<parent pid>.log` when there is a folder, both with every detail. */
export async function openVscodesshLog(
  host: Host,
  logDir: string,
): Promise<{ readonly log: Log; close(): Promise<void> }> {
  const verbose = true;
  const onStderr = lineLog({ host, print: (line) => printText(host.stderr, line), verbose });
  if (logDir === "") return { log: onStderr, close: () => Promise.resolve() };
  const fileName = `${host.parentPid}.log`;
  const file: LogFile = await openLogFile(host, { dir: logDir, stdio: true, verbose, fileName });
  return { log: teeLog([onStderr, file.log]), close: () => file.close() };
}
