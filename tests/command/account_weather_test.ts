/** login, logout and whoami when something is in the way: full disks, planted links, other logins, deployments that are gone or none. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { HostError } from "../../lib/base/host.ts";
import { createHost } from "../../lib/io/host.ts";
import { jsonAnswer, textAnswer } from "../../lib/sandbox/mod.ts";
import {
  type CommandOptions,
  type CommandResult,
  type CommandRun,
  runToEnd,
  startCommand,
} from "../support/command_host.ts";
import { commandTest, type Desk, TERMINAL } from "./support.ts";

/** A configuration folder of the test's own, and commands that know nothing else. */
class Place implements Disposable {
  readonly dir = Deno.makeTempDirSync({ prefix: "hawser-account-" });

  #options(options: CommandOptions): CommandOptions {
    return { ...options, env: { CODER_CONFIG_DIR: `${this.dir}/cfg`, ...options.env } };
  }

  run(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    return runToEnd(args, this.#options(options));
  }

  start(args: readonly string[], options: CommandOptions = {}): CommandRun {
    return startCommand(args, this.#options(options));
  }

  put(url: string, session: string): void {
    Deno.mkdirSync(`${this.dir}/cfg`, { recursive: true });
    Deno.writeTextFileSync(`${this.dir}/cfg/url`, url, { mode: 0o600 });
    Deno.writeTextFileSync(`${this.dir}/cfg/session`, session, { mode: 0o600 });
  }

  /** What is kept; `undefined` for a file that is not there. */
  get kept(): readonly (string | undefined)[] {
    return ["url", "session"].map((name) => {
      try {
        return Deno.readTextFileSync(`${this.dir}/cfg/${name}`);
      } catch (error) {
        if (error instanceof Deno.errors.NotFound) return undefined;
        throw error;
      }
    });
  }

  get names(): string[] {
    return [...Deno.readDirSync(`${this.dir}/cfg`)].map(({ name }) => name).toSorted();
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.dir, { recursive: true });
  }
}

function accountTest(name: string, body: (desk: Desk, place: Place) => Promise<void>): void {
  commandTest(name, async (desk) => {
    using place = new Place();
    await body(desk, place);
  });
}

const addressOf = (desk: Desk) => desk.sandbox.url.origin;
const WELCOME = "  Welcome to Coder, myuser! You're authenticated.\n";
const attempt = (url: string, source = "argument") =>
  `Attempting to authenticate with ${source} URL: '${url}'\n`;
const page = (url: string) => `Open the following in your browser:\n\n\t${url}/cli-auth\n\n`;

accountTest(
  "login --token keeps a session of its own, and whoami finds it",
  async (desk, place) => {
    const url = addressOf(desk);
    const { token, sessions } = desk.sandbox;
    const result = await place.run(["login", "--token", token, url]);
    deepStrictEqual(result, { code: 0, stdout: attempt(url) + WELCOME, stderr: "" });
    const own = sessions.tokens[1];
    deepStrictEqual(place.kept, [url, own]);
    ok(own !== token);
    deepStrictEqual(place.names, ["hawser.lock", "session", "url"]);
    for (const name of ["session", "url"]) {
      strictEqual((Deno.statSync(`${place.dir}/cfg/${name}`).mode ?? 0) & 0o777, 0o600);
    }
    deepStrictEqual(await place.run(["whoami"]), {
      code: 0,
      stdout: `  Coder is running at ${url}, You're authenticated as myuser !\n`,
      stderr: "",
    });
    const json = await place.run(["whoami", "-o", "json"]);
    const [{ username, roles, ...rest }] = JSON.parse(json.stdout);
    deepStrictEqual([username, roles, rest.url], ["myuser", { "*": ["Owner"] }, url]);
    const table = await place.run(["whoami", "-o", "table", "-c", "username,roles"]);
    strictEqual(table.stdout, "USERNAME  ROLES    \nmyuser    *:Owner  \n");
    deepStrictEqual(await place.run(["login", "token"]), {
      code: 0,
      stdout: `${own}\n`,
      stderr: "",
    });
  },
);

