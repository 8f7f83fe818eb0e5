/**
 * `login`: from an address to a session that every command finds (docs/protocol/ssh.md#login). What cannot be a deployment is told
 * before anybody is sent to a browser; a token is tried before it is kept.
 */
import { UserError } from "../../base/errors.ts";
import type { Host } from "../../base/host.ts";
import {
  createSessionKey,
  type FirstLook,
  getMe,
  lookAtDeployment,
  type User,
} from "../../coder/account.ts";
import { ApiError, StepError } from "../../coder/errors.ts";
import { isSameDeployment } from "../../coder/origin.ts";
import { goQuote } from "../../coder/text.ts";
import { deploymentText, parseDeploymentUrl } from "../../coder/url.ts";
import { openBrowser } from "../account/browser.ts";
import { accountClient } from "../account/clients.ts";
import { type Configuration, forDeployment, readWireOptions } from "../config/config.ts";
import { chooseContext, type Context, DEFAULT_CONTEXT, isExplicit } from "../config/context.ts";
import { readConfigFile } from "../config/folder.ts";
import { usesKeyring } from "../config/keyring.ts";
import { writeKeyring } from "../config/keyring_changes.ts";
import { saveLogin } from "../config/saved_login.ts";
import { checkToken } from "../config/token.ts";
import { switchFlag } from "../grammar/flag.ts";
import { GLOBAL, type GlobalOptions } from "../grammar/flags_global.ts";
import type { OptionsOf } from "../grammar/options.ts";
import { writeText } from "../terminal/print.ts";
import { SecretInput } from "../terminal/secret.ts";
import { defineCommand, type Invocation } from "./command.ts";

const TOKEN_VARIABLE = "CODER_SESSION_TOKEN";

const LOGIN = {
  useTokenAsSession: switchFlag({
    name: "use-token-as-session",
    help: "Keep the token that was given, instead of asking the deployment for a new one.",
  }),
};

export const command = defineCommand({
  name: "login",
  usage: "[flags] [<url>]",
  summary: "Log in to a deployment.",
  description: "Logs in to a deployment: opens its page for a token in the browser, asks for the " +
    "token, tries it, and keeps it where every command and the coder command find it.",
  examples: [
    { line: "hawser login coder.example.com", does: "In the browser" },
    {
      line: "hawser login --use-token-as-session coder.example.com",
      does: "With the token of CODER_SESSION_TOKEN, in a script",
    },
  ],
  flags: LOGIN,
  positionals: { min: 0, max: 1 },
  run: async (flags, invocation) => await new LoginRun(flags, invocation).run(),
});

class LoginRun {
  readonly #flags: OptionsOf<typeof LOGIN>;
  readonly #invocation: Invocation;
  readonly #host: Host;

  constructor(flags: OptionsOf<typeof LOGIN>, invocation: Invocation) {
    this.#flags = flags;
    this.#invocation = invocation;
    this.#host = invocation.host;
  }

