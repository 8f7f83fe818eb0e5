/** Deployments that are not what they should be: what is said of each, exactly (issues 3 and 4, Bad input). */
import { match, ok, strictEqual } from "node:assert/strict";
import { failureAnswer, type HttpAnswer, jsonAnswer, textAnswer } from "../../lib/sandbox/mod.ts";
import type { CommandOptions } from "../support/command_host.ts";
import { runToEnd } from "../support/command_host.ts";
import { HurryingClock } from "../support/hurrying_clock.ts";
import { commandTest, SHELL } from "./support.ts";
import { checkClean, checkFailure } from "./support_bad.ts";
import { freePort } from "../support/free_port.ts";

const BY_NAME = "GET /users/{user}/workspace/{workspacename}";
const TOO_LONG_BYTES = 100_000_000;
const FASTER = 25;
const SIGNED_OUT = [
  "error: You are signed out or your session has expired. Please sign in again to continue.",
  "Suggestion: Try logging in using 'hawser login'.",
];
const NOT_FOUND = "error: Resource not found or you do not have access to this resource";

const WRONG: readonly {
  readonly name: string;
  readonly args?: readonly string[];
  readonly options?: CommandOptions;
  /** `HOST` stands for the deployment's. */
  readonly lines: readonly string[];
}[] = [
  {
    name: "workspace",
    args: ["nosuch"],
    lines: [NOT_FOUND, 'Is there a workspace "nosuch" on HOST, and may you use it?'],
  },
  {
    name: "workspace with terminal escapes in its name",
    args: ["bad\u001b[31mname"],
    lines: [NOT_FOUND, 'Is there a workspace "bad\\x1b[31mname" on HOST, and may you use it?'],
  },
  {
    name: "workspace with line ends in its name",
    args: ["bad\r\nX: y"],
    lines: [NOT_FOUND, 'Is there a workspace "bad\\r\\nX: y" on HOST, and may you use it?'],
  },
  {
    name: "agent",
    args: ["myworkspace.nosuch"],
    lines: ['error: agent not found by name "nosuch", available agents: [dev]'],
  },
  { name: "token", options: { env: { CODER_SESSION_TOKEN: "bad" } }, lines: SIGNED_OUT },
  { name: "token: none", options: { env: { CODER_SESSION_TOKEN: "" } }, lines: SIGNED_OUT },
  {
    name: "URL: another scheme",
    options: { env: { CODER_URL: "ftp://x" } },
    lines: ['error: Cannot use URL "ftp://x": its scheme is "ftp", not http or https'],
  },
  {
    name: "URL: half a host",
    options: { env: { CODER_URL: "http://[::" } },
    lines: [
      'error: Cannot use URL "http://[::": it does not name a host',
      "Give the deployment's address, e.g. --url https://coder.example.com",
    ],
  },
  {
    name: "URL: a port that there is not",
    options: { env: { CODER_URL: "http://coder.example:99999/x" } },
    lines: [
      'error: Cannot use URL "http://coder.example:99999/x": its port is no number up to 65535',
      "Give the deployment's address, e.g. --url https://coder.example.com",
    ],
  },
  {
    name: "URL: a port that is a word",
    options: { env: { CODER_URL: "coder.example:https" } },
    lines: [
      'error: Cannot use URL "coder.example:https": its port is no number up to 65535',
      "Give the deployment's address, e.g. --url https://coder.example.com",
    ],
  },
  {
    name: "URL: of a file",
    options: { env: { CODER_URL: "file:///etc" } },
    lines: ['error: Cannot use URL "file:///etc": its scheme is "file", not http or https'],
  },
  {
    name: "URL: none",
    options: { env: { CODER_URL: "" } },
    lines: [
      "error: You are not logged in. Try logging in using 'hawser login <url>'.",
      "Or set CODER_URL and CODER_SESSION_TOKEN, or give --url and --token",
    ],
  },
  {
    name: "URL: none, and no home folder",
    options: { homeDir: null, env: { CODER_URL: "", CODER_CONFIG_DIR: "" } },
    lines: [
      "error: You are not logged in. Try logging in using 'hawser login <url>'.",
      "No home folder is known: set CODER_URL and CODER_SESSION_TOKEN, or CODER_CONFIG_DIR",
    ],
  },
];

for (const { name, args = ["myworkspace"], options = {}, lines } of WRONG) {
  commandTest(`Wrong ${name}`, async (desk) => {
    const { host } = desk.sandbox.url;
    const result = await desk.run(args, options);
    checkFailure(result, lines.map((line) => line.replace("HOST", host)));
  });
}

const ASKED = "GET <URL>api/v2/users/me/workspace/myworkspace?include_deleted=false";
const NOT_JSON = [
  `error: Cannot read the answer to ${ASKED}: it is not JSON`,
  "Is something between this machine and the deployment changing its answers?",
];
const NO_ID = [
  `error: Cannot use the answer to ${ASKED}: id is missing`,
  "The server may be older or newer than hawser knows, or no Coder deployment at all",
];
const MAY_YOU = 'Is there a workspace "myworkspace" on HOST, and may you use it?';

