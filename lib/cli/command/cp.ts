/** `cp`: files and folders between this machine and a workspace, over SFTP. Ours: the official command has none. */
import { UserError } from "../../base/errors.ts";
import type { TunnelSilence } from "../../base/tunnel.ts";
import { findCause } from "../../coder/errors.ts";
import { connectSsh } from "../../ssh/connection.ts";
import { SshLostError } from "../../ssh/ends.ts";
import type { RemoteFiles } from "../../ssh/remote_files.ts";
import { AGENT_SSH_PORT } from "../../tailnet/agent_ports.ts";
import { switchFlag } from "../grammar/flag.ts";
import { sharesTunnel } from "../grammar/flags_global.ts";
import { SSH } from "../grammar/flags_ssh.ts";
import { connect, openAgentPort } from "../ready/connect.ts";
import { Copier, type CopyTotals, type FileSide, sizeText } from "../session/copy/copier.ts";
import { type CopyPlan, nameOf, planCopy } from "../session/copy/places.ts";
import { localSide, remoteSide } from "../session/copy/sides.ts";
import { hostKeyVerifier } from "../session/host_key.ts";
import { sayingSilences } from "../session/silence_wait.ts";
import { lossWithSilence } from "../session/silence_words.ts";
import { ExitError } from "../terminal/errors.ts";
import { withClient } from "../workspace/surroundings.ts";
import { defineCommand } from "./command.ts";

export const command = defineCommand({
  name: "cp",
  usage: "[flags] <from>… <to>",
  summary: "Copy files and folders between a workspace and this machine.",
  description: "Copies files and folders between a workspace and this machine, folders with all " +
    "that is in them. What is the workspace's is written workspace:path; relative paths begin in the " +
    "home folder there. A file stands under its name when all of it has arrived and its checksum is " +
    "right; a copy that was interrupted is gone on with.",
  examples: [
    { line: "hawser cp dev:project/report.pdf .", does: "A file from there" },
    { line: "hawser cp -r photos dev:", does: "A folder to there, with all that is in it" },
    { line: "hawser cp a.txt b.txt dev:project/", does: "Several" },
  ],
  flags: {
    recursive: switchFlag({
      name: "recursive",
      shorthand: "r",
      help: "Accepted as scp has it: folders are copied with all that is in them in any case.",
    }),
    disableAutostart: SSH.disableAutostart,
    hostKeyCheck: SSH.hostKeyCheck,
    knownHosts: SSH.knownHosts,
  },
  positionals: { min: 2, complete: "copies" },
  run: (flags, asking) =>
    withClient(asking, async ({ configuration, steps, interrupt }) => {
      const { args, host, global, name, progress } = asking;
      const plan = planCopy(args, host.os);
      const { signal } = steps;
      try {
        await using connected = await connect(steps, {
          configuration,
          command: name,
          input: plan.workspace,
          hostPrefix: "",
          hostnameSuffix: "",
          disableAutostart: flags.disableAutostart,
          wait: "no",
          noVersionWarning: global.noVersionWarning,
          noFeatureWarning: global.noFeatureWarning,
          disablesDirect: global.disableDirectConnections,
          sharesTunnel: sharesTunnel(global),
        });
        const stream = await openAgentPort(steps, connected.tunnel, {
          port: AGENT_SSH_PORT,
          signal,
        });
        await using connection = await connectSsh(stream, {
          clock: host.clock,
          verifyHostKey: hostKeyVerifier(steps, connected, { options: flags, configuration }),
          signal,
        });
        await using _saying = sayingSilences(steps, {
          tunnel: connected.tunnel,
          workspace: connected.target.workspace.name,
        });
        try {
          using files = await connection.openFiles();
          const there = remoteSide(connection, files);
          const here = localSide(await host.fileTree());
          const isDownload = plan.direction === "download";
          const copyHost = {
            from: isDownload ? there : here,
            to: isDownload ? here : there,
            toOs: isDownload ? host.os : connected.agent.operatingSystem,
            now: () => host.clock.now(),
            say: (line: string) => progress.line(line),
          };
          const totals = await progress.during("Copying", async (wait) => {
            const copier = new Copier(copyHost, wait);
            for (const [from, to] of await pathsOf(plan, copyHost.to, { files, os: host.os })) {
              await copier.copy(from, to);
            }
            return copier.totals;
          });
          progress.line(summaryOf(totals));
          return totals.skipped === 0 ? 0 : 1;
        } catch (error) {
          throw lossOf(error, connected.tunnel.silence());
        }
      } catch (error) {
        if (interrupt.exitCode !== undefined) throw new ExitError(interrupt.exitCode);
        throw error;
      }
    }),
});

/** What is told of a copy whose connection was lost; else the error as it is. */
function lossOf(error: unknown, silence: TunnelSilence | undefined): unknown {
  const lost = findCause(error, SshLostError);
  if (lost === undefined) return error;
  const why = lossWithSilence(lost.hint ?? "", silence);
  const hint = `${why}; the same command goes on with what has arrived`;
  return new SshLostError(lost.message, { cause: error, hint });
}

const SLASH = /\//;
const ANY_SLASH = /[/\\]/;

/** Whole paths, from and to. Into a folder that is there, each goes under its own name. */
async function pathsOf(
  { direction, from, to }: CopyPlan,
  target: FileSide,
  { files, os }: { readonly files: RemoteFiles; readonly os: string },
): Promise<readonly (readonly [string, string])[]> {
  const isDownload = direction === "download";
  const here = os === "windows" ? ANY_SLASH : SLASH;
  const home = await files.realPath(".");
  const absolute = (path: string) => absoluteThere(path, home);
  const end = (isDownload ? to : absolute(to)).replace(/(?<=[^/])\/$/, "");
  const isFolder = (await target.stat(end))?.kind === "folder";
  if (!isFolder && (from.length > 1 || /[/\\]$/.test(to))) {
    throw new UserError(`${to}: no such folder`, { hint: "Make it first, or name a file" });
  }
  return from.map((path) => {
    const whole = isDownload ? absolute(path) : path;
    const name = isFolder ? `/${nameOf(whole, isDownload ? SLASH : here)}` : "";
    return [whole, `${end === "/" ? "" : end}${name}`] as const;
  });
}

function absoluteThere(path: string, home: string): string {
  if (path === "." || path === "~") return home;
  const relative = path.startsWith("~/") ? path.slice(2) : path;
  return /^(?:\/|[A-Za-z]:[/\\])/.test(relative) ? relative : `${home}/${relative}`;
}

function summaryOf({ files, bytes, unchecked, skipped }: CopyTotals): string {
  const what = `${files} ${files === 1 ? "file" : "files"}, ${sizeText(bytes)}`;
  const checked = unchecked === 0 ? "" : `; no checksum could be had for ${unchecked}`;
  return `Copied ${what}${checked}${skipped === 0 ? "" : `; left out ${skipped}`}`;
}