accountTest("login asks until the token is one, from a pipe too", async (desk, place) => {
  const url = addressOf(desk);
  const result = await place.run(["login", url], {
    stdin: `nonsense\nwith blank\n\n  ${desk.sandbox.token}  \r\nrest`,
  });
  const again = "> Paste your token here: That's not a valid token!\n";
  deepStrictEqual(result, {
    code: 0,
    stdout: `${attempt(url)}${page(url)}${again.repeat(3)}> Paste your token here: ${WELCOME}`,
    stderr: "",
  });
  strictEqual(place.kept[1], desk.sandbox.token);
  const ended = await place.run(["login", url], { stdin: "bad\n" });
  strictEqual(ended.code, 1);
  match(ended.stderr, /\nerror: paste token prompt: EOF\n$/);
});

accountTest("login on a terminal shows stars, and Ctrl-C ends it", async (desk, place) => {
  const env = { CODER_NO_OPEN: "true" };
  const { token } = desk.sandbox;
  await using run = place.start(["login", addressOf(desk)], { env, terminal: TERMINAL });
  await run.stdout.waitFor("Paste your token here: ");
  await run.type(`x\x7fbad\r${token}\r`);
  strictEqual(await run.exitCode, 0);
  ok(run.stdout.text.includes("*\b \b***\nThat's not a valid token!\n> Paste"));
  ok(run.stdout.text.includes(`${"*".repeat(token.length)}\n  Welcome`));
  ok(!run.stdout.text.includes(token));
  deepStrictEqual(run.modes, ["raw", "cooked", "raw", "cooked"]);
  await using other = place.start(["login", addressOf(desk)], { env, terminal: TERMINAL });
  await other.stdout.waitFor("Paste your token here: ");
  await other.type("abc\x03");
  strictEqual(await other.exitCode, 1);
  ok(!other.stderr.text.includes("error"));
  strictEqual(place.kept[1], token);
});

accountTest(
  "login opens the page in the browser of BROWSER, without credentials",
  async (desk, place) => {
    const url = desk.sandbox.url;
    await using run = place.start(["login", `http://user:secret@${url.host}/`], {
      env: { BROWSER: "true" },
      terminal: TERMINAL,
    });
    await run.stdout.waitFor("Your browser has been opened to visit:");
    await run.type(`${desk.sandbox.token}\r`);
    strictEqual(await run.exitCode, 0);
    deepStrictEqual(run.children.map(({ program, args }) => [program, ...args]), [
      ["sh", "-c", `true '${url.origin}/cli-auth'`],
    ]);
    ok(!run.stdout.text.includes("secret"));
    strictEqual(place.kept[0], `http://user:secret@${url.host}/`);
  },
);

accountTest(
  "login refuses a token of the environment in the official words",
  async (desk, place) => {
    const result = await place.run(["login", addressOf(desk)], {
      env: { CODER_SESSION_TOKEN: desk.sandbox.token },
    });
    strictEqual(result.code, 1);
    match(
      result.stderr,
      /\nerror: CODER_SESSION_TOKEN is set\. This environment variable takes precedence over any session token stored on disk\.\n\nTo log in, unset the environment variable and re-run this command:\n\n\tunset CODER_SESSION_TOKEN\n$/,
    );
    deepStrictEqual(desk.sandbox.api.requestsTo("POST /users/{user}/keys"), []);
  },
);

