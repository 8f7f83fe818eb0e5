/** Showing a page in the user's browser, in whichever way the system has for that. */
import { type Host, HostError } from "../../base/host.ts";

/** A program that runs longer than this has shown the page, and is perhaps the browser itself. */
const PATIENCE_MS = 3_000;
const MAX_OUTPUT_BYTES = 4_096;

type Words = readonly [program: string, ...args: string[]];

/** Whether some program took it; nobody is asked where nobody looks. `url` holds no secret: other users see arguments. */
export async function openBrowser(host: Host, url: string): Promise<boolean> {
  for (const [program, ...args] of await openers(host, url)) {
    if (await isTaken(host, program, args)) return true;
  }
  return false;
}

async function openers(host: Host, url: string): Promise<readonly Words[]> {
  const { os } = host;
  if (os === "windows") return [["rundll32.exe", "url.dll,FileProtocolHandler", url]];
  const browser = host.env("BROWSER");
  if (await isWindowsBehind(host)) {
    return [["cmd.exe", "/c", "start", url.replaceAll(/[&|<>^]/g, (mark) => `^${mark}`)]];
  }
  // The variable may hold a command with arguments, so a shell reads it; the address is quoted for it.
  if (browser) return [["sh", "-c", `${browser} '${url.replaceAll("'", "%27")}'`]];
  if (os === "darwin") return [["open", url]];
  return ["xdg-open", "x-www-browser", "www-browser", "wslview"].map((name) => [name, url]);
}

/** Linux as a guest of Windows, whose browser it is. */
async function isWindowsBehind(host: Host): Promise<boolean> {
  if (host.os !== "linux") return false;
  try {
    return /microsoft/i.test(await host.files.readText("/proc/version") ?? "");
  } catch (error) {
    if (error instanceof HostError) return false;
    throw error;
  }
}

async function isTaken(host: Host, program: string, args: readonly string[]): Promise<boolean> {
  const done = new AbortController();
  const running = host.run(program, args, { maxOutputBytes: MAX_OUTPUT_BYTES }).then(
    ({ code }) => code === 0,
    (error) => {
      if (error instanceof HostError) return false;
      throw error;
    },
  );
  const patience = host.clock.sleep(PATIENCE_MS, done.signal).then(
    () => true,
    () => false, // the program ended first
  );
  try {
    return await Promise.race([running, patience]);
  } finally {
    done.abort();
    await patience;
  }
}
