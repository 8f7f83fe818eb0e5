/** `hawser ssh`: the stand-in for `coder ssh`. What it is called with; the course of it is `session/ssh_run.ts`. */
import { GLOBAL } from "../grammar/flags_global.ts";
import { readSshOptions, SSH } from "../grammar/flags_ssh.ts";
import { settlePersist } from "../session/persist/check.ts";
import { checkSshOptions } from "../session/ssh_checks.ts";
import { settleWebTerminal } from "../session/web_terminal/check.ts";
import { runSsh } from "../session/ssh_run.ts";
import { logDirOf, openLogFile } from "../terminal/log_file.ts";
import { exitCodeOf, reportError } from "../terminal/report_error.ts";
import { teeLog, timelineLog } from "../terminal/timeline.ts";
import { defineCommand } from "./command.ts";

export const command = defineCommand({
  name: "ssh",
  usage: "[flags] <workspace> [command]",
  summary: "Open a shell, run a command, or carry SSH in a workspace.",
  description: "Open a shell in a workspace, run a command there, or carry SSH for OpenSSH, git, " +
    "rsync and editors. A stopped workspace is started.",
  examples: [
    { line: "hawser ssh dev", does: "A shell in the workspace dev" },
    { line: "hawser ssh", does: "The same, picked from a list" },
    { line: "hawser ssh owner/dev.main make test", does: "A command in one of several agents" },
    { line: "hawser ssh dev -- ls -la", does: "A command with flags of its own" },
    { line: "hawser ssh dev cat file >file", does: "A file from there" },
    { line: "ssh -o ProxyCommand='hawser ssh --stdio dev' dev", does: "OpenSSH through hawser" },
    { line: "hawser ssh -N -L 8080:localhost:80 dev", does: "A port of the workspace here" },
    { line: "hawser ssh -R 9000:localhost:9000 dev", does: "A port of this machine there" },
    { line: "hawser ssh --persist dev", does: "A shell that outlives the connection" },
    { line: "hawser ssh --web-terminal dev", does: "A shell where the API alone is let through" },
    { line: "hawser ssh -v dev true", does: "Each step with its time, when something is slow" },
  ],
  flags: SSH,
  positionals: { min: 0, complete: "workspaces" },
  async run(_, { host, name, global, args, progress, parsed }) {
    const [workspace, ...words] = args;
    const asked = readSshOptions(parsed);
    const kept = settlePersist(asked, {
      command: words.join(" "),
      isTerminal: host.stdin.isTerminal,
    });
    const options = settleWebTerminal(kept, {
      command: words.join(" "),
      isTerminal: host.stdin.isTerminal && host.stdout.isTerminal,
    });
    checkSshOptions(options);
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
    // What an SSH configuration says of a folder is not for whichever context is in use today.
    const isFixed = options.stdio && parsed.source(GLOBAL.configDir) === "flag" &&
      parsed.source(GLOBAL.context) !== "flag";
    try {
      const plan = {
        global: isFixed ? { ...global, context: "", isFolderFixed: true } : global,
        options,
        workspace,
        command: words.join(" "),
        name,
      };
      return await runSsh(host, { ...plan, progress, log });
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      logFile?.log.error("command exit", { error: message });
      reportError(host, error, { command: name, verbose });
      return exitCodeOf(error);
    } finally {
      await logFile?.close();
    }
  },
});
