/** Handing a link to the desktop, or printing it where there is none. */
import { type Host, HostError } from "../../base/host.ts";
import { stripToLine } from "../../coder/text.ts";
import type { Progress } from "../terminal/progress.ts";
import { writeText } from "../terminal/print.ts";

const LIMIT_MS = 15_000;

export interface Opening {
  readonly url: string;
  /** As it is said: `dev.main in VS Code Desktop`. */
  readonly what: string;
  /** The link is not for the desktop, or holds what no argument of a program may. */
  readonly onlyPrints: boolean;
  readonly signal: AbortSignal;
}

/** Opens it; prints it on standard output when that cannot be done. */
export async function openLink(host: Host, progress: Progress, opening: Opening): Promise<void> {
  const { url, what, onlyPrints, signal } = opening;
  if (host.env("CODER") === "true") {
    progress.line(
      `Opening ${what} is not supported inside a workspace, please open the following URI on your local ` +
        "machine instead:",
    );
  } else if (onlyPrints) {
    progress.line(`Open ${what} with the following URI:`);
  } else {
    progress.line(`Opening ${what}`);
    const problem = await tryToOpen(host, url, signal);
    if (problem === undefined) return;
    progress.line(`Could not automatically open ${what}: ${problem}`);
    progress.line("Please open the following URI instead:");
  }
  progress.line("");
  await writeText(host.stdout, `${stripToLine(url)}\n`);
}

/** Why not; `undefined` when it was taken. */
async function tryToOpen(
  host: Host,
  url: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const opener = openerOf(host);
  if (opener === undefined) return "there is no desktop";
  const [program, ...args] = opener;
  const limit = new AbortController();
  const done = new AbortController();
  const watchdog = host.clock.sleep(LIMIT_MS, done.signal).then(() => limit.abort(), () => {}); // it ended first
  try {
    const { code } = await host.run(program, [...args, url], {
      signal: AbortSignal.any([signal, limit.signal]),
    });
    return code === 0 ? undefined : `${program} ended with ${code}`;
  } catch (error) {
    if (signal.aborted) throw error;
    if (limit.signal.aborted) return `${program} does not end`;
    if (!(error instanceof HostError)) throw error;
    return error.message;
  } finally {
    done.abort();
    await watchdog;
  }
}

function openerOf(host: Host): [string, ...string[]] | undefined {
  switch (host.os) {
    case "darwin":
      return ["/usr/bin/open"];
    case "windows":
      return ["rundll32.exe", "url.dll,FileProtocolHandler"];
    default: {
      const hasDesktop = Boolean(host.env("DISPLAY") || host.env("WAYLAND_DISPLAY"));
      return hasDesktop ? ["xdg-open"] : undefined;
    }
  }
}
