/**
 * `vscodessh`, hidden: how old editor extensions call the official command (behaviour §2.14). It is `ssh --stdio` with the
 * deployment and the token in files, a host name for the workspace, and a log that the extension reads.
 */
import { UserError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { goList, goQuote } from "../../coder/text.ts";
import { parseDeploymentUrl } from "../../coder/url.ts";
import { parseArgs, ParsedArgs } from "../grammar/args.ts";
import { choiceFlag, durationFlag, pathFlag } from "../grammar/flag.ts";
import { GLOBAL_FLAGS, type GlobalOptions, readGlobalOptions } from "../grammar/flags_global.ts";
import { readSshOptions, type SshOptions } from "../grammar/flags_ssh.ts";
import { renderHelp } from "../grammar/help.ts";
import { type Host, HostError } from "../../base/host.ts";
import { lineLog, type LogFile, openLogFile } from "../terminal/log_file.ts";
import { Progress } from "../terminal/progress.ts";
import { exitCodeOf, reportError } from "../terminal/report_error.ts";
import { checkToken } from "../config/token.ts";
import { runSsh } from "../session/ssh_run.ts";
import { parseEditorHost } from "../ready/editor_host.ts";
import { teeLog } from "../terminal/timeline.ts";

const COMMAND = "hawser vscodessh";

const VSCODESSH = {
  sessionTokenFile: pathFlag({
    name: "session-token-file",
    help: "File with the session token.",
  }),
  urlFile: pathFlag({ name: "url-file", help: "File with the URL of the Coder deployment." }),
  networkInfoDir: pathFlag({
    name: "network-info-dir",
    help: "Folder that a file with connection statistics is written to.",
  }),
  networkInfoInterval: durationFlag({
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

const FLAGS = [...Object.values(VSCODESSH), ...GLOBAL_FLAGS];

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

/** Runs the command; its exit code. Throws `UserError` for arguments that are wrong, tells all else itself. */
export async function run(args: readonly string[], host: Host): Promise<number> {
  const plan = await planVscodessh(host, args);
  if (plan === "help") {
    const page = vscodesshHelp(host.stdout.size()?.columns ?? 100);
    await host.stdout.write(new TextEncoder().encode(page));
    return 0;
  }
  const { log, close } = await openVscodesshLog(host, plan.logDir);
  try {
    const progress = new Progress(host);
    return await runSsh(host, { ...plan, command: "", name: COMMAND, progress, log });
  } catch (error) {
    log.error("command exit", { error: error instanceof Error ? error.message : String(error) });
    reportError(host, error, { command: COMMAND, verbose: plan.global.verbose });
    return exitCodeOf(error);
  } finally {
    await close();
  }
}

/** Reads arguments and files; `"help"` when that was asked for. Throws `UserError`. */
export async function planVscodessh(
  host: Host,
  args: readonly string[],
): Promise<VscodesshPlan | "help"> {
  const shown = ["vscodessh", ...args];
  const env = (name: string) => host.env(name);
  const parsed = parseArgs(args, { flags: FLAGS, env, command: COMMAND, shown });
  const global = readGlobalOptions(parsed);
  if (global.help) return "help";
  const { positionals } = parsed;
  if (positionals.length !== 1) {
    throw new UserError(`wanted 1 args but got ${positionals.length} ${goList(positionals)}`);
  }
  const networkInfoDir = parsed.value(VSCODESSH.networkInfoDir);
  const tokenFile = parsed.value(VSCODESSH.sessionTokenFile);
  const urlFile = parsed.value(VSCODESSH.urlFile);
  if (networkInfoDir === "") throw new UserError("network-info-dir must be specified");
  if (tokenFile === "") throw new UserError("session-token-file must be specified");
  if (urlFile === "") throw new UserError("url-file must be specified");
  const token = checkToken(
    await readSetting(host, { what: "session token", path: tokenFile }),
    goQuote(tokenFile),
  );
  const url = await readSetting(host, { what: "url", path: urlFile });
  return {
    global: { ...global, token, url },
    workspace: parseEditorHost(positionals[0] ?? "", parseDeploymentUrl(url).hostname),
    logDir: parsed.value(VSCODESSH.logDir),
    options: {
      // Variables of `ssh` mean nothing here.
      ...readSshOptions(new ParsedArgs([], new Map())),
      stdio: true,
      disableAutostart: true,
      usageApp: "vscode",
      wait: parsed.value(VSCODESSH.wait),
      networkInfoDir,
      networkInfoIntervalMs: parsed.value(VSCODESSH.networkInfoInterval),
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
  const onStderr = lineLog({ host, print: (line) => host.stderr.print(line), verbose });
  if (logDir === "") return { log: onStderr, close: () => Promise.resolve() };
  const fileName = `${host.parentPid}.log`;
  const file: LogFile = await openLogFile(host, { dir: logDir, stdio: true, verbose, fileName });
  return { log: teeLog([onStderr, file.log]), close: () => file.close() };
}

/** The page of `--help`. */
export function vscodesshHelp(columns: number): string {
  return renderHelp({
    usage: "hawser vscodessh [flags] <coder-vscode--<owner>--<workspace>--<agent?>>",
    summary: "Carries raw SSH for old editor extensions.",
    flags: Object.values(VSCODESSH),
    globalFlags: GLOBAL_FLAGS,
  }, columns);
}
