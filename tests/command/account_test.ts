/** From an address to a session and out again, as the official command does it: login, whoami, login token, logout. */
import {
  deepStrictEqual,
  doesNotMatch,
  match,
  notStrictEqual,
  strictEqual,
} from "node:assert/strict";
import { type CommandOptions, runToEnd, startCommand } from "../support/command_host.ts";
import { commandTest, type Desk } from "./support.ts";

/** A folder for configuration, and commands that are told nothing else. */
class Seat implements AsyncDisposable {
  readonly dir = `${Deno.makeTempDirSync({ prefix: "hawser-account-" })}/coderv2`;
  readonly #desk: Desk;

  constructor(desk: Desk) {
    this.#desk = desk;
  }

  get url(): string {
    return this.#desk.sandbox.url.origin;
  }

  options(options: CommandOptions = {}): CommandOptions {
    return { stdin: "", ...options, env: { CODER_CONFIG_DIR: this.dir, ...options.env } };
  }

  run(args: readonly string[], options: CommandOptions = {}) {
    return runToEnd(args, this.options(options));
  }

  login(...more: readonly string[]) {
    return this.run([
      "login",
      "--use-token-as-session",
      "--token",
      this.#desk.sandbox.token,
      ...more,
    ]);
  }

  read(name: string): string {
    return Deno.readTextFileSync(`${this.dir}/${name}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.dir.replace(/\/coderv2$/, ""), { recursive: true });
  }
}

function accountTest(name: string, body: (seat: Seat, desk: Desk) => Promise<void>): void {
  commandTest(name, async (desk) => {
    await using seat = new Seat(desk);
    await body(seat, desk);
  });
}

accountTest(
  "login with a token keeps it as the official command does, for its owner alone",
  async (seat, desk) => {
    const { stdout, stderr, code } = await seat.login(seat.url);
    strictEqual(stderr, "");
    strictEqual(
      stdout,
      `Attempting to authenticate with argument URL: '${seat.url}'\n` +
        "  Welcome to Coder, myuser! You're authenticated.\n",
    );
    strictEqual(code, 0);
    deepStrictEqual([seat.read("url"), seat.read("session")], [seat.url, desk.sandbox.token]);
    for (const name of ["url", "session"]) {
      strictEqual(((await Deno.stat(`${seat.dir}/${name}`)).mode ?? 0) & 0o777, 0o600);
    }
    const who = await seat.run(["whoami"]);
    strictEqual(
      who.stdout,
      `  Coder is running at ${seat.url}, You're authenticated as myuser !\n`,
    );
    strictEqual((await seat.run(["login", "token"])).stdout, `${desk.sandbox.token}\n`);
    strictEqual((await seat.run(["ssh", "myworkspace", "echo", "in"])).stdout, "in\n");
  },
);

accountTest("login with --token asks for a session of its own", async (seat, desk) => {
  const { code } = await seat.run(["login", "--token", desk.sandbox.token, seat.url]);
  strictEqual(code, 0);
  const session = seat.read("session");
  match(session, /^\w{10}-\w{22}$/);
  notStrictEqual(session, desk.sandbox.token);
  strictEqual((await seat.run(["logout", "--yes"])).code, 0);
  // The token that it was made with goes on.
  strictEqual((await seat.login(seat.url)).code, 0);
});

