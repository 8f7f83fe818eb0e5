/** `login token`: the session token, for scripts. The one command that prints it. */
import { UserError } from "../../base/errors.ts";
import { readConfiguration } from "../config/config.ts";
import { writeText } from "../terminal/print.ts";
import { defineCommand } from "./command.ts";

export const command = defineCommand({
  name: "login token",
  usage: "",
  summary: "Print the session token.",
  description: "Prints the session token that was kept at login, for scripts and other programs.",
  examples: [
    { line: "hawser login token", does: "As the value of a header, Coder-Session-Token, say" },
  ],
  flags: {},
  positionals: { min: 0, max: 0 },
  async run(_, { host, global }) {
    // The one that was kept, whatever the environment says.
    const { token } = await readConfiguration(host, { ...global, token: "" });
    if (token === undefined) {
      throw new UserError("no session token found - run 'hawser login' first", {
        hint: "A login that 'coder login' made does as well",
      });
    }
    await writeText(host.stdout, `${token}\n`);
    return 0;
  },
});