  async run(): Promise<number> {
    const host = this.#host;
    const { global: said } = this.#invocation;
    const context = await chooseContext(host, said);
    const { dir } = context;
    if (dir === undefined) {
      throw new UserError("There is no place to keep a session: no home folder is known", {
        hint: "Set CODER_CONFIG_DIR, or use CODER_URL and CODER_SESSION_TOKEN without a login",
      });
    }
    const savedUrl = await readConfigFile(host, dir, "url");
    const [typed, source] = this.#chooseUrl(savedUrl, context);
    const url = parseDeploymentUrl(typed);
    refuseOtherDeployment(context, { savedUrl, url });
    const global = this.#optionsFor(url, context);
    const wire = await readWireOptions(host, { ...global, deployment: url });
    const bare: Configuration = {
      context: context.name,
      dir,
      url,
      urlText: typed,
      token: undefined,
      ...wire,
    };
    const found = await this.#lookAt(bare, typed);
    const configuration = { ...bare, url: found.url };
    const shown = deploymentText(found.url, typed);
    await this.#say(`Attempting to authenticate with ${source} URL: '${shown}'\n`);
    if (found.look.kind === "empty") await this.#refuseEmpty(found.url);
    const { token, user } = await this.#authenticate(configuration, global.token);
    await during("write session token", async () => {
      const url = deploymentText(found.url, typed, { withCredentials: true });
      const isInKeyring = await this.#keepInKeyring(dir, { url: found.url, token });
      await saveLogin(host, dir, { url, token: isInKeyring ? undefined : token });
    });
    await this.#say(`  Welcome to Coder, ${user.username}! You're authenticated.\n`);
    this.#tellOfReplaced(savedUrl, found.url);
    if (context.chosenBy === "--context" && context.name !== DEFAULT_CONTEXT) {
      this.#invocation.progress.line(
        `Kept as context ${goQuote(context.name)}: --context ${context.name} uses it once, ` +
          `'hawser context use ${context.name}' from now on.`,
      );
    }
    return 0;
  }

  /** Whether the system's store has the token: then no file does. */
  async #keepInKeyring(
    dir: string,
    login: { readonly url: URL; readonly token: string },
  ): Promise<boolean> {
    const { host, global: { useKeyring }, progress } = this.#invocation;
    if (!usesKeyring(host, { dir, useKeyring })) return false;
    const problem = await writeKeyring(host, dir, login);
    if (problem === undefined) return true;
    progress.line(`The session is kept in a file, not in the system's keyring: ${problem}`);
    return false;
  }

  async #say(text: string): Promise<void> {
    const host = this.#host;
    await writeText(host.stdout, text);
  }

  #chooseUrl(saved: string, context: Context): readonly [url: string, source: string] {
    const { args: [argument = ""], global, parsed } = this.#invocation;
    if (argument.trim() !== "") return [argument, "argument"];
    const isVariable = parsed.source(GLOBAL.url) === "env";
    // Who names a context means its deployment, whatever else the environment leads to.
    const isOverruled = isVariable && isExplicit(context) && saved !== "";
    if (global.url.trim() !== "" && !isOverruled) {
      return [global.url, isVariable ? "environment" : "flag"];
    }
    if (saved !== "") return [saved, "config"];
    throw new UserError("no url argument provided", {
      hint: "Give the deployment's address: hawser login coder.example.com",
    });
  }

  async #lookAt(
    configuration: Configuration,
    typed: string,
  ): Promise<{ readonly look: FirstLook; readonly url: URL }> {
    const { url } = configuration;
    const client = accountClient(this.#invocation, configuration);
    const shown = deploymentText(url, typed);
    const look = await during(
      `Failed to check server ${goQuote(shown)} for first user, is the URL correct and is coder ` +
        "accessible from your browser? Error - has initial user",
      () => this.#during(`Looking at ${url.origin}`, () => lookAtDeployment(client)),
      schemeHint(typed, url),
    );
    if (look.kind === "proxy") {
      const { dashboardUrl } = look;
      throw new UserError(`${url.origin} is a workspace proxy, not the deployment`, {
        hint: dashboardUrl === ""
          ? "Ask your administrator for the deployment's address"
          : `Run 'hawser login ${dashboardUrl}'`,
      });
    }
    return { look, url: client.url };
  }

  async #refuseEmpty(url: URL): Promise<never> {
    await this.#say("  Your Coder deployment hasn't been set up!\n");
    throw new UserError(
      "the initial user cannot be created in non-interactive mode. use the API",
      { hint: `Open ${url.origin}/setup in a browser and create it there, then log in again` },
    );
  }

  /** Who says that a token is to be kept means it for this deployment, unless another is named beside it. */
  #optionsFor(url: URL, context: Context): GlobalOptions {
    const { host, global } = this.#invocation;
    const isMeant = this.#flags.useTokenAsSession && !host.env("CODER_URL");
    const own = forDeployment(host, global, { context, url });
    return isMeant ? { ...own, token: global.token } : own;
  }

  async #authenticate(
    configuration: Configuration,
    tokenSaid: string,
  ): Promise<{ readonly token: string; readonly user: User }> {
    const { parsed } = this.#invocation;
    const isFlag = parsed.source(GLOBAL.token) === "flag";
    const isKept = this.#flags.useTokenAsSession;
    if (!isFlag && tokenSaid !== "" && !isKept) {
      throw new UserError(
        `${TOKEN_VARIABLE} is set. This environment variable takes precedence over any session ` +
          "token stored on disk.",
        {
          details: [
            "",
            "To log in, unset the environment variable and re-run this command:",
            "",
            `\tunset ${TOKEN_VARIABLE}`,
          ],
        },
      );
    }
    const given = checkToken(tokenSaid, isFlag ? "--token" : TOKEN_VARIABLE);
    if (given === "") return await this.#askForToken(configuration);
    const token = isKept ? given : await during("create api key", () => {
      const client = accountClient(this.#invocation, { ...configuration, token: given });
      return this.#during("Creating a session", () => createSessionKey(client));
    });
    return { token, user: await during("get user", () => this.#whoIs(configuration, token)) };
  }

  async #askForToken(
    configuration: Configuration,
  ): Promise<{ readonly token: string; readonly user: User }> {
    const page = tokenPage(configuration);
    const isOpen = this.#mayOpen() && await openBrowser(this.#host, page);
    await this.#say(
      `${
        isOpen ? "Your browser has been opened to visit:" : "Open the following in your browser:"
      }\n\n\t${page}\n\n`,
    );
    await using input = new SecretInput(this.#host);
    for (;;) {
      const pasted = await input.ask("Paste your token here:");
      if (pasted === undefined) throw new StepError("paste token prompt", new UserError("EOF"));
      const token = pasted.trim();
      const user = isTokenLike(token) ? await this.#tryToken(configuration, token) : undefined;
      if (user !== undefined) return { token, user };
      await this.#say("That's not a valid token!\n");
    }
  }

  #mayOpen(): boolean {
    return this.#host.stdout.isTerminal && !this.#invocation.global.noOpen;
  }

  /** Whose it is; `undefined` when the deployment does not know it. */
  async #tryToken(configuration: Configuration, token: string): Promise<User | undefined> {
    try {
      return await this.#whoIs(configuration, token);
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) return undefined;
      throw error;
    }
  }

  async #whoIs(configuration: Configuration, token: string): Promise<User> {
    const client = accountClient(this.#invocation, { ...configuration, token });
    return await this.#during("Trying the token", () => getMe(client));
  }

  async #during<T>(what: string, body: () => Promise<T>): Promise<T> {
    return await this.#invocation.progress.during(what, body);
  }

  #tellOfReplaced(savedUrl: string, url: URL): void {
    if (savedUrl === "") return;
    const saved = URL.parse(savedUrl);
    if (saved === null || isSameDeployment(saved, url)) return;
    this.#invocation.progress.line(`The login to ${saved.origin} was replaced.`);
  }
}

