/** `hawser ssh`: the stand-in for `coder ssh`. Grammar, help, and the order in which the parts are put together. */
import { parseArgs } from "../args.ts";
import { createClient } from "../client.ts";
import { readConfiguration } from "../config.ts";
import { connect } from "../connect.ts";
import { GLOBAL_FLAGS, type GlobalOptions, readGlobalOptions } from "../flags_global.ts";
import { readSshOptions, SSH_FLAGS, type SshOptions } from "../flags_ssh.ts";
import { renderHelp } from "../help.ts";
import type { Host } from "../host.ts";
import { Interrupt } from "../interrupt.ts";
import { logDirOf, type LogFile, openLogFile } from "../log_file.ts";
import { pickWorkspace } from "../picker.ts";
import { Progress } from "../progress.ts";
import { exitCodeOf, reportError } from "../report_error.ts";
import { loadSsh2 } from "../../ssh/ssh2_client.ts";
import { checkSshOptions } from "../ssh_checks.ts";
import { runSession } from "../ssh_session.ts";
import { runStdio } from "../ssh_stdio.ts";
import { EarlyInput } from "../stdio_pipe.ts";
import { createSteps, type Steps } from "../steps.ts";
import { teeLog, timelineLog } from "../timeline.ts";
import { warnDeprecations } from "../warnings.ts";

const COMMAND = "hawser ssh";
const FLAGS = [...SSH_FLAGS, ...GLOBAL_FLAGS];

/** Prints the page of `--help`. */
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

/** Runs the command; its exit code. Reports its own failures. */
export async function run(args: readonly string[], host: Host): Promise<number> {
  const parsed = parseArgs(args, {
    flags: FLAGS,
    env: (name) => host.env(name),
    command: COMMAND,
    shown: ["ssh", ...args],
  });
  const global = readGlobalOptions(parsed);
  if (global.help) return await printHelp(host);
  const options = readSshOptions(parsed);
  checkSshOptions(options);
  const progress = new Progress(host, global.forceTty ? { isTerminal: true } : {});
  warnDeprecations(progress, parsed.deprecations(FLAGS));
  using interrupt = new Interrupt(host);
  // From the first instant: OpenSSH speaks first, and when it goes away nobody waits for a session.
  const input = options.stdio || options.stdioForward !== ""
    ? new EarlyInput(host.stdin)
    : undefined;
  const logFile = await openLog(host, options, global);
  const log = teeLog([
    ...(logFile === undefined ? [] : [logFile.log]),
    ...(global.verbose
      ? [timelineLog({ clock: host.clock, progress, startedAt: host.clock.now() })]
      : []),
  ]);
  try {
    return await runWith(
      { host, global, options, progress, interrupt, input, log },
      parsed.positionals,
    );
  } catch (error) {
    logFile?.log.error("command exit", {
      error: error instanceof Error ? error.message : String(error),
    });
    reportError(host, error, { command: COMMAND, verbose: global.verbose });
    return exitCodeOf(error);
  } finally {
    await logFile?.close();
  }
}

interface Surroundings {
  readonly host: Host;
  readonly global: GlobalOptions;
  readonly options: SshOptions;
  readonly progress: Progress;
  readonly interrupt: Interrupt;
  readonly input: EarlyInput | undefined;
  readonly log: Steps["log"];
}

/** Thrown to itself when OpenSSH went away while there was no session yet. */
class InputEnded extends Error {
  override name = "InputEnded";
}

async function runWith(around: Surroundings, words: readonly string[]): Promise<number> {
  const { host, global, options, progress, interrupt, input, log } = around;
  const [named, ...command] = words;
  // Loading SSH takes as long as reaching the workspace: both at once.
  if (input === undefined) loadSsh2().catch(() => {}); // told by the session, which loads it again
  let hasSession = false;
  input?.ended.then(() => {
    if (!hasSession) interrupt.cancel(new InputEnded());
  });
  try {
    const configuration = await readConfiguration(host, global, interrupt.signal);
    const client = createClient(host, { configuration, command: COMMAND, log: log.child("api") });
    if (global.disableDirectConnections) progress.line("Direct connections disabled.");
    const steps = createSteps({ host, client, progress, log, signal: interrupt.signal });
    const workspace = named ?? await pickWorkspace(steps, { stdio: input !== undefined });
    if (workspace === undefined) return 1;
    const connected = await connect(steps, {
      configuration,
      input: workspace,
      hostPrefix: options.sshHostPrefix,
      hostnameSuffix: options.hostnameSuffix,
      disableAutostart: options.disableAutostart,
      wait: options.wait,
      noVersionWarning: global.noVersionWarning,
      noFeatureWarning: global.noFeatureWarning,
    });
    hasSession = true;
    try {
      if (input !== undefined) return await runStdio(steps, connected, { options, input });
      return await runSession(steps, connected, { options, interrupt, command: command.join(" ") });
    } finally {
      await connected.tunnel.close();
    }
  } catch (error) {
    if (error instanceof InputEnded) return 0;
    throw error;
  }
}

async function openLog(
  host: Host,
  options: SshOptions,
  global: GlobalOptions,
): Promise<LogFile | undefined> {
  const dir = logDirOf(host, options);
  if (dir === undefined) return undefined;
  return await openLogFile(host, { dir, stdio: options.stdio, verbose: global.verbose });
}