accountTest(
  "login reads a pasted token, and asks again for one that is none",
  async (seat, desk) => {
    const stdin = `nonsense\n  ${desk.sandbox.token} \r\n`;
    const { stdout, code } = await seat.run(["login", seat.url], { stdin });
    strictEqual(code, 0, stdout);
    match(
      stdout,
      new RegExp(`^Open the following in your browser:\n\n\t${seat.url}/cli-auth\n\n`, "m"),
    );
    match(stdout, /That's not a valid token!\n/);
    doesNotMatch(stdout, new RegExp(desk.sandbox.token));
    strictEqual(seat.read("session"), desk.sandbox.token);
    const ended = await seat.run(["login", seat.url]);
    strictEqual(ended.code, 1);
    match(ended.stderr, /paste token prompt: EOF/);
  },
);

accountTest("whoami for programs", async (seat) => {
  await seat.login(seat.url);
  const [user] = JSON.parse((await seat.run(["whoami", "-o", "json"])).stdout);
  deepStrictEqual(Object.keys(user), ["url", "username", "user_id", "organization_ids", "roles"]);
  deepStrictEqual([user.url, user.username], [seat.url, "myuser"]);
});

accountTest("logout ends the session there and forgets it here", async (seat, desk) => {
  await seat.login(seat.url);
  const unanswered = await seat.run(["logout"]);
  strictEqual(unanswered.code, 1);
  strictEqual(seat.read("session"), desk.sandbox.token);
  const { stdout, code } = await seat.run(["logout", "-y"]);
  strictEqual(
    stdout,
    "  You are no longer logged in. You can log in using 'hawser login <url>'.\n",
  );
  strictEqual(code, 0);
  deepStrictEqual(
    [...Deno.readDirSync(seat.dir)].map(({ name }) => name).filter((name) =>
      name !== "hawser.lock"
    ),
    [],
  );
  for (const args of [["whoami"], ["logout", "-y"], ["list"]]) {
    const { stderr, code } = await seat.run(args);
    strictEqual(code, 1);
    match(stderr, /^error: You are not logged in\. Try logging in using 'hawser login <url>'\.$/m);
  }
  // Nobody gets in with that token any more.
  const { stderr } = await seat.login(seat.url);
  match(stderr, /signed out/);
});

accountTest("login says at once when that is no deployment", async (seat, desk) => {
  const refused = await seat.run(["login", "http://127.0.0.1:1"]);
  match(
    refused.stderr,
    /Failed to check server "http:\/\/127\.0\.0\.1:1" for first user, is the URL correct/,
  );
  strictEqual(refused.code, 1);
  desk.sandbox.settings.isWorkspaceProxy = true;
  const proxy = await seat.login(seat.url);
  match(proxy.stderr, /is a workspace proxy, not the deployment\nRun 'hawser login http/);
  desk.sandbox.settings.isWorkspaceProxy = false;
  desk.sandbox.settings.hasFirstUser = false;
  const empty = await seat.login(seat.url);
  match(empty.stdout, /Your Coder deployment hasn't been set up!/);
  strictEqual(empty.code, 1);
  const none = await seat.run(["login"]);
  match(none.stderr, /^error: no url argument provided$/m);
});

accountTest(
  "login refuses what a variable would override, and damaged tokens",
  async (seat, desk) => {
    const env = { CODER_SESSION_TOKEN: desk.sandbox.token };
    const { stderr, code } = await seat.run(["login", seat.url], { env });
    strictEqual(code, 1);
    match(
      stderr,
      /CODER_SESSION_TOKEN is set\..*\n\nTo log in, unset .*\n\n\s*unset CODER_SESSION_TOKEN/,
    );
    const damaged = await seat.run(["login", "--token", "a\nb", seat.url]);
    match(
      damaged.stderr,
      /^error: The session token of --token holds characters that no token has$/m,
    );
  },
);

accountTest("two logins at once leave one of them whole", async (seat, desk) => {
  const runs = Array.from(
    { length: 4 },
    () => seat.run(["login", "--token", desk.sandbox.token, seat.url]),
  );
  deepStrictEqual((await Promise.all(runs)).map(({ code }) => code), [0, 0, 0, 0]);
  strictEqual((await seat.run(["whoami"])).code, 0);
  deepStrictEqual(
    [...Deno.readDirSync(seat.dir)].map(({ name }) => name).filter((name) => name !== "hawser.lock")
      .sort(),
    ["session", "url"],
  );
});

accountTest("a pasted token is not shown on a terminal", async (seat, desk) => {
  await using run = startCommand(["login", seat.url], {
    env: { CODER_CONFIG_DIR: seat.dir, CODER_NO_OPEN: "true" },
    terminal: { columns: 80, rows: 24 },
  });
  await run.stdout.waitFor(/Paste your token here:/);
  await run.type(`${desk.sandbox.token}\r`);
  const { code, stdout } = await run.result();
  strictEqual(code, 0, stdout);
  doesNotMatch(stdout, new RegExp(desk.sandbox.token));
});
