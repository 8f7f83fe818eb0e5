/** The user's ssh_config on the disk: read as bytes, replaced as a whole, never half written. */
import { equalBytes } from "../../base/bytes.ts";
import { UserError } from "../../base/errors.ts";
import { type Host, HostError } from "../../base/host.ts";
import { joinPath } from "../../base/paths.ts";
import { goQuote } from "../../coder/text.ts";

/** No ssh_config is as large as this. */
const MAX_BYTES = 16 * 1024 * 1024;

export interface Replacement {
  /** What was read. */
  readonly from: Uint8Array;
  readonly to: Uint8Array;
  /** Puts what was read beside the file first. */
  readonly keepsOld: boolean;
}

export class SshConfigFile {
  /** As people know it. */
  readonly path: string;
  readonly #host: Host;

  /** Without a path the user's own. Throws `UserError` when there is no home folder to look in. */
  constructor(host: Host, path?: string) {
    this.#host = host;
    this.path = path ?? defaultPath(host);
  }

  /** Empty when there is none. Throws `UserError`. */
  async read(): Promise<Uint8Array> {
    try {
      const { files } = this.#host;
      return await files.readBytes(this.path, { maxBytes: MAX_BYTES }) ?? new Uint8Array();
    } catch (error) {
      throw told("read ssh config failed", error);
    }
  }

  /** Where the old one was put, if it was. Throws `UserError`; the file is as it was then. */
  async replace({ from, to, keepsOld }: Replacement): Promise<string | undefined> {
    // People edit while a question waits for its answer.
    if (!equalBytes(from, await this.read())) {
      throw new UserError(`${goQuote(this.path)} has changed meanwhile`, {
        hint: "Nothing was written. Run it again",
      });
    }
    const { files, os } = this.#host;
    const folder = folderOf(os, this.path);
    const backup = keepsOld ? `${this.path}.hawser-backup` : undefined;
    try {
      if (folder !== "") await files.mkdir(folder, { mode: 0o700 });
      if (backup !== undefined) await files.replaceBytes(backup, from, { followsLinks: false });
      await files.replaceBytes(this.path, to);
      return backup;
    } catch (error) {
      throw told("write ssh config failed", error);
    }
  }
}

function defaultPath(host: Host): string {
  // OpenSSH for Windows looks there, whatever a shell from Unix says.
  const profile = host.os === "windows" ? host.env("USERPROFILE") : undefined;
  const home = profile || host.homeDir;
  if (home === undefined) {
    throw new UserError("user home dir failed: no home folder is known", {
      hint: "Say where your SSH configuration is with --ssh-config-file",
    });
  }
  return joinPath(host.os, home, ".ssh", "config");
}

/** Empty for a file of the folder that we are in. */
function folderOf(os: string, path: string): string {
  const separators = os === "windows" ? ["/", "\\"] : ["/"];
  const at = Math.max(...separators.map((separator) => path.lastIndexOf(separator)));
  return at === 0 ? path.slice(0, 1) : path.slice(0, Math.max(at, 0));
}

function told(what: string, error: unknown): unknown {
  if (!(error instanceof HostError)) return error;
  return new UserError(`${what}: ${error.message}`, { cause: error });
}
