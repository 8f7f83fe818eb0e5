/** Where host keys are remembered, and what is said about them; the rules are `ssh/host_keys.ts`'s. */
import { stripToLine } from "../../coder/text.ts";
import { createHostKeyVerifier, hostKeyName } from "../../ssh/host_keys.ts";
import { configDir } from "../config/config.ts";
import type { Configuration } from "../config/config.ts";
import type { Connected } from "../ready/connect.ts";
import type { SshOptions } from "../grammar/flags_ssh.ts";
import { joinPath } from "../../base/paths.ts";
import type { Steps } from "../ready/steps.ts";

const FILE_NAME = "hawser_known_hosts";

/** Decides on the agent's key by `--host-key-check` and `--known-hosts`. */
export function hostKeyVerifier(
  steps: Steps,
  { target }: Connected,
  session: { readonly options: SshOptions; readonly configuration: Configuration },
): (key: Uint8Array) => Promise<void> {
  const { host, progress, log } = steps;
  const { options, configuration } = session;
  const folder = configuration.dir ?? configDir(host, { configDir: "" }) ?? host.tempDir;
  const path = options.knownHosts === ""
    ? joinPath(host.os, folder, FILE_NAME)
    : options.knownHosts;
  return createHostKeyVerifier({
    name: hostKeyName({
      agent: target.agent.name,
      workspace: target.workspace.name,
      owner: target.workspace.ownerName,
      deployment: configuration.url.host,
    }),
    path,
    folder: folderOf(path) ?? folder,
    policy: options.hostKeyCheck,
    agentVersion: target.agent.version === "" ? undefined : target.agent.version,
    files: host.files,
    warn: (text) => progress.line(stripToLine(text)),
    tell: (text) => log.info(text),
  });
}

function folderOf(path: string): string | undefined {
  const at = Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\"));
  return at > 0 ? path.slice(0, at) : undefined;
}
