/** `hawser ssh`: the stand-in for `coder ssh`. Its grammar and help; the course of it is `ssh_run.ts`. */
import { parseArgs } from "../grammar/args.ts";
import { completeNames, isCompletion } from "./complete_names.ts";
import { renderOptionSources } from "../config/debug_options.ts";
import { GLOBAL_FLAGS, readGlobalOptions } from "../grammar/flags_global.ts";
import { readSshOptions, SSH_FLAGS } from "../grammar/flags_ssh.ts";
import { renderHelp } from "../grammar/help.ts";
import type { Host } from "../../base/host.ts";
import { logDirOf, openLogFile } from "../terminal/log_file.ts";
import { Progress } from "../terminal/progress.ts";
import { exitCodeOf, reportError } from "../terminal/report_error.ts";
import { checkSshOptions } from "../session/ssh_checks.ts";
import { runSsh } from "../session/ssh_run.ts";
import { teeLog, timelineLog } from "../terminal/timeline.ts";
import { warnDeprecations } from "../ready/warnings.ts";

const COMMAND = "hawser ssh";
const FLAGS = [...SSH_FLAGS, ...GLOBAL_FLAGS];

/** Runs the command; its exit code. Throws `UserError` for arguments that are wrong, tells all else itself. */
export async function run(args: readonly string[], host: Host): Promise<number> {
  if (isCompletion(host)) {
    return await completeNames(args, host, { flags: SSH_FLAGS, command: COMMAND });
  }
  const env = (name: string) => host.env(name);
  const shown = ["ssh", ...args];
  const parsed = parseArgs(args, { flags: FLAGS, env, command: COMMAND, shown });
  const global = readGlobalOptions(parsed);
  if (global.help) return await printHelp(host);
  if (global.debugOptions) {
    await host.stdout.write(new TextEncoder().encode(renderOptionSources(parsed, SSH_FLAGS)));
    return 0;
  }
  const options = readSshOptions(parsed);
  checkSshOptions(options);
  const progress = new Progress(host, global.forceTty ? { isTerminal: true } : {});
  warnDeprecations(progress, parsed.deprecations(FLAGS));
  const dir = logDirOf(host, options);
  const { verbose } = global;
  const logFile = dir === undefined
    ? undefined
    : await openLogFile(host, { dir, stdio: options.stdio, verbose });
  // The real clock counts from the start of the process, and so do people.
  const timeline = { clock: host.clock, progress, startedAt: 0 };
  const log = teeLog([
    ...(logFile === undefined ? [] : [logFile.log]),
    // Editors give -v for the file's sake, and read what their ProxyCommand says on stderr.
    ...(verbose && !(options.stdio && logFile !== undefined) ? [timelineLog(timeline)] : []),
  ]);
  const [workspace, ...command] = parsed.positionals;
  try {
    const plan = { global, options, workspace, command: command.join(" "), name: COMMAND };
    return await runSsh(host, { ...plan, progress, log });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    logFile?.log.error("command exit", { error: message });
    reportError(host, error, { command: COMMAND, verbose });
    return exitCodeOf(error);
  } finally {
    await logFile?.close();
  }
}

async function printHelp(host: Host): Promise<number> {
  const page = renderHelp({
    usage: "hawser ssh [flags] <workspace> [command]",
    summary: "Open a shell in a workspace, run a command there, or carry SSH for OpenSSH, git, " +
      "rsync and editors. A stopped workspace is started.",
    examples: [
      { line: "hawser ssh dev", does: "A shell in the workspace dev" },
      { line: "hawser ssh dev.main make test", does: "A command in one of several agents" },
      { line: "ssh -o ProxyCommand='hawser ssh --stdio dev' dev", does: "OpenSSH through hawser" },
      { line: "hawser ssh -N -L 8080:localhost:80 dev", does: "A port of the workspace here" },
    ],
    flags: SSH_FLAGS,
    globalFlags: GLOBAL_FLAGS,
  }, host.stdout.size()?.columns ?? 100);
  await host.stdout.write(new TextEncoder().encode(page));
  return 0;
}
