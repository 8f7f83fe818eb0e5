/** Where host keys are remembered, and what is said about them; the rules are `ssh/host_keys.ts`'s. */
import type { Host } from "../../base/host.ts";
import { joinPath } from "../../base/paths.ts";
import type { HostKeyPlace } from "../../ssh/host_keys.ts";
import type { Configuration } from "../config/config.ts";
import type { SshOptions } from "../grammar/flags_ssh.ts";
import type { Connected } from "../ready/connect.ts";
import type { Steps } from "../ready/steps.ts";

const FILE_NAME = "hawser_known_hosts";

/** Decides on the agent's key by `--host-key-check` and `--known-hosts`. */
export function hostKeyVerifier(
  steps: Steps,
  { target }: Connected,
  session: {
    readonly options: Pick<SshOptions, "hostKeyCheck" | "knownHosts">;
    readonly configuration: Configuration;
  },
): (key: Uint8Array) => Promise<void> {
  const { host, progress, log } = steps;
  const { options, configuration } = session;
  const { workspace, agent } = target;
  // `--stdio` never comes here; a session loads this while the key is on its way.
  const rules = Promise.all([
    import("../../ssh/host_keys.ts"),
    import("../../ssh/host_key_names.ts"),
  ]);
  rules.catch(() => {}); // told below
  return async (key) => {
    const [{ createHostKeyVerifier }, { hostKeyComment, hostKeyNames }] = await rules;
    const subject = {
      workspaceId: workspace.id,
      agent: agent.name,
      workspace: workspace.name,
      owner: workspace.ownerName,
      deployment: configuration.url.host,
    };
    const verify = createHostKeyVerifier({
      names: hostKeyNames(subject),
      comment: hostKeyComment(subject),
      place: hostKeyPlace(host, { dir: configuration.dir, knownHosts: options.knownHosts }),
      policy: options.hostKeyCheck,
      agentVersion: agent.version === "" ? undefined : agent.version,
      files: host.files,
      warn: (text) => text.split("\n").forEach((line) => progress.line(line)),
      tell: (text) => log.info(text),
    });
    await verify(key);
  };
}

/**
 * The file that was named, or ours in the configuration folder. Without a folder there are no pins: a place that others can
 * write to, such as that of temporary files, would let them decide which key is right.
 */
export function hostKeyPlace(
  host: Pick<Host, "os">,
  options: { readonly dir: string | undefined; readonly knownHosts: string },
): HostKeyPlace {
  const { dir, knownHosts } = options;
  // As ssh_config(5) `UserKnownHostsFile` has it.
  if (knownHosts === "none") {
    return { kind: "nowhere", why: "", hint: "--known-hosts is none: name a file" };
  }
  if (knownHosts !== "") {
    return { kind: "file", path: knownHosts, folder: folderOf(knownHosts), isNamed: true };
  }
  if (dir === undefined) {
    const variable = host.os === "windows" ? "APPDATA" : "HOME";
    return {
      kind: "nowhere",
      why: "Host keys are not remembered: no home folder is known",
      hint: `Set ${variable} or CODER_CONFIG_DIR, or name a file with --known-hosts`,
    };
  }
  return { kind: "file", path: joinPath(host.os, dir, FILE_NAME), folder: dir };
}

function folderOf(path: string): string | undefined {
  const at = Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\"));
  return at > 0 ? path.slice(0, at) : undefined;
}
