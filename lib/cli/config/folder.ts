/** The configuration folder that the official command writes, and its files. */
import { UserError } from "../../base/errors.ts";
import { type Host, HostError } from "../../base/host.ts";
import { joinPath } from "../../base/paths.ts";
import { goQuote } from "../../coder/text.ts";

/** No address, token or name is as long as this; what is longer is some other file. */
const MAX_FILE_BYTES = 64 * 1024;

/** The folder named, or the system's default; `undefined` when there is no home folder to look in. */
export function configDir(
  host: Host,
  options: { readonly configDir: string },
): string | undefined {
  return options.configDir || defaultConfigDir(host);
}

/** `coderv2` where the system keeps configuration. */
export function defaultConfigDir(host: Host): string | undefined {
  const { os, homeDir } = host;
  if (os === "windows") {
    const appData = host.env("APPDATA");
    return appData ? joinPath(os, appData, "coderv2") : undefined;
  }
  if (os === "darwin") {
    if (homeDir === undefined) return undefined;
    return joinPath(os, homeDir, "Library", "Application Support", "coderv2");
  }
  const xdg = host.env("XDG_CONFIG_HOME");
  if (xdg) return joinPath(os, xdg, "coderv2");
  return homeDir === undefined ? undefined : joinPath(os, homeDir, ".config", "coderv2");
}

/** A file of the folder, surrounding space trimmed; empty when it is not there. */
export async function readConfigFile(
  host: Host,
  dir: string | undefined,
  name: string,
): Promise<string> {
  if (dir === undefined) return "";
  const path = joinPath(host.os, dir, name);
  try {
    const bytes = await host.files.readBytes(path, { maxBytes: MAX_FILE_BYTES });
    return bytes === undefined ? "" : new TextDecoder().decode(bytes).trim();
  } catch (cause) {
    if (!(cause instanceof HostError)) throw cause;
    throw new UserError(`Cannot read the configuration file ${goQuote(path)}: ${cause.message}`, {
      hint: "Make it readable, or set CODER_URL and CODER_SESSION_TOKEN instead",
      cause,
    });
  }
}
