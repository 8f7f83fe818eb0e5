/** `logout`: ends the session at the deployment and forgets it here (docs/protocol/ssh.md#login). */
import { ExpectedError, UserError } from "../../base/errors.ts";
import type { Host } from "../../base/host.ts";
import { endSession } from "../../coder/account.ts";
import { describe } from "../../coder/errors.ts";
import { isSameDeployment } from "../../coder/origin.ts";
import { accountClient } from "../account/clients.ts";
import { type Configuration, readConfiguration } from "../config/config.ts";
import { readConfigFile } from "../config/folder.ts";
import { usesKeyring } from "../config/keyring.ts";
import { removeFromKeyring } from "../config/keyring_changes.ts";
import { forgetLogin } from "../config/saved_login.ts";
import { sharedFolders } from "../ready/sharing.ts";
import { switchFlag } from "../grammar/flag.ts";
import { agree } from "../terminal/confirm.ts";
import { writeText } from "../terminal/print.ts";
import { defineCommand, type Invocation } from "./command.ts";

const DONE = "  You are no longer logged in. You can log in using 'hawser login <url>'.";

export const command = defineCommand({
  name: "logout",
  usage: "[flags]",
  summary: "End the session and forget it.",
  description: "Ends the session at the deployment, and forgets URL and token here.",
  examples: [
    { line: "hawser logout", does: "After a question" },
    { line: "hawser logout --yes", does: "Without one, in a script" },
  ],
  flags: { yes: switchFlag({ name: "yes", shorthand: "y", help: "Ask nothing." }) },
  positionals: { min: 0, max: 0 },
  async run({ yes }, invocation) {
    const { host, global } = invocation;
    const configuration = await readConfiguration(host, global);
    if (!yes) await agree(host, "Are you sure you want to log out?");
    const failures = [
      ...await endAt(invocation, configuration),
      ...await forget(invocation, configuration),
    ];
    const { url, token } = configuration;
    if (token !== undefined) {
      // Tunnels that were left to later runs end with the login that they belong to.
      await host.tunnels.dismiss({ deployment: url, token, folders: sharedFolders(host) });
    }
    if (failures.length > 0) {
      throw new UserError("Failed to log out.", { details: failures.map((line) => `\t${line}`) });
    }
    await writeText(host.stdout, `${DONE}\n`);
    return 0;
  },
});

async function endAt(invocation: Invocation, configuration: Configuration): Promise<string[]> {
  const client = accountClient(invocation, configuration);
  try {
    await invocation.progress.during("Ending the session", () => endSession(client));
    return [];
  } catch (error) {
    // Told with the rest: what is kept here goes whatever the deployment says.
    if (!(error instanceof ExpectedError)) throw error;
    return [`logout api: ${describe(error)}`];
  }
}

/** What is kept for another deployment than the one that was left stays. */
async function forget(
  { host, global: { useKeyring } }: Invocation,
  { dir, url }: Configuration,
): Promise<string[]> {
  if (dir === undefined) return [];
  const failures = usesKeyring(host, { dir, useKeyring })
    ? await forgetInKeyring(host, dir, url)
    : [];
  const saved = URL.parse(await readConfigFile(host, dir, "url"));
  if (saved !== null && !isSameDeployment(saved, url)) return failures;
  return [...failures, ...await forgetLogin(host, dir)];
}

/** A store that may not be used has nothing of ours. */
async function forgetInKeyring(host: Host, dir: string, url: URL): Promise<string[]> {
  try {
    await removeFromKeyring(host, dir, url);
    return [];
  } catch (error) {
    if (!(error instanceof ExpectedError)) throw error;
    return [`remove session token: ${describe(error)}`];
  }
}
