/**
 * Copies a file into a workspace over SFTP and reads it back:
 *   deno run -A --unstable-net examples/copy_file.ts dev notes.txt notes.txt
 */
import { openWorkspace } from "../lib/mod.ts";
import { deployment } from "./deployment.ts";

const [name = "", from = "", to = ""] = Deno.args;
await using workspace = await openWorkspace({ ...deployment(), workspace: { name } });
using files = await workspace.openFiles();
await files.write(to, await Deno.readFile(from));
const there = await files.read(to);
const line = `${to} has ${there.length} bytes in ${workspace.owner}/${name}.${workspace.agent}\n`;
await Deno.stdout.write(new TextEncoder().encode(line));