/** A name stands for its deployment: whoever only uses it does not mean to make it stand for another. */
function refuseOtherDeployment(
  { name, chosenBy }: Context,
  { savedUrl, url }: { readonly savedUrl: string; readonly url: URL },
): void {
  const saved = URL.parse(savedUrl);
  if (chosenBy !== "context use" || saved === null || isSameDeployment(saved, url)) return;
  throw new UserError(
    `The context in use, ${goQuote(name)}, is of ${saved.origin}, not of ${url.origin}`,
    {
      hint: `Name one for it: --context <name>, or --context ${DEFAULT_CONTEXT} for the login ` +
        "that the coder command has",
    },
  );
}

/** The dashboard's page that shows a token, without what nobody else is to see. */
function tokenPage({ url, urlText }: Configuration): string {
  const page = new URL(deploymentText(url, urlText));
  page.pathname = `${page.pathname.replace(/\/$/, "")}/cli-auth`;
  return page.href;
}

function isTokenLike(text: string): boolean {
  return /^[\x21-\x7e]+$/.test(text);
}

/** Who names no scheme means TLS, and may not know it. */
function schemeHint(typed: string, url: URL): string | undefined {
  if (url.protocol !== "https:" || /^https:/i.test(typed.trim())) return undefined;
  return `https was tried, since no scheme was named; without encryption it is http://${url.host}`;
}

async function during<T>(what: string, run: () => Promise<T>, hint?: string): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw new StepError(what, error, hint);
  }
}