const ANSWERS: readonly {
  readonly name: string;
  readonly answer: () => HttpAnswer;
  readonly lines: readonly string[];
}[] = [
  {
    name: "a page of something else",
    answer: () => textAnswer(200, "<html>hello</html>", "text/html"),
    lines: NOT_JSON,
  },
  {
    name: "an error page with terminal escapes",
    answer: () => textAnswer(404, "<html>\u001b[31mnginx\u0007</html>", "text/html"),
    lines: ['error: unexpected non-JSON response "text/html"', "<html>nginx</html>", MAY_YOU],
  },
  { name: "nothing", answer: () => textAnswer(200, "", "application/json"), lines: NOT_JSON },
  { name: "half", answer: () => textAnswer(200, '{"id":', "application/json"), lines: NOT_JSON },
  { name: "no fields", answer: () => jsonAnswer({}), lines: NO_ID },
  { name: "a list", answer: () => jsonAnswer([]), lines: NO_ID },
  {
    name: "an error with terminal escapes",
    answer: () =>
      failureAnswer(400, "bad\u001b[31m\u0007 thing", { detail: "and\u001b]0;x\u0007 more" }),
    lines: ["error: bad thing", "and more", MAY_YOU],
  },
  {
    name: "100 MB",
    answer: () => textAnswer(200, " ".repeat(TOO_LONG_BYTES), "application/json"),
    lines: [
      `error: Cannot read the answer to ${ASKED}: it is longer than 8388608 bytes`,
      "Check that the URL is that of a Coder deployment",
    ],
  },
];

for (const { name, answer, lines } of ANSWERS) {
  commandTest(`The answer for a workspace is ${name}`, async (desk) => {
    const { api, url } = desk.sandbox;
    api.override(BY_NAME, answer());
    const result = await desk.run(["myworkspace", "true"]);
    checkFailure(
      result,
      lines.map((line) => line.replace("<URL>", url.href).replace("HOST", url.host)),
    );
  });
}

commandTest(
  "A server that accepts and says nothing is given up, with the waits told",
  async (desk) => {
    desk.sandbox.api.override(BY_NAME, { kind: "mute" });
    // Two seconds are not over before a busy machine looks.
    const clock = new HurryingClock(5);
    const result = await desk.run(["myworkspace"], { clock, keepsWaits: true });
    strictEqual(result.code, 1);
    checkClean(result);
    match(result.stderr, /^\.\.\. Looking for the workspace \(2s\)\n/);
    match(
      result.stderr,
      /no answer to GET \/api\/v2\/users\/me\/workspace\/myworkspace within 30s\n/,
    );
  },
);

Deno.test("Refused: three tries in five seconds, each told (issue 3)", async () => {
  const port = await freePort();
  const clock = new HurryingClock(FASTER);
  const startedAt = clock.now();
  const result = await runToEnd(["ssh", "ws"], {
    env: { CODER_URL: `http://127.0.0.1:${port}`, CODER_SESSION_TOKEN: "t" },
    clock,
  });
  strictEqual(result.code, 1);
  checkClean(result);
  ok(clock.now() - startedAt < 10_000, "it took too long");
  const told = result.stderr.split("\n").filter((line) => line.endsWith("; trying again in 2s"));
  strictEqual(told.length, 2, result.stderr);
  match(
    result.stderr,
    /error: Cannot reach http:\/\/127\.0\.0\.1:\d+: .*refused.*\nIs the deployment up, /,
  );
});

Deno.test("Something that is no HTTP server is told", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serving = (async () => {
    for await (const conn of listener) {
      await conn.read(new Uint8Array(1_024));
      await conn.write(new TextEncoder().encode("SSH-2.0-OpenSSH_9.6\r\n\u001b[31mnope\r\n"));
      conn.close();
    }
  })();
  const result = await runToEnd(["ssh", "ws"], {
    env: { CODER_URL: `http://127.0.0.1:${listener.addr.port}`, CODER_SESSION_TOKEN: "t" },
    clock: new HurryingClock(FASTER),
  });
  listener.close();
  await serving;
  strictEqual(result.code, 1);
  checkClean(result);
  match(result.stderr, /error: Cannot reach http:\/\/127\.0\.0\.1:\d+: /);
});

commandTest("Logs with terminal escapes reach the terminal without them", async (desk) => {
  const result = await desk.run(["myworkspace", "echo in"]);
  strictEqual(result.code, 0);
  checkClean({ ...result, stdout: "" });
  match(result.stderr, /red and quiet\n/);
  match(result.stderr, /built in red\n/);
}, {
  workspaces: [{
    name: "myworkspace",
    transition: "stop",
    buildScript: async (build) => {
      if (build.transition === "stop") return build.succeed();
      build.start();
      build.log("Starting workspace");
      build.log("Starting workspace", "built in \u001b[31mred\u001b[0m\u0007");
      await build.pause(100);
      build.succeed();
    },
    agents: [{
      ...SHELL,
      blocksLogin: true,
      startup: (agent) => {
        agent.log("\u001b[31mred\u001b[0m and \u001b]0;title\u0007quiet");
        return agent.pause(300);
      },
    }],
  }],
});