accountTest("login tells at once of what is no deployment to log in to", async (desk, place) => {
  const { api, settings } = desk.sandbox;
  const url = addressOf(desk);
  const failed = async () => {
    const result = await place.run(["login", "--token", desk.sandbox.token, url]);
    strictEqual(result.code, 1);
    deepStrictEqual(place.kept, [undefined, undefined]);
    return result;
  };
  settings.hasFirstUser = false;
  const empty = await failed();
  match(empty.stdout, /\n {2}Your Coder deployment hasn't been set up!\n$/);
  match(empty.stderr, /the initial user cannot be created in non-interactive mode. use the API\n/);
  settings.isWorkspaceProxy = true;
  match(
    (await failed()).stderr,
    /is a workspace proxy, not the deployment\nRun 'hawser login http/,
  );
  settings.version = "";
  match(
    (await failed()).stderr,
    /error: Failed to check server "http:\S+" for first user, is the URL correct and is coder accessible from your browser\? Error - has initial user: missing build version header, not a coder instance\n/,
  );
  api.override("GET /users/first", jsonAnswer({ ok: true }));
  api.override("GET /buildinfo", textAnswer(200, "<html>"));
  match((await failed()).stderr, /does not answer as a Coder deployment/);
  match((await place.run(["login"])).stderr, /error: no url argument provided/);
});

accountTest("logout ends the session there and here, and another's stays", async (desk, place) => {
  const url = addressOf(desk);
  const { sessions } = desk.sandbox;
  const own = sessions.begin();
  place.put(url, own);
  Deno.writeTextFileSync(`${place.dir}/cfg/organization`, "o");
  const asked = await place.run(["logout"]);
  strictEqual(asked.code, 1);
  match(asked.stderr, /\nerror: EOF\n/);
  strictEqual((await place.run(["logout"], { stdin: "no\n" })).code, 1);
  ok(sessions.has(own));
  const result = await place.run(["logout"], { stdin: "yes\n" });
  strictEqual(result.code, 0);
  strictEqual(
    result.stdout,
    "> Are you sure you want to log out? (yes/no)   You are no longer logged in. " +
      "You can log in using 'hawser login <url>'.\n",
  );
  deepStrictEqual([place.names, sessions.has(own)], [["hawser.lock"], false]);
  strictEqual((await place.run(["logout", "-y"])).code, 1);
  // A session that has ended already is no reason to stay.
  place.put(url, own);
  strictEqual((await place.run(["logout", "-y"])).code, 0);
  // The one that was left is not the one that is kept.
  place.put("https://other.example", "keep-me");
  const env = { CODER_URL: url, CODER_SESSION_TOKEN: sessions.begin() };
  strictEqual((await place.run(["logout", "-y"], { env })).code, 0);
  deepStrictEqual(place.kept, ["https://other.example", "keep-me"]);
});

accountTest("logout from a deployment that is gone forgets it and says so", async (_, place) => {
  place.put("http://127.0.0.1:1", "id-secret");
  const result = await place.run(["logout", "--yes"]);
  strictEqual(result.code, 1);
  match(
    result.stderr,
    /\nerror: Failed to log out\.\n\s*logout api: Cannot reach http:\/\/127.0.0.1:1: /,
  );
  deepStrictEqual(place.kept, [undefined, undefined]);
});

accountTest("a full disk leaves the old login whole", async (desk, place) => {
  place.put("https://old.example", "old-token");
  const { files } = createHost();
  for (const refused of ["url", "session"]) {
    const result = await place.run(["login", "--token", desk.sandbox.token, addressOf(desk)], {
      files: {
        replaceBytes: (path, bytes, options) =>
          path.includes(`/${refused}.`)
            ? Promise.reject(new HostError("no-space", `write ${path}: no space left on device`))
            : files.replaceBytes(path, bytes, options),
      },
    });
    strictEqual(result.code, 1);
    match(result.stderr, /error: write session token: write .*: no space left on device/);
    deepStrictEqual(place.kept, ["https://old.example", "old-token"]);
    deepStrictEqual(place.names, ["hawser.lock", "session", "url"]);
  }
});

accountTest("a link that waits where the session goes is not followed", async (desk, place) => {
  place.put("https://old.example", "");
  Deno.writeTextFileSync(`${place.dir}/planted`, "mine");
  Deno.removeSync(`${place.dir}/cfg/session`);
  Deno.symlinkSync(`${place.dir}/planted`, `${place.dir}/cfg/session`);
  const result = await place.run(["login", "--token", desk.sandbox.token, addressOf(desk)]);
  strictEqual(result.code, 0);
  match(result.stderr, /^The login to https:\/\/old\.example was replaced\.\n$/);
  strictEqual(Deno.readTextFileSync(`${place.dir}/planted`), "mine");
  strictEqual(place.kept[1], desk.sandbox.sessions.tokens[1]);
});
