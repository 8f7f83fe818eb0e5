/** What the other side says is shown and never obeyed: whole commands against a hostile workspace and deployment. */
import { deepStrictEqual, doesNotMatch, match, strictEqual } from "node:assert/strict";
import { failureAnswer } from "../../lib/sandbox/mod.ts";
import { freePort } from "../support/free_port.ts";
import { commandTest, type Desk, SHELL, TERMINAL } from "./support.ts";

/** Clears the screen, sets the title, writes the clipboard, turns the text round, and looks like lines of ours. */
const HOSTILE =
  "nope\x1b[2J\x1b]0;owned\x07\x1b]52;c;cm0gLXJmIH4K\x07\x9b31m\u202e\u200b\rerror: faked\nerror: forged";
const SHOWN = "nope error: faked error: forged";
// deno-lint-ignore no-control-regex -- it is what must not be there
const OBEYED = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u202e]/;
const FORGED = /^error: f/m;
/** Whoever listens there, the workspace refuses to say so. */
const NOWHERE = "127.0.0.1:1";
const REFUSING = {
  workspaces: [{ name: "myworkspace", agents: [{ ...SHELL, refusalText: HOSTILE }] }],
};

/** Asks a SOCKS5 proxy for a host (RFC 1928 §4) and reads to the end. */
async function askSocks(port: number, host: string): Promise<void> {
  using conn = await Deno.connect({ hostname: "127.0.0.1", port });
  const name = new TextEncoder().encode(host);
  await conn.write(new Uint8Array([5, 1, 0, 5, 1, 0, 3, name.length, ...name, 0, 1]));
  const buffer = new Uint8Array(64);
  while (await conn.read(buffer) !== null);
}

async function readToEnd(port: number): Promise<void> {
  using conn = await Deno.connect({ hostname: "127.0.0.1", port });
  while (await conn.read(new Uint8Array(64)) !== null);
}

commandTest("-L and -D: why the workspace refuses is shown and not obeyed", async (desk) => {
  const [local, socks] = [await freePort(), await freePort()];
  const flags = ["-v", "-L", `${local}:${NOWHERE}`, "-D", `${socks}`];
  await using run = desk.start([...flags, "myworkspace"], { terminal: TERMINAL });
  await run.stdout.waitFor(/[$#] $/);
  await readToEnd(local);
  await run.stderr.waitFor(`Cannot connect to ${NOWHERE} in the workspace: ${SHOWN}\n`);
  await askSocks(socks, "db.internal");
  await run.stderr.waitFor(`Cannot connect to db.internal:1 in the workspace: ${SHOWN}\n`);
  await run.type("\r~#");
  await run.stderr.waitFor(/connections are open:/);
  await run.type("exit\r");
  strictEqual((await run.result()).code, 0);
  const said = run.stderr.text.replaceAll("\r\x1b[K", ""); // the spinner erases itself
  doesNotMatch(said, OBEYED);
  doesNotMatch(said, FORGED);
}, REFUSING);

commandTest("-W: why the workspace refuses is shown and not obeyed", async (desk) => {
  const { code, stdout, stderr } = await desk.run(["-v", "-W", NOWHERE, "myworkspace"]);
  deepStrictEqual([code, stdout], [255, ""]);
  match(
    stderr,
    /^error: Cannot connect to 127\.0\.0\.1:1 in the workspace: nope\n {2}error: faked\n/m,
  );
  doesNotMatch(stderr, OBEYED);
  doesNotMatch(stderr, FORGED);
}, REFUSING);

commandTest("A hostile deployment: its words are shown and not obeyed", async (desk) => {
  const { api, workspace } = desk.sandbox;
  const routes = [
    "GET /users/{user}/workspace/{workspacename}",
    "GET /workspaceagents/{workspaceagent}",
    "GET /workspaceagents/{workspaceagent}/connection",
  ];
  for (const route of routes) {
    // An agent that is ready is not asked for by itself.
    workspace.agent().setStatus(route.endsWith("agent}") ? "connecting" : undefined);
    api.override(route, failureAnswer(400, HOSTILE, { detail: `x\n${HOSTILE}` }));
    for (const flags of [["-v"], ["--debug-http"]]) {
      const run = await desk.run([...flags, "myworkspace", "true"]);
      strictEqual(run.code, 1);
      match(run.stderr, /^nope$|: nope|nope error: faked/m, route);
      doesNotMatch(run.stderr, OBEYED, route);
      doesNotMatch(run.stderr, FORGED, route);
    }
    api.restore(route);
  }
});

/** What ends the start-up script. */
const scriptEnds = Promise.withResolvers<void>();

async function shownLogs(desk: Desk): Promise<string[]> {
  await using run = desk.start(["myworkspace", "true"], { stdin: "" });
  await run.stderr.waitFor("progress");
  scriptEnds.resolve();
  const { code, stderr } = await run.result();
  strictEqual(code, 0, stderr);
  doesNotMatch(stderr, OBEYED);
  return stderr.split("\n").filter((line) => /^\d{4}-/.test(line)).map((line) => line.slice(25));
}

commandTest("Logs of start-up scripts show what a terminal would leave", async (desk) => {
  const lines = await shownLogs(desk);
  deepStrictEqual(lines, [
    "Startup: Cloning Git repository...",
    "Startup: Starting Docker Daemon...",
    "Startup: Adding some 🧙magic🧙...",
    "Startup: 100  1475  100  1475    0     0   4238      0 --:--:-- --:--:-- --:--:--  4238",
    "Startup: 100%",
    "done",
    "Startup: link",
    "Startup: progress",
  ]);
}, {
  workspaces: [{
    name: "myworkspace",
    agents: [{
      ...SHELL,
      blocksLogin: true,
      startup: (agent) => {
        agent.log("\x1b[91mCloning Git repository...");
        agent.log("\x1b[2;37;41mStarting Docker Daemon...");
        agent.log("\x1b[1;95mAdding some 🧙magic🧙...");
        agent.log(
          "\r  0     0    0     0    0     0      0      0 --:--:-- --:--:-- --:--:--     0" +
            "\r100  1475  100  1475    0     0   4238      0 --:--:-- --:--:-- --:--:--  4238",
        );
        agent.log("10%\r20%\r100%\r\ndone");
        agent.log("\x1b]0;title\x07\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\");
        agent.log("\x1b[2K\x1b[1Gprogress");
        agent.log("noise", "debug");
        return scriptEnds.promise;
      },
    }],
  }],
});
