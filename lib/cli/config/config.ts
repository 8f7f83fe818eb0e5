/**
 * Where the deployment is and who we are: flags, environment, then the configuration folder that the official command
 * writes (docs/protocol/ssh.md#configuration). Nothing is written here, so nothing is created.
 * Left out: the credential store of Windows, which needs a native call; the `session` file is read there.
 */
import { UserError } from "../../base/errors.ts";
import { goQuote, hideCredentials } from "../../coder/text.ts";
import type { HttpHeaders } from "../../base/http.ts";
import { certificatesIn } from "../../base/pem.ts";
import { isSameDeployment } from "../../coder/origin.ts";
import { parseDeploymentUrl } from "../../coder/url.ts";
import type { GlobalOptions } from "../grammar/flags_global.ts";
import { readHeaders } from "./headers.ts";
import {
  chooseContext,
  type Context,
  DEFAULT_CONTEXT,
  hasContext,
  isExplicit,
  namesQuietly,
  noSuchContext,
} from "./context.ts";
import { configDir, readConfigFile } from "./folder.ts";
import { type Host, HostError } from "../../base/host.ts";
import type { NetworkOptions } from "../../base/host_network.ts";
import { readKeyring, usesKeyring } from "./keyring.ts";
import { checkToken } from "./token.ts";
import { joinPath } from "../../base/paths.ts";

export interface Configuration {
  /** The name of the context. */
  readonly context: string;
  /** `undefined` when the machine has no home folder and none was named. */
  readonly dir: string | undefined;
  readonly url: URL;
  /** As it was given or saved. */
  readonly urlText: string;
  /** `undefined`: requests go out without, and get their 401. */
  readonly token: string | undefined;
  readonly headers: HttpHeaders;
  readonly network: NetworkOptions;
}

/** Reads everything that connecting to the deployment needs. Throws `UserError`. */
export async function readConfiguration(
  host: Host,
  options: GlobalOptions,
  signal?: AbortSignal,
): Promise<Configuration> {
  const context = await contextOf(host, options);
  const { dir } = context;
  const fromContext = isExplicit(context) && options.fromEnvironment?.has("url") === true;
  const urlText = (!fromContext && options.url) || await readConfigFile(host, dir, "url");
  if (urlText === "") throw await notLoggedIn(host, options, context);
  const url = parseDeploymentUrl(urlText);
  const own = forDeployment(host, options, { context, url });
  tellOfContext(options, context, { url, isTokenLeft: own.token !== options.token });
  const [token, wire] = await Promise.all([
    readToken(host, { ...own, url: fromContext ? "" : own.url, dir, deployment: url }, signal),
    readWireOptions(host, { ...own, deployment: url }, signal),
  ]);
  return {
    context: context.name,
    dir,
    url,
    urlText,
    token: token === "" ? undefined : token,
    ...wire,
  };
}

/** Who says both needs no folder, and perhaps none may be looked into. */
async function contextOf(host: Host, options: GlobalOptions): Promise<Context> {
  const isSaid = options.url !== "" && options.token !== "" && options.context === "";
  return await chooseContext(host, isSaid ? { ...options, isFolderFixed: true } : options);
}

function tellOfContext(
  { log }: GlobalOptions,
  { name, chosenBy, dir }: Context,
  { url, isTokenLeft }: { readonly url: URL; readonly isTokenLeft: boolean },
): void {
  log?.debug("context", { name, by: chosenBy, folder: dir ?? "none", deployment: url.origin });
  if (isTokenLeft) log?.debug("CODER_SESSION_TOKEN is not of this deployment, and not sent there");
}

async function notLoggedIn(
  host: Host,
  options: GlobalOptions,
  { name, dir, chosenBy }: Context,
): Promise<UserError> {
  const base = configDir(host, options);
  if (!await hasContext(host, base, name)) {
    const error = await noSuchContext(host, base, name);
    if (chosenBy !== "context use") return error;
    return new UserError(error.message, {
      hint: `It is the one in use: choose another with 'hawser context use ${DEFAULT_CONTEXT}'`,
    });
  }
  if (name !== DEFAULT_CONTEXT) {
    return new UserError(`You are not logged in in context ${goQuote(name)}`, {
      hint: `Log in: hawser login --context ${name} <url>`,
    });
  }
  const hidden = ["CODER_URL", "CODER_SESSION_TOKEN"].filter((name) => !host.mayReadEnv(name));
  if (hidden.length > 0) {
    return new UserError("No deployment and session are known: Deno may not read the environment", {
      hint: `Start with --allow-env, or give --url and --token (${hidden.join(", ")} are not read)`,
    });
  }
  const others = await namesQuietly(host, base);
  return new UserError("You are not logged in. Try logging in using 'hawser login <url>'.", {
    hint: dir === undefined
      ? "No home folder is known: set CODER_URL and CODER_SESSION_TOKEN, or CODER_CONFIG_DIR"
      : others.length > 0
      ? `There are other contexts: hawser context use ${others[0] ?? ""}`
      : "Or set CODER_URL and CODER_SESSION_TOKEN, or give --url and --token",
  });
}

/**
 * The options as they count for one deployment: what the environment says for another stays here. A token of the environment is for the
 * deployment of CODER_URL; without that, for the one that the default context is logged in to, as upstream has it. Throws `UserError` where
 * somebody names the address of one and leaves the token of another.
 */
