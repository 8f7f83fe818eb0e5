/**
 * `hawser ssh --stdio` beside the calls that the official commands of v0.24.0 and v2.5.1 made for the same, where the recordings are at
 * hand: it asks servers of that age nothing that they were never asked, and in an order that they know.
 */
import { deepStrictEqual, ok } from "node:assert/strict";
import { captureText } from "../support/captures.ts";
import { commandTest } from "./support.ts";

const UUID = /[0-9a-f]{8}-[0-9a-f-]{27}/g;
/** What hawser asks besides, and is refused where there is no such route: later commands ask it. */
const OURS: ReadonlySet<string> = new Set([
  "GET /api/v2/appearance",
  "GET /api/v2/derp-map",
  "POST /api/v2/workspaces/{id}/usage",
]);

/** `METHOD path`, of the lines of a recording: seconds, connection, method, path, and perhaps what it was upgraded to. */
function callsOf(recording: string): string[] {
  return recording.trim().split("\n").map((line) => {
    const [, , method, path = ""] = line.trim().split(/\s+/);
    return `${method} ${path.split("?")[0]}`;
  });
}

/** What must be known before the next can be asked. */
const ORDER = [
  "GET /api/v2/users/me/workspace/{name}",
  "GET /api/v2/workspaceagents/{id}/connection",
  "GET /api/v2/workspaceagents/{id}/coordinate",
];

for (const version of ["v0.24.0", "v2.5.1"]) {
  const recording = captureText(`coder-${version}/cli/ssh-stdio-http-calls.txt`);
  if (recording === undefined) {
    Deno.test({
      name: `${version}: calls of --stdio [skipped: no recordings beside the repository]`,
      ignore: true,
      fn: () => {},
    });
    continue;
  }
  commandTest(`${version}: --stdio asks what the official command asked`, async (desk) => {
    const { api } = desk.sandbox;
    const { code, stdout } = await desk.run(["--stdio", "myworkspace"], { stdin: "" });
    deepStrictEqual([code, stdout], [0, "SSH-2.0-Go\r\n"]);
    const ours = api.requests.map(({ method, target }) => {
      const path = target.split("?")[0] ?? "";
      return `${method} ${
        path.replace("/workspace/myworkspace", "/workspace/{name}").replaceAll(UUID, "{id}")
      }`;
    });
    const theirs = new Set(
      callsOf(recording).map((call) => call.replace("/workspace/dev", "/workspace/{name}")),
    );
    const strange = ours.filter((call) => !theirs.has(call) && !OURS.has(call));
    deepStrictEqual(strange, []);
    for (const [at, call] of ORDER.entries()) {
      ok(ours.includes(call), call);
      const next = ORDER[at + 1];
      if (next !== undefined) ok(ours.indexOf(call) < ours.indexOf(next), `${call}, ${next}`);
    }
  }, { settings: { version } });
}
