/**
 * Runs a command in a workspace and ends as it does:
 *   CODER_URL=… CODER_SESSION_TOKEN=… deno run -A --unstable-net examples/run_command.ts dev 'uname -a'
 */
import { openWorkspace } from "../lib/mod.ts";
import { deployment } from "./deployment.ts";

const [name = "", command = ""] = Deno.args;
await using workspace = await openWorkspace({ ...deployment(), workspace: { name } });
const { code, stdout, stderr } = await workspace.run(command);
await Deno.stdout.write(stdout);
await Deno.stderr.write(stderr);
Deno.exitCode = code ?? 1;