export function forDeployment(
  host: Host,
  options: GlobalOptions,
  { context, url }: { readonly context: Context; readonly url: URL },
): GlobalOptions {
  const says = (name: "token" | "headers" | "headerCommand") =>
    options.fromEnvironment?.has(name) === true;
  const described = host.env("CODER_URL")?.trim() ?? "";
  const isForeign = described !== "" && !names(described, url);
  if (isForeign && says("token") && options.token !== "" && !isExplicit(context)) {
    throw new UserError(
      `CODER_SESSION_TOKEN is for ${goQuote(hideCredentials(described))}, which CODER_URL names, ` +
        `not for ${url.origin}`,
      { hint: `Give a token of ${url.origin} with --token, or unset both variables` },
    );
  }
  // Nobody can tell whose a token is that stands alone.
  const isLeft = isForeign || (described === "" && context.chosenBy !== "nobody");
  return {
    ...options,
    token: says("token") && isLeft ? "" : options.token,
    headers: says("headers") && isForeign ? [] : options.headers,
    headerCommand: says("headerCommand") && isForeign ? "" : options.headerCommand,
  };
}

/** How requests to a deployment go out, whoever asks. Throws `UserError`. */
export async function readWireOptions(
  host: Host,
  options: GlobalOptions & { readonly deployment: URL },
  signal?: AbortSignal,
): Promise<Pick<Configuration, "headers" | "network">> {
  const { headers: own, headerCommand, deployment } = options;
  const [headers, network] = await Promise.all([
    readHeaders(host, { headers: own, headerCommand, url: deployment }, signal),
    readNetworkOptions(host, options),
  ]);
  return { headers, network };
}

function names(text: string, url: URL): boolean {
  try {
    return isSameDeployment(parseDeploymentUrl(text), url);
  } catch (error) {
    if (error instanceof UserError) return false;
    throw error;
  }
}

async function readToken(
  host: Host,
  options: GlobalOptions & { readonly dir: string | undefined; readonly deployment: URL },
  signal: AbortSignal | undefined,
): Promise<string> {
  const { dir, deployment } = options;
  if (options.token !== "") {
    const variable = "CODER_SESSION_TOKEN";
    return checkToken(options.token, host.env(variable) === options.token ? variable : "--token");
  }
  if (usesKeyring(host, options)) {
    const stored = await readKeyring(host, deployment, signal);
    if (stored !== undefined && await isMeantFor(host, dir, deployment)) {
      return checkToken(stored, "the system's keyring");
    }
  }
  const session = await readConfigFile(host, dir, "session");
  if (dir === undefined || session === "") return "";
  if (options.url !== "") await assertSavedFor(host, dir, deployment);
  return checkToken(session, goQuote(joinPath(host.os, dir, "session")));
}

/** A saved session is for the deployment that it was saved with: whoever names another URL must name a token as well. */
async function assertSavedFor(host: Host, dir: string, deployment: URL): Promise<void> {
  const saved = await readSavedUrl(host, dir);
  // A session without a URL was put there by hand, for whatever its owner names.
  if (saved === undefined || isSameDeployment(saved, deployment)) return;
  throw new UserError(`The saved session is for ${saved.origin}, not for ${deployment.origin}`, {
    hint: `Give a token of ${deployment.origin} with --token or CODER_SESSION_TOKEN, or log in ` +
      `with 'hawser login ${deployment.origin}'`,
  });
}

/**
 * Whether an entry of the keychain is for `deployment`. Its key is host and port, without the scheme: without a port it may
 * have been saved for `https`, and is then not sent in the clear.
 */
async function isMeantFor(host: Host, dir: string | undefined, deployment: URL): Promise<boolean> {
  if (deployment.protocol === "https:" || deployment.port !== "") return true;
  const saved = await readSavedUrl(host, dir);
  return saved !== undefined && isSameDeployment(saved, deployment);
}

async function readSavedUrl(host: Host, dir: string | undefined): Promise<URL | undefined> {
  const text = await readConfigFile(host, dir, "url");
  return text === "" ? undefined : parseDeploymentUrl(text);
}

async function readNetworkOptions(host: Host, options: GlobalOptions): Promise<NetworkOptions> {
  const { caFile, certFile, keyFile } = options;
  if ((certFile === "") !== (keyFile === "")) {
    throw new UserError(
      "--client-tls-cert-file and --client-tls-key-file must be specified together",
    );
  }
  const [ca, certificate, key] = await Promise.all([
    readPem(host, "--client-tls-ca-file", caFile),
    readPem(host, "--client-tls-cert-file", certFile),
    readPem(host, "--client-tls-key-file", keyFile),
  ]);
  const authorities = ca === undefined ? undefined : certificatesIn(ca);
  if (authorities?.length === 0) {
    throw new UserError(
      `Cannot use --client-tls-ca-file ${goQuote(caFile)}: it holds no certificate`,
    );
  }
  return {
    ...(authorities === undefined ? {} : { caCertificates: authorities.join("") }),
    ...(certificate === undefined || key === undefined
      ? {}
      : { clientCertificate: { certificate, key } }),
  };
}

async function readPem(host: Host, flag: string, path: string): Promise<string | undefined> {
  if (path === "") return undefined;
  let text: string | undefined;
  try {
    text = await host.files.readText(path);
  } catch (cause) {
    if (!(cause instanceof HostError)) throw cause;
    throw new UserError(`Cannot read ${flag} ${goQuote(path)}: ${cause.message}`, { cause });
  }
  if (text === undefined) {
    throw new UserError(`Cannot read ${flag} ${goQuote(path)}: no such file`);
  }
  if (!text.includes("-----BEGIN ")) {
    throw new UserError(`Cannot use ${flag} ${goQuote(path)}: it holds no PEM block`);
  }
  return text;
}
